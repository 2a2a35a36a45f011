"""Parameters of XML documents, in the form that S3 and EC2's newer operations have in events.

There the service turns its XML into JSON mechanically: elements keep their wire names, an element that occurs once is
no list, an empty one is "", and text that reads as a boolean or a whole number becomes one. EC2 numbers the items of
lists in requests by a ``tag`` attribute, which shows as a member.
"""

import re
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

from opentrail.event.json_values import safe_text
from opentrail.record.rendering import OMIT, Render, ShapeRenderer, scalar

_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


class XmlRenderer(ShapeRenderer):
    """Compiles shapes into the JSON that a mechanical conversion of their XML gives."""

    def member_name(self, name: str, shape: Shape) -> str:
        flattened_item = shape.type_name == "list" and shape.serialization.get("flattened")
        item_name = shape.member.serialization.get("name") if flattened_item else None
        return str(item_name or shape.serialization.get("name") or name)

    def _structure(self, shape: Shape, operation: str) -> Render:
        render = super()._structure(shape, operation)
        return lambda value: render(value) or ""

    def _list(self, shape: Shape) -> Render:
        item = self._item(shape.member)
        is_flattened = bool(shape.serialization.get("flattened"))
        item_name = shape.member.serialization.get("name", "member")

        def render_list(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return OMIT
            items = [content for content in map(item, value) if content is not OMIT]
            if not items:
                return OMIT if is_flattened else ""
            found = items[0] if len(items) == 1 else items
            return found if is_flattened else {item_name: found}

        return render_list

    def _scalar(self, shape: Shape) -> Render:
        return self._time if shape.type_name == "timestamp" else xml_text

    def _time(self, value: Any) -> Any:
        return format_xml_time(value) if isinstance(value, datetime) else xml_text(value)


class NumberedXmlRenderer(XmlRenderer):
    """Compiles the input shapes of EC2's newer operations: query names, every list flat, items numbered by ``tag``."""

    def member_name(self, name: str, shape: Shape) -> str:
        query_name = shape.serialization.get("queryName")
        wire_name = shape.serialization.get("name")
        return str(query_name or (wire_name[:1].upper() + wire_name[1:] if wire_name else name))

    def _list(self, shape: Shape) -> Render:
        item = self._item(shape.member)

        def render_list(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return OMIT
            items = [_numbered(item(content), number) for number, content in enumerate(value, 1)]
            if not items:
                return OMIT
            return items[0] if len(items) == 1 else items

        return render_list


def xml_text(value: Any) -> Any:
    """Render an element's text as the conversion does: booleans and whole numbers lose their quotes."""
    if isinstance(value, str):
        if value in ("true", "false"):
            return value == "true"
        return int(value) if _WHOLE_NUMBER.fullmatch(value) else scalar(value)
    return scalar(value)


def format_xml_time(moment: datetime) -> str:
    """Format a time as it stands in the XML: ISO 8601 in UTC with milliseconds."""
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            moment = moment.replace(tzinfo=None)
    return safe_text(moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z")


def _numbered(content: Any, number: int) -> Any:
    if isinstance(content, dict):
        return {**content, "tag": number}
    return {"tag": number} if content is OMIT or content == "" else {"tag": number, "content": content}
