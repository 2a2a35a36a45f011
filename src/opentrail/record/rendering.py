"""From an operation's parameters to what an event says of them: one compiled renderer per shape.

In: values as ``protocol`` parsed them, by the service model's member names. Out: JSON values, redacted. Everything that
depends on the model and on the reviewed list (names, sensitive members, what is left out) is decided once, when the
renderer is compiled; rendering only walks the values.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from botocore.model import Shape

from opentrail.event.json_values import json_safe, safe_text
from opentrail.event.redaction import HIDDEN, Action, action_of, hide_entries, hide_in_text, is_secret_name, replacement
from opentrail.event.times import format_java_time
from opentrail.record.names import records_as_sent

OMIT: Final = object()
"""What a renderer returns for a value that has no place in the record."""

Render = Callable[[Any], Any]
_Fields = dict[str, tuple[str, Render]]


def lower_first(name: str) -> str:
    """Return ``name`` with its first letter lowered, acronyms included: ``KMSKeyId`` becomes ``kMSKeyId``."""
    return name[:1].lower() + name[1:]


class ShapeRenderer:
    """Compiles the shapes of one service into renderers in the form that most services' events have.

    Members get lowerCamel names; binary members, event streams and what the list drops are left out; sensitive members
    are hidden whole, whatever their type (``secret_names`` collects their lower-case names). Recursive shapes share
    one renderer. Renderers never raise except for RecursionError, and give OMIT for a value that is not of its shape's
    type.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._is_as_sent = records_as_sent(service)
        self._compiled: dict[Shape, Render] = {}
        self.secret_names: set[str] = set()

    def top_level(self, shape: Shape, operation: str) -> Render:
        """Return the renderer of an operation's whole input or output; one that is sensitive itself is left out."""
        if self._is_sensitive(shape):
            self.secret_names.update(name.lower() for name in shape.members)
            return _omit
        return self._structure(shape, operation)

    def renderer(self, shape: Shape) -> Render:
        """Return the renderer of any shape that is not an operation's whole input or output."""
        known = self._compiled.get(shape)
        if known is not None:
            return known
        finished: list[Render] = []
        self._compiled[shape] = lambda value: finished[0](value)
        render = self._compile(shape)
        finished.append(render)
        self._compiled[shape] = render
        return render

    def member(self, name: str, shape: Shape, operation: str = "") -> Render:
        """Return the renderer of a structure's member: the reviewed list first, then the model."""
        action = action_of(self._service, operation, name)
        special = None if action is None else self._special(action, shape)
        if special is not None or self._is_sensitive(shape):
            self.secret_names.add(name.lower())
        if special is not None:
            return special
        if shape.type_name != "blob" and self._is_sensitive(shape):
            return _constant(HIDDEN)
        return self.renderer(shape)

    def member_name(self, name: str, shape: Shape) -> str:
        """Return the name that a structure's member has in events."""
        return name if self._is_as_sent else lower_first(name)

    def _compile(self, shape: Shape) -> Render:
        if shape.type_name == "structure":
            if shape.metadata.get("document"):
                return plain
            if getattr(shape, "is_eventstream", False) or shape.metadata.get("eventstream"):
                return _omit
            return self._structure(shape, "")
        if shape.type_name == "list":
            return self._list(shape)
        if shape.type_name == "map":
            return self._map(shape)
        if shape.type_name == "blob":
            return _omit
        if self._is_sensitive(shape):
            return _constant(HIDDEN)
        return self._scalar(shape)

    def _structure(self, shape: Shape, operation: str) -> Render:
        fields: _Fields = {}
        for name, member in shape.members.items():
            fields[name] = (self.member_name(name, member), self.member(name, member, operation))
        fields = {
            name: field
            for name, field in fields.items()
            if field[1] is not _omit and shape.members[name].serialization.get("location") != "statusCode"
        }

        def render_structure(value: Any) -> Any:
            if not isinstance(value, dict):
                return OMIT
            rendered = {}
            for name, item in value.items():
                field = fields.get(name)
                if field is None:
                    continue
                content = field[1](item)
                if content is not OMIT:
                    rendered[field[0]] = content
            return rendered

        return render_structure

    def _list(self, shape: Shape) -> Render:
        item = self._item(shape.member)

        def render_list(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return OMIT
            return [content for content in map(item, value) if content is not OMIT]

        return render_list

    def _map(self, shape: Shape) -> Render:
        if self._is_sensitive(shape.key):
            return _constant(HIDDEN)
        item = self._item(shape.value)

        def render_map(value: Any) -> Any:
            if not isinstance(value, dict):
                return OMIT
            rendered = {}
            for key, content in value.items():
                text = HIDDEN if is_secret_name(str(key)) else item(content)
                if text is not OMIT:
                    rendered[safe_text(str(key))] = text
            return rendered

        return render_map

    def _item(self, shape: Shape) -> Render:
        if shape.type_name != "blob" and self._is_sensitive(shape):
            return _constant(HIDDEN)
        return self.renderer(shape)

    def _scalar(self, shape: Shape) -> Render:
        return self._time if shape.type_name == "timestamp" else scalar

    def _time(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            return scalar(value)
        if not self._is_as_sent:
            return format_java_time(value)
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()

    def _special(self, action: str, shape: Shape) -> Render | None:
        if action in (Action.NAMES, Action.VALUES):
            if shape.type_name != "map":
                return None
            return list_names if action == Action.NAMES else attribute_values
        if action == Action.DROP:
            return _omit
        if action == Action.EMPTY:
            return lambda value: {}
        return _constant(replacement(action))

    def _is_sensitive(self, shape: Shape) -> bool:
        return bool(shape.metadata.get("sensitive"))


def scalar(value: Any) -> Any:
    """Render a string (documents in it without their secrets), number or boolean; anything else that came in its place
    is made harmless and searched."""
    if isinstance(value, str):
        return hide_in_text(value)
    if isinstance(value, int | float):
        return value
    return plain(value)


def plain(value: Any) -> Any:
    """Render a value that no model describes: JSON-safe, entries with secret names hidden."""
    return hide_entries(json_safe(value))


def list_names(value: Any) -> Any:
    """Render a map as the list of its keys."""
    return [safe_text(str(key)) for key in value] if isinstance(value, dict) else OMIT


def attribute_values(value: Any) -> Any:
    """Render a DynamoDB key as name -> value; binary and nested values are hidden."""
    if not isinstance(value, dict):
        return OMIT
    return {safe_text(str(name)): _attribute_value(item) for name, item in value.items()}


def _attribute_value(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        [(kind, content)] = value.items()
        if kind in ("S", "N", "BOOL", "NULL") and isinstance(content, str | bool):
            return content
    return HIDDEN


def _constant(text: str) -> Render:
    return lambda value: text


def _omit(value: Any) -> Any:
    return OMIT
