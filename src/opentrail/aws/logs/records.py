"""Single events by their pointer, and the fields that a group's events have."""

import base64
from collections import Counter

from opentrail.aws.logs.errors import InvalidParameterException, ResourceNotFoundException
from opentrail.aws.logs.naming import find_group
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.logsql.discovery import discovered_fields
from opentrail.ports.log_store import LogRange, Place, StoredEvent
from opentrail.resource.log_group import LogGroup, milliseconds

SAMPLED_EVENTS = 1_000
"""Events that GetLogGroupFields looks at, the newest of its time."""

_AROUND_MS = 8 * 60_000
_BEFORE_MS = 15 * 60_000
"""The time that it looks at: around the one given, or before now."""

_SYSTEM_FIELDS = ("@ingestionTime", "@log", "@logStream", "@message", "@timestamp")


async def get_log_record(ports: ApiPorts, call: Call) -> Outcome:
    """Show one event whole, with the fields of its JSON, by the ``@ptr`` that a query's row carries."""
    pointer: str = call.parameters["logRecordPointer"]
    group_id, place = _read_pointer(pointer)
    group = next((one for one in await ports.log_groups.all_groups() if one.group_id == group_id), None)
    is_theirs = group is not None and (group.account_id, group.region) == (call.account_id, call.region)
    if group is None or not is_theirs or place.timestamp < group.keeps_since(call.received_at):
        raise ResourceNotFoundException.record()
    only = LogRange(
        group_id,
        start=place.timestamp,
        end=place.timestamp + 1,
        after=Place(place.timestamp, place.sequence - 1),
        before=Place(place.timestamp, place.sequence + 1),
    )
    found = await ports.log_store.read(only, 1)
    if not found:
        raise ResourceNotFoundException.record()
    return Outcome({"logRecord": await _record(ports, group, found[0], pointer)})


def _read_pointer(text: str) -> tuple[str, Place]:
    try:
        group_id, timestamp, sequence = base64.b64decode(text, validate=True).decode().split("/")
        place = Place(int(timestamp), int(sequence))
    except ValueError:
        raise InvalidParameterException("Invalid logRecordPointer.") from None
    if not 0 <= place.timestamp < 2**52 or not 0 < place.sequence < 2**52:
        raise InvalidParameterException("Invalid logRecordPointer.")
    return group_id, place


async def _record(ports: ApiPorts, group: LogGroup, event: StoredEvent, pointer: str) -> dict[str, str]:
    streams = await ports.log_groups.streams(group.group_id)
    name = next((stream.name for stream in streams if stream.stream_id == event.stream_id), "")
    return {
        **discovered_fields(event.message),
        "@timestamp": str(event.place.timestamp),
        "@ingestionTime": str(event.ingested_at),
        "@message": event.message,
        "@logStream": name,
        "@log": f"{group.account_id}:{group.name}",
        "@ptr": pointer,
    }


async def get_log_group_fields(ports: ApiPorts, call: Call) -> Outcome:
    """Show which fields a sample of a group's events has, and how many percent of them have each."""
    group = await find_group(ports, call)
    now, given = milliseconds(call.received_at), call.parameters.get("time")
    start, end = (now - _BEFORE_MS, now + 1)
    if given is not None:
        middle = min(given, 253_402_300_799) * 1000
        start, end = middle - _AROUND_MS, middle + _AROUND_MS
    chosen = LogRange(group.group_id, start=max(0, start, group.keeps_since(call.received_at)), end=max(0, end))
    sample = await ports.log_store.read(chosen, SAMPLED_EVENTS, is_newest_first=True)
    counts: Counter[str] = Counter()
    for event in sample:
        counts.update([*_SYSTEM_FIELDS, *discovered_fields(event.message)])
    shown = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return Outcome({"logGroupFields": [{"name": name, "percent": count * 100 // len(sample)} for name, count in shown]})
