"""Where the shape of our record differs from a real one: members by path, types, and the values that are not chance."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SAME_VALUE = (
    "eventSource",
    "eventName",
    "readOnly",
    "eventType",
    "managementEvent",
    "eventCategory",
    "errorCode",
    "apiVersion",
    "recipientAccountId",
)
NEVER_EXTRA = ("errorCode", "apiVersion")
"""Of these, none is as much a value as any; the others came with later versions."""

IGNORED = {
    "sharedEventID": "only when several accounts see the call",
    "vpcEndpointId": "only through a VPC endpoint",
    "vpcEndpointAccountId": "only through a VPC endpoint",
    "sessionCredentialFromConsole": "only of console sessions",
    "errorMessage": "the service's words",
}

EXPLAINED = Path(__file__).parent / "explained.json"


def differences(ours: dict[str, Any], real: dict[str, Any]) -> list[str]:
    """Return lines such as ``requestParameters.size: int, real str``, sorted; empty when the shapes agree."""
    found = [
        f"{name}: {ours.get(name)!r}, real {real.get(name)!r}"
        for name in SAME_VALUE
        if (name in real or name in NEVER_EXTRA) and ours.get(name) != real.get(name)
    ]
    mine, theirs = dict(_paths(ours)), dict(_paths(real))
    for path in sorted({*mine, *theirs}):
        if path.split(".")[0] in IGNORED or path in SAME_VALUE:
            continue
        a, b = mine.get(path), theirs.get(path)
        if a != b and not _parent_differs(path, mine, theirs):
            found.append(f"{path}: {a or 'absent'}, real {b or 'absent'}")
    return found + _resource_differences(ours, real)


def unexplained(service: str, operation: str, lines: list[str]) -> list[str]:
    """Return the lines that no row of explained.json covers."""
    rows = json.loads(EXPLAINED.read_text())["rows"]
    return [line for line in lines if not any(covers(row, service, operation, line) for row in rows)]


def covers(row: dict[str, Any], service: str, operation: str, line: str) -> bool:
    """Say whether a row (service, operation and line as glob patterns) explains a difference."""
    return (
        fnmatchcase(service, row.get("service", "*"))
        and fnmatchcase(operation, row.get("operation", "*"))
        and any(fnmatchcase(line, pattern) for pattern in row["lines"])
    )


def _paths(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield prefix, "object"
        for key, item in value.items():
            name = key.replace(".", "_")
            yield from _paths(item, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        yield prefix, "list"
        if prefix != "resources":
            for item in value:
                yield from _paths(item, f"{prefix}[]")
    else:
        yield prefix, "null" if value is None else type(value).__name__


def _parent_differs(path: str, mine: dict[str, str], theirs: dict[str, str]) -> bool:
    parent = path.rpartition(".")[0] if not path.endswith("[]") else path[:-2]
    return bool(parent) and mine.get(parent) != theirs.get(parent)


def _resource_differences(ours: dict[str, Any], real: dict[str, Any]) -> list[str]:
    def kinds(event: dict[str, Any]) -> set[tuple[str, ...]]:
        return {(str(item.get("type")), *sorted(item)) for item in event.get("resources") or []}

    extra, missing = kinds(ours) - kinds(real), kinds(real) - kinds(ours)
    return [f"resources: {kind[0]} not in real" for kind in sorted(extra)] + [
        f"resources: real has {kind[0]}" for kind in sorted(missing)
    ]
