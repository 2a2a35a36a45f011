"""What REST protocols keep outside the body: members in the URI, the query string, headers and the status code."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson
from botocore.model import OperationModel, Shape

from opentrail.http_message import HttpRequest
from opentrail.protocol.bounds import MAX_FORM_PAIRS, MalformedValue
from opentrail.protocol.paths import object_path, object_segments, service_segments
from opentrail.protocol.scalars import read_text, write_text

_LIST_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)')


def read_located_members(operation: OperationModel, request: HttpRequest) -> dict[str, Any]:
    """Return the members that the request's URI, query string and headers hold. Raises MalformedValue."""
    places = _places(operation)
    labels = _labels(places, request) if places.has_labels else {}
    query = _query(request.raw_query) if request.raw_query else {}
    headers = request.headers.first
    result: dict[str, Any] = {}
    is_bare = not query and places.header_names.isdisjoint(headers)
    for name, member, location, wire_name, lower_name in places.outside_headers if is_bare else places.members:
        if location == "header":
            if lower_name in headers:
                result[name] = _header_value(member, headers[lower_name])
            elif query and lower_name.startswith("x-amz-"):
                _read_hoisted_header(result, name, member, lower_name, query)
        elif location == "uri":
            if wire_name in labels:
                result[name] = read_text(member, labels[wire_name])
        elif location == "querystring":
            if query:
                _read_query_member(result, name, member, wire_name, query, operation)
        elif location == "headers":
            _read_header_map(result, name, wire_name, request)
    return result


_Place = tuple[str, Shape, str, str, str]
"""An input member: its name, shape, location, name on the wire, and that name in lower case."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Where an operation's input members travel outside the body; and the path's template in segments."""

    members: tuple[_Place, ...]
    outside_headers: tuple[_Place, ...]
    header_names: frozenset[str]
    template: tuple[str, ...]
    has_labels: bool
    is_s3: bool


@cache
def _places(operation: OperationModel) -> _Places:
    members = []
    for name, member in operation.input_shape.members.items():
        location = member.serialization.get("location")
        if location is not None:
            wire_name = member.serialization.get("name", name)
            members.append((name, member, location, wire_name, wire_name.lower()))
    template = tuple(part for part in operation.http["requestUri"].partition("?")[0].split("/") if part)
    has_labels = any(part.startswith("{") for part in template)
    in_headers = [place for place in members if place[2] == "header"]
    return _Places(
        tuple(members),
        tuple(place for place in members if place not in in_headers),
        frozenset(place[4] for place in in_headers),
        template,
        has_labels,
        operation.service_model.service_name == "s3",
    )


def write_located_members(shape: Shape, output: Mapping[str, Any]) -> tuple[list[tuple[str, str]], int | None]:
    """Return the headers of an output and its status code (None when no member holds one)."""
    headers: list[tuple[str, str]] = []
    status: int | None = None
    for name, member in shape.members.items():
        location, value = member.serialization.get("location"), output.get(name)
        if location is None or value is None:
            continue
        wire_name = member.serialization.get("name", name)
        if location == "statusCode":
            status = int(value)
        elif location == "headers":
            headers.extend((wire_name + key, _one_line(str(item))) for key, item in value.items())
        elif location == "header" and (value or member.type_name != "list"):
            headers.append((wire_name, _one_line(_header_text(member, value))))
    return headers, status


def _labels(places: _Places, request: HttpRequest) -> dict[str, str]:
    template = places.template
    actual = object_segments(object_path(request)) if places.is_s3 else service_segments(request.path)
    labels: dict[str, str] = {}
    for number, part in enumerate(template):
        if number >= len(actual):
            break
        if part.endswith("+}"):
            end = len(actual) - (len(template) - number - 1)
            labels[part[1:-2]] = _decoded("/".join(actual[number:end]))
            actual = (*actual[: number + 1], *actual[end:])
        elif part.startswith("{"):
            labels[part[1:-1]] = _decoded(actual[number])
    return labels


