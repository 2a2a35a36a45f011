"""What /metrics tells of the lake: what went into each event data store's table, and how far it is behind."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from opentrail.clock import Clock
from opentrail.pipeline.append_marks import AppendMarks
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import Appended, Commit

MAX_LABELLED_STORES = 100
"""Stores with a value of their own; those beyond, in order of their ARNs, show together, as OTHERS."""

OTHERS = "others"

JOURNAL, BATCH = "journal", "batch"
"""The ways into a table: commits of what was recorded, and batches of imports."""


@dataclass(slots=True)
class LakeCounts:
    """What went into one store's table since the process started: rows and commits by way, and records that did not."""

    rows: Counter[str] = field(default_factory=Counter)
    commits: Counter[str] = field(default_factory=Counter)
    set_aside: int = 0
    duplicates: int = 0

    def committed(self, commit: Commit) -> None:
        """Count a commit of what was recorded."""
        self._commit(commit, JOURNAL)
        self.set_aside += commit.set_aside

    def appended(self, appended: Appended) -> None:
        """Count a batch."""
        if appended.commit is not None:
            self._commit(appended.commit, BATCH)
        self.duplicates += appended.duplicates

    def _commit(self, commit: Commit, way: str) -> None:
        self.rows[way] += sum(proof.count for proof in commit.days.values())
        self.commits[way] += 1


@dataclass(frozen=True, slots=True)
class LakeStoreState:
    """A store's reader now: where it is in the journal, how many events no commit has yet and since when, whether its
    last round failed, and whether that was because its KMS key cannot be used."""

    arn: str
    position: Position
    fresh_events: int
    fresh_since: datetime | None
    is_failing: bool
    counts: LakeCounts
    is_refused: bool = False


class LakeFigures(Collector):
    """Collects from what runs; to be registered once everything is joined, and collected in the event loop."""

    def __init__(self, marks: AppendMarks, states: Callable[[], Sequence[LakeStoreState]], clock: Clock) -> None:
        self._marks = marks
        self._states = states
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead: what is collected changes with the stores."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield every figure as of now."""
        states = self._states()
        yield _counter(
            "opentrail_lake_rows",
            "Events committed to an event data store's table, by the way they came.",
            [(one.arn, way, one.counts.rows[way]) for one in states for way in (JOURNAL, BATCH)],
        )
        yield _counter(
            "opentrail_lake_commits",
            "Commits of events to an event data store's table, by the way they came.",
            [(one.arn, way, one.counts.commits[way]) for one in states for way in (JOURNAL, BATCH)],
        )
        yield _counter(
            "opentrail_lake_set_aside",
            "Recorded events that a table does not take: unreadable, or of a time out of its bounds.",
            [(one.arn, None, one.counts.set_aside) for one in states],
        )
        yield _counter(
            "opentrail_lake_duplicates",
            "Events of batches that the table had already.",
            [(one.arn, None, one.counts.duplicates) for one in states],
        )
        yield _gauge(
            "opentrail_lake_fresh_events",
            "Events of a store that no commit has yet; queries see them all the same.",
            [(one.arn, one.fresh_events) for one in states],
        )
        yield _gauge(
            "opentrail_lake_lag_seconds",
            "Age of the oldest journal entry that a store has not read, or event of it that is not committed.",
            [(one.arn, self._lag(one)) for one in states],
        )
        yield _gauge(
            "opentrail_lake_failing",
            "1 while a store's table or settings cannot be read or written.",
            [(one.arn, one.is_failing) for one in states],
        )

    def _lag(self, state: LakeStoreState) -> float:
        waiting = (self._clock.now() - state.fresh_since).total_seconds() if state.fresh_since is not None else 0.0
        return max(waiting, self._marks.lag(state.position).seconds)


def _labelled(arns: Iterable[str]) -> set[str]:
    return set(sorted(set(arns))[:MAX_LABELLED_STORES])


def _counter(name: str, text: str, values: Sequence[tuple[str, str | None, int]]) -> CounterMetricFamily:
    own = _labelled(arn for arn, _, _ in values)
    sums: Counter[tuple[str, ...]] = Counter()
    for arn, way, value in values:
        sums[(arn if arn in own else OTHERS, *((way,) if way else ()))] += value
    has_ways = any(way for _, way, _ in values)
    family = CounterMetricFamily(name, text, labels=["store", "way"] if has_ways else ["store"])
    for labels, value in sums.items():
        family.add_metric(labels, value)
    return family


def _gauge(name: str, text: str, values: Sequence[tuple[str, float]]) -> GaugeMetricFamily:
    own = _labelled(arn for arn, _ in values)
    worst: dict[str, float] = {}
    for arn, value in values:
        label = arn if arn in own else OTHERS
        worst[label] = max(worst.get(label, 0.0), value)
    family = GaugeMetricFamily(name, text, labels=["store"])
    for label, value in worst.items():
        family.add_metric([label], value)
    return family
