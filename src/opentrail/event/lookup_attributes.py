"""What an event can be looked up by: LookupEvents' Username, Resources and the other attributes, derived from it.

Pure functions over any JSON object: a member of the wrong type counts as absent, so nothing here raises. CloudTrail
documents these attributes by example only; the rules are ours (reference: api, section 3) and the table of resources
per service is ``data/lookup_resources.json``.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from opentrail.event import Event
from opentrail.event.tables import load_table

MAX_RESOURCES = 100
"""Resources derived from one event; what a longer list names is not found by LookupEvents."""

MAX_VALUE_CHARACTERS = 2_000
"""Longer names are left out: LookupEvents accepts no longer value."""

_MAX_MEMBERS = 2_000
"""Members of request and response that are looked at in search of resources."""

_MAX_DEPTH = 12

Resource = tuple[str, str]
"""Resource type ("" when the event does not tell) and name (ARN, id or name)."""


def event_id(event: Event) -> str:
    return _text(event.get("eventID"))


def event_name(event: Event) -> str:
    return _text(event.get("eventName"))


def event_source(event: Event) -> str:
    return _text(event.get("eventSource"))


def read_only(event: Event) -> str:
    """Return "true" or "false", "" when the event does not say."""
    stated = event.get("readOnly")
    return str(stated).lower() if isinstance(stated, bool) else ""


def access_key_id(event: Event) -> str:
    """Return the access key that signed the request, "" without one."""
    return _text(_object(event.get("userIdentity")).get("accessKeyId"))


def username(event: Event) -> str:
    """Return the name a person knows the caller by: user name, role session name or ``root``; "" for none."""
    identity = _object(event.get("userIdentity"))
    match identity.get("type"):
        case "Root":
            return "root"
        case "AssumedRole" | "FederatedUser":
            return _text(identity.get("principalId")).partition(":")[2]
        case "AWSService" | "AWSAccount" | "Unknown" | "IdentityCenterUser":
            return ""
        case _:
            return _text(identity.get("userName"))


def resources(event: Event) -> list[Resource]:
    """Return what the event touched, each once: its ``resources`` first, then what request and response name."""
    found: dict[Resource, None] = {}
    for resource in (*_stated(event), *_named(event)):
        if 0 < len(resource[1]) <= MAX_VALUE_CHARACTERS:
            found[resource] = None
        if len(found) == MAX_RESOURCES:
            break
    return list(found)


def lookup_attributes(event: Event) -> list[tuple[str, str]]:
    """Return every (attribute key, value) pair that LookupEvents finds this event by, keys as on the wire."""
    found = {
        ("EventId", event_id(event)): None,
        ("EventName", event_name(event)): None,
        ("EventSource", event_source(event)): None,
        ("ReadOnly", read_only(event)): None,
        ("Username", username(event)): None,
        ("AccessKeyId", access_key_id(event)): None,
    }
    for resource_type, name in resources(event):
        found["ResourceType", resource_type] = None
        found["ResourceName", name] = None
    return [(key, value) for key, value in found if 0 < len(value) <= MAX_VALUE_CHARACTERS]


def _stated(event: Event) -> Iterator[Resource]:
    stated = event.get("resources")
    for resource in stated if isinstance(stated, list) else ():
        members = _object(resource)
        yield _text(members.get("type")), _text(members.get("ARN")) or _text(members.get("ARNPrefix"))


def _named(event: Event) -> Iterator[Resource]:
    table = _table().get(event_source(event))
    if table is None:
        return
    for part in ("requestParameters", "responseElements"):
        for count, (parent, member, value) in enumerate(_members(event.get(part), "", 0)):
            if count == _MAX_MEMBERS:
                break
            resource_type = table.get(member) or table.get(f"{parent}.{member}")
            if resource_type is not None:
                yield resource_type, value


def _members(value: Any, parent: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """Yield (parent member, member, text) of every text in a JSON value; items of a list stand under its member."""
    if depth > _MAX_DEPTH or not isinstance(value, dict):
        return
    for member, held in value.items():
        for item in held if isinstance(held, list) else (held,):
            if isinstance(item, str):
                yield parent, member, item
            else:
                yield from _members(item, member, depth + 1)


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    return load_table(Path(__file__).parent / "data", "lookup_resources")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
