"""Log events: put into a stream, read back from it, searched in a group."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.logs.keys import unusable
from opentrail.aws.logs.naming import find_group, find_stream
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.logs.patterns import read_pattern
from opentrail.aws.logs.streams import sequence_token
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.log_store import (
    AFTER_ALL,
    BEFORE_ALL,
    EVENT_OVERHEAD_BYTES,
    MAX_PAGE_EVENTS,
    LogEvent,
    LogKeyUnusable,
    LogRange,
    Place,
    StoredEvent,
    key_of,
)
from opentrail.protocol import Parameters
from opentrail.query.log_events import find_events
from opentrail.resource.log_group import LogGroup, LogStream, milliseconds

MAX_BATCH_BYTES = 1_048_576
MAX_BATCH_MS = 24 * 3600 * 1000
"""What one PutLogEvents takes: its messages with 26 bytes for each event, and the time between its first and last."""

MAX_AHEAD_MS = 2 * 3600 * 1000
MAX_AGE = timedelta(days=14)
"""Events further ahead, or older, are left out and reported."""

_FORWARD, _BACKWARD = "f/", "b/"
_END = 2**62


async def put_log_events(ports: ApiPorts, call: Call) -> Outcome:
    """Store a batch durably; what is too new, too old or past the group's retention is left out and reported."""
    given: list[dict[str, Any]] = call.parameters["logEvents"]
    _check_batch(given)
    group = await find_group(ports, call)
    stream = await find_stream(ports, group, call.parameters["logStreamName"])
    now = milliseconds(call.received_at)
    oldest = milliseconds(call.received_at - MAX_AGE)
    kept_since = group.keeps_since(call.received_at)
    taken = [
        LogEvent(stream.stream_id, event["timestamp"], now, event["message"])
        for event in given
        if max(oldest, kept_since) <= event["timestamp"] <= now + MAX_AHEAD_MS
    ]

    async def store() -> None:
        try:
            await ports.log_store.append(group.group_id, taken, key=key_of(group))
        except LogKeyUnusable as error:
            raise AccessDenied(unusable(call)) from error

    output: Parameters = {"nextSequenceToken": sequence_token(stream)}
    rejected = _rejected([event["timestamp"] for event in given], now + MAX_AHEAD_MS, oldest, kept_since)
    if rejected:
        output["rejectedLogEventsInfo"] = rejected
    return Outcome(output, before=store)


