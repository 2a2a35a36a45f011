"""The resources a call is about, as ``resources[]`` lists them: found by the table, not by code per service."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from opentrail.event.json_values import safe_text
from opentrail.event.tables import load_table

MAX_RESOURCES = 100
"""Of one event; a batch call may name more, the rest are in its parameters."""

MAX_NAME_CHARACTERS = 2048

_RulePaths = list[tuple[Mapping[str, Any], list[list[str]]]]
FindResources = Callable[[Any, "Place"], list[dict[str, Any]]]


class Place(NamedTuple):
    """Where names without an ARN belong."""

    partition: str
    region: str
    account_id: str


@dataclass(frozen=True, slots=True)
class ResourceRules:
    """The rules of one operation. ``in_request`` and ``in_response`` never raise on parsed parameters."""

    in_request: FindResources
    in_response: FindResources | None


def resource_rules(
    service: str, operation: str, request_members: Collection[str], response_members: Collection[str]
) -> ResourceRules | None:
    """Return the rules that the table has for an operation, None when its events list no resources.

    Rules for members that neither its input nor its output has are left out.
    """
    rules = [row for row in _table().get(service, ()) if operation in row.get("operations", (operation,))]
    if not rules:
        return None
    in_response = _paths(rules, "response", response_members)
    return ResourceRules(
        _finder(_paths(rules, "request", request_members)), _finder(in_response) if in_response else None
    )


def _paths(rules: Sequence[Mapping[str, Any]], where: str, members: Collection[str]) -> _RulePaths:
    found = []
    for row in rules:
        paths = [path.split(".") for path in row.get(where, ())]
        paths = [path for path in paths if path[0] in members or path[0] in ("#", "*")]
        if paths:
            found.append((row, paths))
    return found


def _finder(paths: _RulePaths) -> FindResources:
    def find(parameters: Any, place: Place) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row, row_paths in paths:
            for path in row_paths:
                for name in _walk(parameters, path):
                    arn = _arn(row, name, place)
                    if arn and len(found) < MAX_RESOURCES:
                        found.setdefault(arn, _resource(row["type"], arn, place))
        return list(found.values())

    return find


def _resource(kind: str, arn: str, place: Place) -> dict[str, Any]:
    owner = arn.split(":", 5)[4] or place.account_id
    return {"accountId": owner, "type": kind, "ARN": arn} if kind else {"accountId": owner, "ARN": arn}


def _arn(row: Mapping[str, Any], name: str, place: Place) -> str | None:
    name = safe_text(name)
    if name.startswith("arn:") and name.count(":") >= 5:
        return name
    template = row.get("arn")
    if template is None or any(name.startswith(prefix) for prefix in row.get("skip", ())):
        return None
    if row.get("last_segment"):
        name = name.rstrip("/").rsplit("/", 1)[-1]
    if not name:
        return None
    values = {"partition": place.partition, "region": place.region, "account": place.account_id}
    return str(template).format(**values, name=name.lstrip("/"))


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
