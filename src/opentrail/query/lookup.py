"""LookupEvents: from a page of Event history to the answer's ``Events``, and the checks of a request's times.

Members are spelled as on the wire; absent ones are left out, as CloudTrail leaves them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opentrail.clock import parse_time
from opentrail.event.encoding import decode_event
from opentrail.event.lookup_attributes import access_key_id, event_name, event_source, read_only, resources, username
from opentrail.event.lookup_attributes import event_id as id_of
from opentrail.ports.event_history import RETENTION_DAYS, LookupKey, LookupPage

MAX_RESULTS = 50
"""Events of one page, and the default (CloudTrail's)."""

MAX_ATTRIBUTE_COST = 2_000
"""Characters of an attribute's value, where each of ``_ ,`` and newline counts twice (CloudTrail's rule)."""

_DOUBLE_COST = frozenset("_ ,\n")


class InvalidTimeRange(Exception):
    """The start of a lookup is after its end."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Inclusive bounds of a lookup; None is open."""

    start: datetime | None
    end: datetime | None


def check_time_range(start: datetime | None, end: datetime | None, now: datetime) -> TimeRange:
    """Return the bounds to look up with; raises InvalidTimeRange.

    A start before the retention is taken as open: what is older than RETENTION_DAYS expires by whole days, and a bound
    that moves with the clock would make each page another query than the one its token came from.
    """
    if start is not None and end is not None and start > end:
        raise InvalidTimeRange
    if start is not None and start < now - timedelta(days=RETENTION_DAYS):
        start = None
    return TimeRange(start, end)


def attribute_cost(value: str) -> int:
    """Return what a value counts against MAX_ATTRIBUTE_COST."""
    return len(value) + sum(character in _DOUBLE_COST for character in value)


def lookup_key(name: str) -> LookupKey | None:
    """Return the attribute key of this exact spelling, None when there is none."""
    return next((key for key in LookupKey if key.value == name), None)


def lookup_events(page: LookupPage) -> list[dict[str, Any]]:
    """Return LookupEvents' ``Events`` of a page, in its order."""
    return [lookup_event(event) for event in page.events]


def lookup_event(data: bytes) -> dict[str, Any]:
    """Return one member of ``Events`` from an event's JSON, which is also its ``CloudTrailEvent``, byte for byte."""
    event = decode_event(data)
    members: dict[str, Any] = {
        "EventId": id_of(event),
        "EventName": event_name(event),
        "ReadOnly": read_only(event),
        "AccessKeyId": access_key_id(event),
        "EventTime": _event_time(event.get("eventTime")),
        "EventSource": event_source(event),
        "Username": username(event),
    }
    present: dict[str, Any] = {name: value for name, value in members.items() if value}
    return present | {"Resources": _resources(resources(event)), "CloudTrailEvent": data.decode()}


def _resources(found: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {"ResourceType": resource_type, "ResourceName": name} if resource_type else {"ResourceName": name}
        for resource_type, name in found
    ]


def _event_time(text: Any) -> datetime | None:
    try:
        return parse_time(text)
    except (TypeError, ValueError):
        return None
