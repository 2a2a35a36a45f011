"""The resources a call is about, as ``resources[]`` lists them: found by tables, not by code per service. Those of
data events in ``event/data/data_events.json``, those of management events in ``data/resources.json``."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from opentrail.event.categories import data_event_rows, is_row_of
from opentrail.event.json_values import safe_text
from opentrail.event.tables import load_table

MAX_RESOURCES = 100
"""Of one event; a batch call may name more, the rest are in its parameters."""

MAX_NAME_CHARACTERS = 2048

Row = Mapping[str, Any]
_RulePaths = list[tuple[Row, list[list[str]]]]
FindResources = Callable[[Any, "Place"], list[dict[str, Any]]]


class Place:
    """Where names without an ARN belong."""

    __slots__ = ("account_id", "partition", "region")

    def __init__(self, partition: str, region: str, account_id: str) -> None:
        self.partition = partition
        self.region = region
        self.account_id = account_id


@dataclass(frozen=True, slots=True)
class ResourceRules:
    """The rules of one operation. ``in_request`` and ``in_response`` never raise on parsed parameters."""

    in_request: FindResources
    in_response: FindResources | None


def resource_rules(
    service: str, operation: str, request_members: Collection[str], response_members: Collection[str]
) -> ResourceRules | None:
    """Return the rules that the tables have for an operation, None when its events list no resources.

    Rules for members that neither its input nor its output has are left out.
    """
    rules = [row for row in (*_table().get(service, ()), *data_event_rows(service)) if is_row_of(row, operation)]
    in_request = _paths(rules, "request", request_members)
    in_response = _paths(rules, "response", response_members)
    always = [row for row in rules if row.get("always")]
    if not in_request and not in_response and not always:
        return None
    return ResourceRules(_finder(in_request, always), _finder(in_response, ()) if in_response else None)


def _paths(rules: Sequence[Row], where: str, members: Collection[str]) -> _RulePaths:
    found = []
    for row in rules:
        paths = [path.split(".") for path in row.get(where, ())]
        paths = [path for path in paths if path[0] in members or path[0] in ("#", "*")]
        if paths:
            found.append((row, paths))
    return found


def _finder(paths: _RulePaths, always: Sequence[Row]) -> FindResources:
    def find(parameters: Any, place: Place) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row, row_paths in paths:
            for path in row_paths:
                for name in _walk(parameters, path):
                    arn = _arn(row, name, parameters, place)
                    if arn and len(found) < MAX_RESOURCES:
                        found.setdefault(arn, _resource(row["type"], arn, place))
        for row in always:
            if all(resource.get("type") != row["type"] for resource in found.values()):
                found[row["type"]] = _unnamed(row, place)
        return list(found.values())

    return find


def _resource(kind: str, arn: str, place: Place) -> dict[str, Any]:
    owner = arn.split(":", 5)[4] or place.account_id
    return {"accountId": owner, "type": kind, "ARN": arn} if kind else {"accountId": owner, "ARN": arn}


def _unnamed(row: Row, place: Place) -> dict[str, Any]:
    """A resource that the call names nowhere: its type, by which trails select, and its ARN if there is but one."""
    arn = None if row.get("request") else _filled(row.get("arn"), {}, place)
    return _resource(row["type"], arn, place) if arn else {"accountId": place.account_id, "type": row["type"]}


def _arn(row: Row, name: str, parameters: Any, place: Place) -> str | None:
    name = safe_text(name)
    if row.get("address"):
        name = name.rpartition("<")[2].partition(">")[0]
    if row.get("only", "") not in name or ("not" in row and row["not"] in name):
        return None
    if name.startswith("arn:") and name.count(":") >= 5:
        return name
    if any(name.startswith(prefix) for prefix in row.get("skip", ())):
        return None
    if row.get("last_segment"):
        name = name.rstrip("/").rsplit("/", 1)[-1]
    if not name:
        return None
    template = row.get("arn")
    others = _texts(parameters) if template is not None and _wants_parameters(template) else {}
    return _filled(template, {**others, "name": name.lstrip("/")}, place)


def _filled(template: str | None, values: Mapping[str, str], place: Place) -> str | None:
    """Fill a template; None when there is none, or when a parameter that it wants was not sent."""
    if template is None:
        return None
    try:
        return template.format(
            **{**values, "partition": place.partition, "region": place.region, "account": place.account_id}
        )
    except KeyError:
        return None


@cache
def _wants_parameters(template: str) -> bool:
    return any(field not in _ALWAYS_KNOWN for _, field, _, _ in Formatter().parse(template))


_ALWAYS_KNOWN = (None, "partition", "region", "account", "name")


def _texts(parameters: Any) -> dict[str, str]:
    if not isinstance(parameters, dict):
        return {}
    return {
        name: safe_text(value)
        for name, value in parameters.items()
        if isinstance(name, str) and isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS
    }


def _walk(value: Any, path: Sequence[str]) -> Iterator[str]:
    if not path:
        if isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS:
            yield value
        return
    step, rest = path[0], path[1:]
    if step == "[]":
        if isinstance(value, list):
            for item in value[: MAX_RESOURCES * 2]:
                yield from _walk(item, rest)
    elif isinstance(value, dict):
        if step == "#":
            yield from (key for key in value if isinstance(key, str) and 0 < len(key) <= MAX_NAME_CHARACTERS)
        elif step == "*":
            for item in value.values():
                yield from _walk(item, rest)
        elif step in value:
            yield from _walk(value[step], rest)


@cache
def _table() -> dict[str, Any]:
    return load_table(Path(__file__).parent / "data", "resources")
