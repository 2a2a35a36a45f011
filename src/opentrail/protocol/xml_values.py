"""Values as XML: bytes -> a bounded tree -> parameters by a shape, and parameters -> text.

Namespaces are dropped: elements are known by their local name, attributes by their name as written (``xsi:type``).
A document type declaration is refused, so no entity but the five of XML ever expands.
"""

import re
from typing import Any
from xml.parsers import expat

from botocore.model import Shape

from opentrail.protocol.bounds import MAX_DEPTH, MAX_XML_NODES, MalformedValue, check_depth
from opentrail.protocol.fields import aliased_fields
from opentrail.protocol.scalars import read_text, write_text

XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class XmlNode:
    """One element: its local name, attributes, child elements and text."""

    __slots__ = ("attributes", "children", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[XmlNode] = []
        self.text = ""

    def child(self, tag: str) -> "XmlNode | None":
        """Return the first child element named ``tag``."""
        return next((node for node in self.children if node.tag == tag), None)


class _TreeBuilder:
    def __init__(self) -> None:
        self.root: XmlNode | None = None
        self._stack: list[XmlNode] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._stack) >= MAX_DEPTH or self._count > MAX_XML_NODES:
            raise MalformedValue("The XML you provided is too deep or too large.")
        node = XmlNode(name.rpartition(":")[2], attributes)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        self._stack.append(node)

    def end(self, name: str) -> None:
        self._stack.pop()

    def text(self, data: str) -> None:
        if self._stack:
            self._stack[-1].text += data

    def refuse_doctype(self, *_: object) -> None:
        raise MalformedValue("The XML you provided has a document type declaration.")


def parse_xml(body: bytes) -> XmlNode:
    """Return the root element of ``body``. Raises MalformedValue for what is not well-formed, too deep or too large."""
    builder = _TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, MalformedValue):
            raise
        raise MalformedValue("The XML you provided was not well-formed.") from error
    if builder.root is None:
        raise MalformedValue("The XML you provided was not well-formed.")
    return builder.root


_fields: dict[Shape, dict[str, tuple[str, Shape]]] = {}


def read_xml(shape: Shape, node: XmlNode, depth: int = 0) -> Any:
    """Return the value of an element by ``shape``. Raises MalformedValue."""
    check_depth(depth)
    match shape.type_name:
        case "structure":
            return _read_structure(shape, node, depth)
        case "list":
            member = shape.member
            return [read_xml(member, item, depth + 1) for item in node.children]
        case "map":
            return _read_entries(shape, node.children, depth)
        case _:
            return read_text(shape, node.text)


def _read_structure(shape: Shape, node: XmlNode, depth: int) -> dict[str, Any]:
    fields = _xml_fields(shape)
    result: dict[str, Any] = {}
    flattened: dict[str, tuple[Shape, list[XmlNode]]] = {}
    for child in node.children:
        field = fields.get(child.tag)
        if field is None:
            continue
        name, member = field
        if member.serialization.get("flattened") and member.type_name in ("list", "map"):
            flattened.setdefault(name, (member, []))[1].append(child)
        elif name not in result:
            result[name] = read_xml(member, child, depth + 1)
    for name, (member, nodes) in flattened.items():
        if member.type_name == "list":
            result[name] = [read_xml(member.member, item, depth + 1) for item in nodes]
        else:
            result[name] = _read_entries(member, nodes, depth)
    if node.attributes:
        _read_attributes(shape, node, result)
    return result


def _xml_fields(shape: Shape) -> dict[str, tuple[str, Shape]]:
    fields = _fields.get(shape)
    if fields is None:
        fields = {
            wire_name: (name, member)
            for wire_name, (name, member) in aliased_fields(shape, _element_names).items()
            if not member.serialization.get("xmlAttribute")
        }
        _fields[shape] = fields
    return fields


def _element_names(shape: Shape, name: str) -> list[str]:
    """The element's name, then what clients may write for it: its own where botocore writes a list's members' name, and
    the member's where a name of the structure (meant for it as a root) hides it."""
    names = [_element_name(shape, name), str(shape.serialization.get("name", name)), name]
    return [item.rpartition(":")[2] for item in names]


