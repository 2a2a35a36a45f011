"""A journal that counts: the figures /metrics shows about what is recorded."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.recorded_figures import RecordedFigures
from opentrail.ports.journal import CallId, EventEntry, Journal, JournalEntry, PendingCall, Position, Positioned

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class MeteredJournal:
    """A Journal that passes everything on to another and counts events, failures and time until durable.

    ``recorded`` counts what the events say, ``marks`` tells how far a reader's position is behind.
    """

    def __init__(self, journal: Journal, registry: CollectorRegistry) -> None:
        self._journal = journal
        self._events = Counter("opentrail_events_recorded", "Events durable in the journal.", registry=registry)
        self._failures = Counter("opentrail_journal_failures", "Batches the journal did not take.", registry=registry)
        self._seconds = Histogram(
            "opentrail_journal_write_seconds",
            "Time until a batch is durable.",
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        size = Gauge("opentrail_journal_size_bytes", "Bytes that the journal holds on disk.", registry=registry)
        size.set_function(journal.size_bytes)
        self.recorded = RecordedFigures(registry)
        last_commit = journal.last_commit_at()
        idle = (datetime.now(UTC) - last_commit).total_seconds() if last_commit is not None else 0.0
        self.marks = AppendMarks(journal.head(), idle_seconds=max(0.0, idle))

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        started = perf_counter()
        with self._failures.count_exceptions():
            position = await self._journal.append(entries)
        self._count(entries, position, started)
        return position

    async def open_call(self, event: bytes) -> CallId:
        started = perf_counter()
        with self._failures.count_exceptions():
            call = await self._journal.open_call(event)
        self._seconds.observe(perf_counter() - started)
        self.recorded.opened(call)
        return call

    async def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> Position:
        started = perf_counter()
        with self._failures.count_exceptions():
            position = await self._journal.close_call(call, entries)
        self.recorded.settled(call)
        self._count(entries, position, started)
        return position

    def _count(self, entries: Sequence[JournalEntry], position: Position, started: float) -> None:
        self._seconds.observe(perf_counter() - started)
        if entries:
            self.marks.add(position, len(entries))
        for entry in entries:
            if isinstance(entry, EventEntry):
                self._events.inc()
                self.recorded.recorded(entry.event)

    def stored(self, events: int, seconds: float) -> None:
        """Count what another process had stored through this journal's owner: events, and seconds until durable."""
        self._seconds.observe(seconds)
        self._events.inc(events)

    async def abandoned_calls(self) -> Sequence[PendingCall]:
        return await self._journal.abandoned_calls()

    def head(self) -> Position:
        return self._journal.head()

    def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        return self._journal.read(after, until=until)

    async def trim(self, through: Position) -> None:
        await self._journal.trim(through)

    def size_bytes(self) -> int:
        return self._journal.size_bytes()

    def was_clean_shutdown(self) -> bool:
        return self._journal.was_clean_shutdown()

    def last_commit_at(self) -> datetime | None:
        return self._journal.last_commit_at()
