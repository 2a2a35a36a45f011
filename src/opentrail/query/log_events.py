"""Searching a log group: the events of a range that a filter pattern picks, a bounded piece of work at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opentrail.pattern.filter_pattern import FilterPattern
from opentrail.ports.log_store import (
    EVENT_OVERHEAD_BYTES,
    MAX_PAGE_BYTES,
    MAX_PAGE_EVENTS,
    LogRange,
    LogStore,
    Place,
    StoredEvent,
)

MAX_LOOKED_AT = 50_000
"""Events that one page looks at; a page may be short, or empty, with more to come."""


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """One page of a search; ``goes_on_at`` is the place of the last event looked at, None when there are no more."""

    events: Sequence[StoredEvent]
    goes_on_at: Place | None


async def find_events(
    store: LogStore, log_range: LogRange, pattern: FilterPattern, limit: int, *, is_newest_first: bool = False
) -> FoundEvents:
    """Return the next ``limit`` events of a range that ``pattern`` picks, MAX_PAGE_BYTES of them at most.

    Raises Unavailable.
    """
    found: list[StoredEvent] = []
    size_bytes = looked_at = 0
    while looked_at < MAX_LOOKED_AT:
        events = await store.read(log_range, MAX_PAGE_EVENTS, is_newest_first=is_newest_first)
        if not events:
            return FoundEvents(found, None)
        picked = await asyncio.to_thread(_picked, pattern, events)
        for event in picked:
            size_bytes += len(event.message.encode(errors="surrogatepass")) + EVENT_OVERHEAD_BYTES
            if found and size_bytes > MAX_PAGE_BYTES:
                return FoundEvents(found, found[-1].place)
            found.append(event)
            if len(found) == limit:
                return FoundEvents(found, event.place)
        looked_at += len(events)
        last = events[-1].place
        log_range = replace(log_range, before=last) if is_newest_first else replace(log_range, after=last)
    return FoundEvents(found, log_range.before if is_newest_first else log_range.after)


def _picked(pattern: FilterPattern, events: Sequence[StoredEvent]) -> list[StoredEvent]:
    return [event for event in events if pattern.match(event.message) is not None]
