"""What /metrics tells of the journal: batches and calls as its owner commits them, from all processes."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from opentrail.pipeline.append_marks import AppendMarks
from opentrail.pipeline.recorded_figures import RecordedFigures
from opentrail.pipeline.seconds_histogram import SecondsHistogram
from opentrail.ports.journal import CallId, Journal, Position

_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class JournalFigures:
    """A JournalObserver: counts entries, failures and time until durable.

    ``recorded`` counts what the events say, ``marks`` tells how far a reader's position is behind.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._failures = Counter("opentrail_journal_failures", "Batches the journal did not take.", registry=registry)
        self._seconds = SecondsHistogram(
            "opentrail_journal_write_seconds", "Time until a batch is durable.", _BUCKETS_SECONDS
        )
        registry.register(self._seconds)
        self.recorded = RecordedFigures(registry)
        self.marks = AppendMarks()

    def follow(self, journal: Journal) -> None:
        """Count from the journal's present head on; to be called once, before anything is stored."""
        size = Gauge("opentrail_journal_size_bytes", "Bytes that the journal holds on disk.", registry=self._registry)
        size.set_function(journal.size_bytes)
        last_commit = journal.last_commit_at()
        idle = (datetime.now(UTC) - last_commit).total_seconds() if last_commit is not None else 0.0
        self.marks = AppendMarks(journal.head(), idle_seconds=max(0.0, idle))

    def opened(self, call: CallId, seconds: float) -> None:
        self._seconds.observe(seconds)
        self.recorded.opened(call)

    def settled(self, call: CallId) -> None:
        self.recorded.settled(call)

    def appended(self, position: Position, entries: int, seconds: float) -> None:
        self._seconds.observe(seconds)
        self.marks.add(position, entries)

    def failed(self, batches: int) -> None:
        self._failures.inc(batches)