def _check_batch(events: Sequence[Mapping[str, Any]]) -> None:
    sizes = [len(event["message"].encode(errors="surrogatepass")) + EVENT_OVERHEAD_BYTES for event in events]
    if max(sizes) > MAX_BATCH_BYTES:
        raise InvalidParameterException(f"Log event too large: {max(sizes)} bytes exceeds limit of {MAX_BATCH_BYTES}")
    if sum(sizes) > MAX_BATCH_BYTES:
        raise InvalidParameterException(f"Upload too large: {sum(sizes)} bytes exceeds limit of {MAX_BATCH_BYTES}")
    times = [event["timestamp"] for event in events]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise InvalidParameterException("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > MAX_BATCH_MS:
        raise InvalidParameterException(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def _rejected(times: Sequence[int], newest: int, oldest: int, kept_since: int) -> dict[str, int]:
    """Return which events of a batch in chronological order are left out: the new from an index on, the old ones and
    the expired ones up to an index."""
    told = {
        "tooOldLogEventEndIndex": sum(time < oldest for time in times),
        "expiredLogEventEndIndex": sum(oldest <= time < kept_since for time in times)
        and sum(time < kept_since for time in times),
    }
    rejected = {name: index for name, index in told.items() if index}
    if times[-1] > newest:
        rejected["tooNewLogEventStartIndex"] = sum(time <= newest for time in times)
    return rejected


async def get_log_events(ports: ApiPorts, call: Call) -> Outcome:
    """Show one page of a stream by time, with the tokens of the pages before and behind it.

    The token that leads nowhere any more is the one that the caller gave.
    """
    parameters = call.parameters
    group = await find_group(ports, call)
    stream = await find_stream(ports, group, parameters["logStreamName"])
    given: str = parameters.get("nextToken", "")
    chosen = _range(group, call, parameters.get("endTime", _END), [stream])
    is_newest_first = not parameters.get("startFromHead", False)
    if given:
        place = _read_place(call, given, group, stream)
        is_newest_first = given.startswith(_BACKWARD)
        chosen = replace(chosen, before=place) if is_newest_first else replace(chosen, after=place)
    found = await ports.log_store.read(
        chosen, parameters.get("limit", MAX_PAGE_EVENTS), is_newest_first=is_newest_first
    )
    events = list(reversed(found)) if is_newest_first else list(found)
    first, last = (events[0].place, events[-1].place) if events else _around(chosen, is_newest_first)
    return Outcome(
        {
            "events": [_shown(event) for event in events],
            "nextForwardToken": _FORWARD + _token(call, last, group, stream),
            "nextBackwardToken": _BACKWARD + _token(call, first, group, stream),
        }
    )


def _around(chosen: LogRange, is_newest_first: bool) -> tuple[Place, Place]:
    """Return where an empty page's tokens begin: the one in its own direction as it came, the other one such that it
    shows the event at which this page begins."""
    if is_newest_first and chosen.before != AFTER_ALL:
        return chosen.before, replace(chosen.before, sequence=chosen.before.sequence - 1)
    if not is_newest_first and chosen.after != BEFORE_ALL:
        return replace(chosen.after, sequence=chosen.after.sequence + 1), chosen.after
    nowhere = Place(chosen.start - 1, 0)
    return nowhere, nowhere


async def filter_log_events(ports: ApiPorts, call: Call) -> Outcome:
    """Show one page of a group's events of a time, both ends included, that a pattern picks."""
    parameters = call.parameters
    pattern = read_pattern(parameters.get("filterPattern", ""))
    group = await find_group(ports, call)
    streams = await _chosen_streams(ports, group, parameters)
    chosen = _range(group, call, parameters.get("endTime", _END - 1) + 1, streams)
    is_newest_first = not parameters.get("startFromHead", True)
    if "nextToken" in parameters:
        place = Place(*read_token(call, parameters["nextToken"]))
        chosen = replace(chosen, before=place) if is_newest_first else replace(chosen, after=place)
    found = await find_events(
        ports.log_store,
        chosen,
        pattern,
        parameters.get("limit", MAX_PAGE_EVENTS),
        is_newest_first=is_newest_first,
    )
    names = {stream.stream_id: stream.name for stream in streams}
    output: Parameters = {
        "events": [
            {"logStreamName": names[event.stream_id], **_shown(event), "eventId": event_id(group, event)}
            for event in found.events
        ],
        "searchedLogStreams": [],
    }
    if found.goes_on_at is not None:
        output["nextToken"] = token(call, [found.goes_on_at.timestamp, found.goes_on_at.sequence])
    return Outcome(output)


async def _chosen_streams(ports: ApiPorts, group: LogGroup, parameters: Parameters) -> Sequence[LogStream]:
    names, prefix = parameters.get("logStreamNames"), parameters.get("logStreamNamePrefix", "")
    if names and prefix:
        raise InvalidParameterException("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    if names:
        return [await find_stream(ports, group, name) for name in sorted(set(names))]
    return [stream for stream in await ports.log_groups.streams(group.group_id) if stream.name.startswith(prefix)]


def _range(group: LogGroup, call: Call, end: int, streams: Sequence[LogStream]) -> LogRange:
    start = max(call.parameters.get("startTime", 0), group.keeps_since(call.received_at))
    return LogRange(
        group.group_id, start=start, end=min(end, _END), streams=frozenset(stream.stream_id for stream in streams)
    )


def _token(call: Call, place: Place, group: LogGroup, stream: LogStream) -> str:
    return token(call, [place.timestamp, place.sequence], group.group_id, stream.stream_id)


def _read_place(call: Call, given: str, group: LogGroup, stream: LogStream) -> Place:
    if not given.startswith((_FORWARD, _BACKWARD)):
        raise InvalidParameterException.next_token()
    return Place(*read_token(call, given[len(_FORWARD) :], group.group_id, stream.stream_id))


def _shown(event: StoredEvent) -> Parameters:
    return {"timestamp": event.place.timestamp, "message": event.message, "ingestionTime": event.ingested_at}


def event_id(group: LogGroup, event: StoredEvent) -> str:
    """Return an event's id: 56 digits that order by time and are of this event alone."""
    salt = int.from_bytes(hashlib.blake2b(group.group_id.encode(), digest_size=8).digest(), "big")
    return f"{event.place.timestamp:016d}{event.place.sequence:020d}{salt:020d}"
