"""The fields that an event has: those of its JSON, flattened, beside what every event has."""

from collections.abc import Iterator
from typing import Any

import orjson

MAX_FIELDS = 1_000
"""Fields of one event: CloudWatch Logs' own bound."""

MAX_DEPTH = 64


def discovered_fields(message: str) -> dict[str, str]:
    """Return what a message that is one JSON object holds, by dotted names, arrays by index; else nothing.

    What is null is left out, as is what is beyond MAX_FIELDS or deeper than MAX_DEPTH.
    """
    if not message.lstrip().startswith("{"):
        return {}
    try:
        document = orjson.loads(message)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for name, value in _leaves("", document, 0):
        if len(found) >= MAX_FIELDS:
            break
        found[name] = value
    return found


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            return
        members = value.items() if isinstance(value, dict) else ((str(at), one) for at, one in enumerate(value))
        for key, member in members:
            shown = f"@{key}" if not name and key.startswith("@") else key
            yield from _leaves(f"{name}.{shown}" if name else shown, member, depth + 1)
    elif isinstance(value, bool):
        yield name, "1" if value else "0"
    elif value is not None:
        yield name, value if isinstance(value, str) else orjson.dumps(value).decode()
