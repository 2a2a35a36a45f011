"""The metric store: what metrics got, by period, and how far the metric filters of log groups were published."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from opentrail.metric.aggregate import Aggregate
from opentrail.metric.key import MetricKey

MINUTE_S = 60

RETENTION_S: Mapping[int, int] = {1: 3 * 3600, 60: 15 * 86_400, 300: 63 * 86_400, 3600: 455 * 86_400}
"""How long what is kept by periods of so many seconds is kept: CloudWatch's own tiers."""

LISTED_S = 14 * 86_400
"""A metric that got nothing for so long is listed no more."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one metric got at one time (seconds since 1970). ``resolution`` is 1 or 60 seconds."""

    key: MetricKey
    timestamp: int
    unit: str
    aggregate: Aggregate
    resolution: int = MINUTE_S


@dataclass(frozen=True, slots=True)
class LogCursor:
    """Through which event (its place in the order of arrival) of a log group's day metric filters were published."""

    group_id: str
    day: date
    sequence: int


@dataclass(frozen=True, slots=True)
class MetricRange:
    """Which periods of a metric to read: those of ``period`` seconds that begin at ``start`` and every ``period``
    later, before ``end``, made of what is kept by ``tier`` seconds; of one unit or of all (None)."""

    key: MetricKey
    start: int
    end: int
    period: int
    tier: int = MINUTE_S
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """A metric, and when it last got something (seconds since 1970, the store's time)."""

    key: MetricKey
    put_at: int


class MetricStore(Protocol):
    """All methods raise Unavailable."""

    def watch(self, on_stored: Callable[[Collection[MetricKey]], None]) -> None:
        """Have ``on_stored`` called in the event loop with the metrics that got something, once that is durable."""
        ...

    async def put(self, measurements: Sequence[Measurement], now: int) -> None:
        """Add what metrics got, in one transaction; durable on return."""
        ...

    async def publish(self, cursor: LogCursor, measurements: Sequence[Measurement], now: int) -> None:
        """Add what metric filters made of events up to ``cursor`` and move the cursor, in one transaction.

        Nothing happens when the cursor is there or beyond: what is repeated counts once.
        """
        ...

    async def cursor(self, group_id: str, day: date) -> int:
        """Return through which event a log group's day was published; 0 for none of them."""
        ...

    async def read(self, wanted: MetricRange) -> Mapping[int, Mapping[str, Aggregate]]:
        """Return what a metric got, by the first second of each period and by unit; empty periods are absent."""
        ...

    async def metrics(self, account_id: str, region: str, namespace: str, name: str) -> Sequence[KnownMetric]:
        """Return the metrics of an account and Region by key; of a namespace and of a name, unless empty."""
        ...

    async def expire(self, now: int) -> None:
        """Delete what is past its retention, metrics without data, and cursors of days that can get nothing more."""
        ...
