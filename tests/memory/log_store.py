"""The log store in memory, for tests of what stands on it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

from opentrail.ports.journal import START, Position
from opentrail.ports.log_store import (
    EVENT_OVERHEAD_BYTES,
    MAX_PAGE_BYTES,
    LogEvent,
    LogKey,
    LogRange,
    Place,
    StoredEvent,
    StreamFigures,
)
from opentrail.ports.query_engine import RowSource
from opentrail.resource.log_group import day_of


class InMemoryLogStore:
    """Behaves as the port says and forgets everything with the process."""

    def __init__(self) -> None:
        self._groups: dict[str, list[StoredEvent]] = {}
        self._reached: defaultdict[tuple[str, date, str], Position] = defaultdict(lambda: START)
        self._sequence = 0
        self._on_stored: Callable[[str, Collection[date]], None] = lambda group_id, days: None

    async def append(
        self, group_id: str, events: Sequence[LogEvent], *, reader: str = "", key: LogKey | None = None
    ) -> None:
        held = self._groups.setdefault(group_id, [])
        known = dict(self._reached)
        for event in events:
            day = (group_id, day_of(event.timestamp), reader)
            if reader and event.position <= known.get(day, START):
                continue
            self._reached[day] = event.position
            self._sequence += 1
            place = Place(event.timestamp, self._sequence)
            held.append(StoredEvent(place, event.stream_id, event.ingested_at, event.message))
        held.sort(key=lambda stored: stored.place)
        self._on_stored(group_id, {day_of(event.timestamp) for event in events})

    def watch(self, on_stored: Callable[[str, Collection[date]], None]) -> None:
        self._on_stored = on_stored

    async def arrived(self, group_id: str, day: date, after: int, since: int, limit: int) -> Sequence[StoredEvent]:
        found = [
            event
            for event in self._groups.get(group_id, [])
            if day_of(event.place.timestamp) == day and event.place.sequence > after and event.ingested_at >= since
        ]
        return sorted(found, key=lambda event: event.place.sequence)[:limit]

    async def days(self, group_id: str) -> Sequence[date]:
        return sorted({day_of(event.place.timestamp) for event in self._groups.get(group_id, [])})

    async def read(self, log_range: LogRange, limit: int, *, is_newest_first: bool = False) -> Sequence[StoredEvent]:
        found = [
            event
            for event in self._groups.get(log_range.group_id, [])
            if log_range.start <= event.place.timestamp < log_range.end
            and log_range.after < event.place < log_range.before
            and (log_range.streams is None or event.stream_id in log_range.streams)
        ]
        page: list[StoredEvent] = []
        size_bytes = 0
        for event in reversed(found) if is_newest_first else found:
            size_bytes += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
            if len(page) == limit or (page and size_bytes > MAX_PAGE_BYTES):
                break
            page.append(event)
        return page

    async def figures(self, group_id: str) -> Mapping[str, StreamFigures]:
        events: defaultdict[str, list[StoredEvent]] = defaultdict(list)
        for event in self._groups.get(group_id, []):
            events[event.stream_id].append(event)
        return {
            stream_id: StreamFigures(
                of_stream[0].place.timestamp,
                of_stream[-1].place.timestamp,
                max(event.ingested_at for event in of_stream),
                sum(len(event.message.encode()) + EVENT_OVERHEAD_BYTES for event in of_stream),
            )
            for stream_id, of_stream in events.items()
        }

    async def remove_stream(self, group_id: str, stream_id: str) -> None:
        held = self._groups.get(group_id, [])
        held[:] = [event for event in held if event.stream_id != stream_id]

    async def remove(self, group_id: str) -> None:
        self._groups.pop(group_id, None)

    async def expire(self, group_id: str, before: date) -> int:
        held = self._groups.get(group_id, [])
        gone = {day for day in (day_of(event.place.timestamp) for event in held) if day < before}
        held[:] = [event for event in held if day_of(event.place.timestamp) not in gone]
        return len(gone)

    async def group_ids(self) -> Sequence[str]:
        return sorted(self._groups)


class InMemoryLogRows:
    """Implements LogRows for engines that read nothing."""

    async def rows(self, log_range: LogRange, constants: tuple[str, ...], named: Mapping[str, str]) -> RowSource:
        return RowSource((), "", (log_range.start, log_range.end), constants, named)
