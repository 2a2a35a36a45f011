"""What a JSON body says about which of several services a request is for, where method and path are the same.

Services that share a signing name and a route differ in what their bodies hold. A service refuses a body that lacks a
required member or has one of another kind, and ignores what it does not know: the service that a body fits best is the
one that can carry the call out. Kinds: ``m`` object, ``l`` list, ``b`` boolean, ``s`` string, ``a`` any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from opentrail.http_message import HttpRequest


@dataclass(frozen=True, slots=True)
class RouteBody:
    """The members of a route's JSON body: name -> kind, and those that must be there."""

    kinds: Mapping[str, str]
    required: frozenset[str]

    def misfit(self, body: Mapping[str, Any]) -> int:
        """Return how many members of ``body`` are missing, unknown or of another kind."""
        missing = sum(1 for name in self.required if body.get(name) is None)
        return missing + sum(1 for name, value in body.items() if not _is_of(self.kinds.get(name, ""), value))


def parse_route_body(text: object) -> RouteBody:
    """Read a body as the index has it: ``name:kind`` and, for a required member, ``!``, separated by spaces."""
    kinds: dict[str, str] = {}
    required: set[str] = set()
    for word in str(text).split():
        name, _, kind = word.rpartition(":")
        kinds[name] = kind[0]
        if kind.endswith("!"):
            required.add(name)
    return RouteBody(kinds, frozenset(required))


def json_members(request: HttpRequest) -> Mapping[str, Any] | None:
    """Return the members of a JSON body that is held (none for an empty one); None when there is nothing to go by."""
    if request.body is None:
        return None
    if not request.body:
        return {}
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _is_of(kind: str, value: Any) -> bool:
    match kind:
        case "m" | "l" | "b" | "s" if value is None:
            return True
        case "m":
            return isinstance(value, dict)
        case "l":
            return isinstance(value, list)
        case "b":
            return isinstance(value, bool)
        case "s":
            return isinstance(value, str)
        case _:
            return kind == "a"
