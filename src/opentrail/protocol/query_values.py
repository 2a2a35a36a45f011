"""Values as dotted form names (``Filter.1.Value.2=x``), for the query and EC2 protocols: pairs -> parameters.

The pairs become a tree over the dotted names first; a shape then picks what it knows. Responses of both protocols are
XML and do not come here.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from botocore.model import Shape

from opentrail.protocol.bounds import MAX_DEPTH, MAX_FORM_NODES, MAX_FORM_PAIRS, MalformedValue, check_depth
from opentrail.protocol.fields import aliased_fields
from opentrail.protocol.scalars import read_text

_INDEX = re.compile(r"[0-9]{1,9}")


class FormNode:
    """The values under one dotted name: its own ``text`` (None without one) and its ``children``."""

    __slots__ = ("children", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.children: dict[str, FormNode] = {}

    def items(self) -> list["FormNode"]:
        """Return the numbered children in the order of their numbers; gaps are closed."""
        numbered = [(int(name), node) for name, node in self.children.items() if _INDEX.fullmatch(name)]
        return [node for _, node in sorted(numbered, key=lambda item: item[0])]


def parse_form(text: str) -> FormNode:
    """Return the tree of a form body or query string; the first value of a name wins. Raises MalformedValue."""
    root = FormNode()
    count = 0
    pairs = text.split("&", MAX_FORM_PAIRS)
    if len(pairs) > MAX_FORM_PAIRS:
        raise MalformedValue(f"The request has more than {MAX_FORM_PAIRS} parameters.")
    for pair in pairs:
        name, _, value = pair.partition("=")
        parts = unquote_plus(name).split(".", MAX_DEPTH)
        if len(parts) > MAX_DEPTH:
            raise MalformedValue("The request is nested too deeply.")
        node = root
        for part in parts:
            child = node.children.get(part)
            if child is None:
                child = node.children[part] = FormNode()
                count += 1
            node = child
        if count > MAX_FORM_NODES:
            raise MalformedValue("The request's parameter names have too many parts.")
        if node.text is None:
            node.text = unquote_plus(value)
    return root


@dataclass(frozen=True, slots=True)
class QueryNaming:
    """How a protocol spells member names and lists. Query names lists ``Name.member.1``; EC2 has ``Name.1`` only."""

    is_ec2: bool

    def member_names(self, shape: Shape, name: str) -> list[str]:
        """Return the names a structure member may have on the wire, the model's own first.

        Clients disagree on two: EC2 members without a name of their own (capitalised or not), and flattened lists that
        have a name of their own beside their members' (either is used).
        """
        serialization = shape.serialization
        located = serialization.get("name")
        if self.is_ec2:
            if "queryName" in serialization:
                return [serialization["queryName"]]
            own = located or name
            return [own[:1].upper() + own[1:], name]
        names = [located or name]
        if shape.type_name == "list" and serialization.get("flattened") and shape.member.serialization.get("name"):
            names.insert(0, shape.member.serialization["name"])
        return names


class QueryReader:
    """Reads form trees by shapes, in one of the two namings. Tables of members are cached for ever."""

    def __init__(self, naming: QueryNaming) -> None:
        self._naming = naming
        self._fields: dict[Shape, dict[str, tuple[str, Shape]]] = {}

    def read(self, shape: Shape, node: FormNode, depth: int = 0) -> Any:
        """Return the value of ``node`` by ``shape``. Raises MalformedValue."""
        check_depth(depth)
        match shape.type_name:
            case "structure":
                return self._read_structure(shape, node, depth)
            case "list":
                return self._read_list(shape, node, depth)
            case "map":
                return self._read_map(shape, node, depth)
            case _:
                if node.text is None:
                    raise MalformedValue(f"A {shape.type_name} was expected where a structure was found.")
                return read_text(shape, node.text)

    def _read_structure(self, shape: Shape, node: FormNode, depth: int) -> dict[str, Any]:
        fields = self._fields.get(shape)
        if fields is None:
            fields = aliased_fields(shape, self._naming.member_names)
            self._fields[shape] = fields
        result = {}
        for wire_name, child in node.children.items():
            field = fields.get(wire_name)
            if field is not None:
                result[field[0]] = self.read(field[1], child, depth + 1)
        return result

    def _read_list(self, shape: Shape, node: FormNode, depth: int) -> list[Any]:
        if not self._naming.is_ec2 and not shape.serialization.get("flattened"):
            node = node.children.get(shape.member.serialization.get("name", "member"), node)
        member = shape.member
        return [self.read(member, item, depth + 1) for item in node.items()]

    def _read_map(self, shape: Shape, node: FormNode, depth: int) -> dict[str, Any]:
        if not shape.serialization.get("flattened"):
            node = node.children.get("entry", node)
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        result = {}
        for entry in node.items():
            key, value = entry.children.get(key_name), entry.children.get(value_name)
            if key is None or key.text is None:
                raise MalformedValue("A map entry has no key.")
            if value is not None:
                result[key.text] = self.read(shape.value, value, depth + 1)
        return result


QUERY_READER = QueryReader(QueryNaming(is_ec2=False))
EC2_READER = QueryReader(QueryNaming(is_ec2=True))