def _decoded(text: str) -> str:
    return unquote(text) if "%" in text else text


def _query(raw_query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    pairs = raw_query.split("&", MAX_FORM_PAIRS)
    if len(pairs) > MAX_FORM_PAIRS:
        raise MalformedValue(f"The request has more than {MAX_FORM_PAIRS} parameters.")
    for pair in pairs:
        name, _, value = pair.partition("=")
        values.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return values


def _read_query_member(
    result: dict[str, Any],
    name: str,
    member: Shape,
    wire_name: str,
    query: dict[str, list[str]],
    operation: OperationModel,
) -> None:
    if member.type_name == "map":
        bound = _bound_query_names(operation)
        is_list = member.value.type_name == "list"
        found = {
            key: values if is_list else values[0]
            for key, values in query.items()
            if key and key not in bound and not key.lower().startswith("x-amz-")
        }
        if found:
            result[name] = found
    elif wire_name in query:
        values = query[wire_name]
        if member.type_name == "list":
            result[name] = [read_text(member.member, value) for value in values]
        else:
            result[name] = read_text(member, values[0])


def _bound_query_names(operation: OperationModel) -> set[str]:
    literals = operation.http["requestUri"].partition("?")[2]
    names = {unquote_plus(pair.partition("=")[0]) for pair in literals.split("&")}
    for name, member in operation.input_shape.members.items():
        if member.serialization.get("location") == "querystring" and member.type_name != "map":
            names.add(member.serialization.get("name", name))
    return names


def _read_hoisted_header(
    result: dict[str, Any], name: str, member: Shape, lower_name: str, query: dict[str, list[str]]
) -> None:
    """Presigned URLs carry what would be x-amz- headers in the query string, in either case."""
    hoisted = next((values[0] for key, values in query.items() if key.lower() == lower_name), None)
    if hoisted is not None:
        result[name] = _header_value(member, hoisted)


def _header_value(member: Shape, text: str) -> Any:
    if member.type_name == "list":
        return _read_header_list(member.member, text)
    if member.serialization.get("jsonvalue"):
        return _read_json_header(text)
    return read_text(member, text.strip())


def _read_header_list(shape: Shape, text: str) -> list[Any]:
    if shape.type_name == "timestamp" and shape.serialization.get("timestampFormat", "rfc822") == "rfc822":
        parts = text.split(",")
        return [read_text(shape, ",".join(parts[start : start + 2])) for start in range(0, len(parts), 2)]
    items, start = [], 0
    while start < len(text):
        match = _LIST_ITEM.match(text, start)
        if match is None or match.end() == start:
            raise MalformedValue("A header list is malformed.")
        item, start = match.group(1), match.end()
        if item.startswith('"') and item.endswith('"') and len(item) > 1:
            item = re.sub(r"\\(.)", r"\1", item[1:-1])
        items.append(read_text(shape, item.strip()))
    return items


def _read_json_header(text: str) -> Any:
    try:
        return orjson.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise MalformedValue("A header is not base64 of JSON.") from error


def _read_header_map(result: dict[str, Any], name: str, prefix: str, request: HttpRequest) -> None:
    lower = prefix.lower()
    found = {header[len(prefix) :]: value for header, value in request.header_list if header.lower().startswith(lower)}
    if found and prefix:
        result[name] = found


def _header_text(shape: Shape, value: Any) -> str:
    if shape.type_name == "list":
        return ", ".join(_list_item_text(shape.member, item) for item in value)
    if shape.serialization.get("jsonvalue"):
        content = value if isinstance(value, str) else orjson.dumps(value).decode()
        return base64.b64encode(content.encode()).decode("ascii")
    return write_text(shape, value, "rfc822")


def _list_item_text(shape: Shape, item: Any) -> str:
    text = write_text(shape, item, "rfc822")
    if isinstance(item, str) and ("," in item or '"' in item):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def _one_line(text: str) -> str:
    """A header value cannot hold line ends; they would split the response."""
    return text.replace("\r", " ").replace("\n", " ")
