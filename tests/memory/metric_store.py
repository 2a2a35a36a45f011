"""A metric store in memory (port: metric_store)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

from opentrail.metric.aggregate import Aggregate
from opentrail.metric.key import MetricKey
from opentrail.ports.metric_store import LISTED_S, RETENTION_S, KnownMetric, LogCursor, Measurement, MetricRange


class InMemoryMetricStore:
    """Implements MetricStore."""

    def __init__(self) -> None:
        self._points: dict[tuple[MetricKey, int, int, str], Aggregate] = {}
        self._known: dict[MetricKey, int] = {}
        self._cursors: dict[tuple[str, date], int] = {}
        self._on_stored: Callable[[Collection[MetricKey]], None] = lambda _: None

    def watch(self, on_stored: Callable[[Collection[MetricKey]], None]) -> None:
        self._on_stored = on_stored

    async def put(self, measurements: Sequence[Measurement], now: int) -> None:
        for each in measurements:
            self._known[each.key] = max(now, self._known.get(each.key, 0))
            for tier in RETENTION_S:
                if tier >= each.resolution:
                    point = (each.key, tier, each.timestamp // tier * tier, each.unit)
                    held = self._points.get(point)
                    self._points[point] = held.joined(each.aggregate) if held else each.aggregate
        self._on_stored({each.key for each in measurements})

    async def publish(self, cursor: LogCursor, measurements: Sequence[Measurement], now: int) -> None:
        place = (cursor.group_id, cursor.day)
        if self._cursors.get(place, 0) >= cursor.sequence:
            return
        self._cursors[place] = cursor.sequence
        await self.put(measurements, now)

    async def cursor(self, group_id: str, day: date) -> int:
        return self._cursors.get((group_id, day), 0)

    async def read(self, wanted: MetricRange) -> Mapping[int, Mapping[str, Aggregate]]:
        found: dict[int, dict[str, Aggregate]] = {}
        for (key, tier, at, unit), aggregate in sorted(self._points.items()):
            if (key, tier) != (wanted.key, wanted.tier) or not wanted.start <= at < wanted.end:
                continue
            if wanted.unit is None or unit == wanted.unit:
                units = found.setdefault(at - (at - wanted.start) % wanted.period, {})
                units[unit] = units[unit].joined(aggregate) if unit in units else aggregate
        return found

    async def metrics(self, account_id: str, region: str, namespace: str, name: str) -> Sequence[KnownMetric]:
        return [
            KnownMetric(key, put_at)
            for key, put_at in sorted(self._known.items())
            if (key.account_id, key.region) == (account_id, region)
            and namespace in ("", key.namespace)
            and name in ("", key.name)
        ]

    async def expire(self, now: int) -> None:
        self._points = {point: held for point, held in self._points.items() if point[2] >= now - RETENTION_S[point[1]]}
        living = {point[0] for point in self._points}
        self._known = {key: at for key, at in self._known.items() if key in living or at >= now - LISTED_S}