def _element_name(shape: Shape, name: str) -> str:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        inner = shape.member.serialization.get("name")
        if inner is not None:
            return str(inner)
    return str(shape.serialization.get("name", name))


def _read_attributes(shape: Shape, node: XmlNode, result: dict[str, Any]) -> None:
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute"):
            wire_name = member.serialization["name"]
            local = wire_name.rpartition(":")[2]
            for attribute, value in node.attributes.items():
                if attribute == wire_name or attribute.rpartition(":")[2] == local:
                    result[name] = read_text(member, value)


def _read_entries(shape: Shape, entries: list[XmlNode], depth: int) -> dict[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for entry in entries:
        key, value = entry.child(key_name), entry.child(value_name)
        if key is None:
            raise MalformedValue("A map entry has no key.")
        if value is not None:
            result[key.text] = read_xml(shape.value, value, depth + 1)
    return result


_ESCAPED = re.compile(r"[&<>\"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def escape(text: str) -> str:
    """Return ``text`` fit for element content or a quoted attribute; what XML 1.0 cannot hold becomes U+FFFD."""
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match.group(), "\ufffd"), text)


def write_root(name: str, shape: Shape, value: dict[str, Any], namespace_uri: str) -> str:
    """Return a structure as the root element ``name``, in its own namespace or else in ``namespace_uri``."""
    namespace = _namespace(shape) or (f' xmlns="{escape(namespace_uri)}"' if namespace_uri else "")
    return f"<{name}{namespace}{_attributes(shape, value)}>{write_members(shape, value)}</{name}>"


def write_members(shape: Shape, value: dict[str, Any]) -> str:
    """Return the child elements of a structure, without the element around them."""
    parts: list[str] = []
    _write_children(parts, shape, value)
    return "".join(parts)


def _write(parts: list[str], name: str, shape: Shape, value: Any) -> None:
    kind = shape.type_name
    is_flattened = bool(shape.serialization.get("flattened"))
    if kind == "structure":
        attributes = _namespace(shape) + _attributes(shape, value)
        parts.append(f"<{name}{attributes}>")
        _write_children(parts, shape, value)
        parts.append(f"</{name}>")
    elif kind == "list":
        item_name = name if is_flattened else shape.member.serialization.get("name", "member")
        if not is_flattened:
            parts.append(f"<{name}{_namespace(shape)}>")
        for item in value:
            _write(parts, item_name, shape.member, item)
        if not is_flattened:
            parts.append(f"</{name}>")
    elif kind == "map":
        _write_map(parts, name, shape, value, is_flattened=is_flattened)
    else:
        parts.append(f"<{name}{_namespace(shape)}>{escape(write_text(shape, value, 'iso8601'))}</{name}>")


def _write_map(parts: list[str], name: str, shape: Shape, value: dict[str, Any], *, is_flattened: bool) -> None:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    entry_name = name if is_flattened else "entry"
    if not is_flattened:
        parts.append(f"<{name}{_namespace(shape)}>")
    for key, item in value.items():
        parts.append(f"<{entry_name}>")
        _write(parts, key_name, shape.key, key)
        _write(parts, value_name, shape.value, item)
        parts.append(f"</{entry_name}>")
    if not is_flattened:
        parts.append(f"</{name}>")


def _write_children(parts: list[str], shape: Shape, value: dict[str, Any]) -> None:
    members = shape.members
    for name, item in value.items():
        member = members.get(name)
        if member is None or item is None:
            continue
        if not member.serialization.get("xmlAttribute"):
            _write(parts, _element_name(member, name), member, item)


def _namespace(shape: Shape) -> str:
    namespace = shape.serialization.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'


def _attributes(shape: Shape, value: dict[str, Any]) -> str:
    found = ""
    for name, member in shape.members.items():
        if member.serialization.get("xmlAttribute") and value.get(name) is not None:
            found += f' {member.serialization["name"]}="{escape(write_text(member, value[name], "iso8601"))}"'
    return found
