"""Metric filters at work: what is put into log groups becomes metric data, each event once (docs/logs.md).

A group's day is followed in the order its events were stored in. What a page of events is worth is added to the
metrics in the transaction that moves the day's cursor, so that a kill neither loses an event nor counts one twice. A
filter sees what came after it was made.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import structlog

from opentrail.clock import Clock
from opentrail.metric.aggregate import is_valid, of_values
from opentrail.metric.key import Dimensions, MetricKey
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import FilterPattern, json_object, parse_filter_pattern
from opentrail.pattern.rule_set import RuleSet
from opentrail.pattern.text_index import MemoBudget
from opentrail.ports import Unavailable
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogKeyUnusable, LogStore, StoredEvent
from opentrail.ports.metric_store import MINUTE_S, LogCursor, Measurement, MetricStore
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.rules import InvalidReplay
from opentrail.resource.log_group import METRIC_FILTER, LogFilter, LogGroup, milliseconds
from opentrail.waiting import is_set_within

PAGE_EVENTS = 5_000
"""Events that one transaction is about."""

LINGER_SECONDS = 0.02
"""After events were published: those that come in quick succession are then published together."""

LOOK_AGAIN_SECONDS = 60.0
"""How often every group with a metric filter is looked at, whatever was heard of it."""

DAYS_BACK = 16
"""Days that get events still: PutLogEvents takes two weeks."""

RETRY_SECONDS = 1.0

MAX_READY = 1_000
"""Groups whose filters are held ready; of more, those looked at longest ago are read again."""

MAX_PATTERNS = 10_000
"""Patterns that are held ready."""

_SYSTEM = {"@aws.account": "account_id", "@aws.region": "region"}

_log = structlog.get_logger(__name__)

_Day = tuple[str, date]
_Point = tuple[MetricKey, int, str]


class MetricFilters:
    """Publishes for all log groups. Either ``run``, or ``look_everywhere`` and ``publish`` by hand."""

    def __init__(self, groups: LogGroups, store: LogStore, metrics: MetricStore, clock: Clock) -> None:
        self._groups = groups
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._ready: dict[str, FilterSet] = {}
        self._budget = MemoBudget()
        self._due: dict[_Day, None] = {}
        self._woken = asyncio.Event()

    def wake(self, group_id: str, days: Collection[date]) -> None:
        """Look at days of a group: events were stored."""
        self._due |= dict.fromkeys((group_id, day) for day in days)
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled; what a store does not take now is tried again."""
        self._store.watch(self.wake)
        is_everywhere_due = True
        while True:
            self._woken.clear()
            try:
                if is_everywhere_due:
                    await self.look_everywhere()
                    is_everywhere_due = False
                await self.publish()
            except Unavailable as error:
                _log.warning("metric filters wait for a store", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await asyncio.sleep(LINGER_SECONDS)
            is_everywhere_due = not await is_set_within(self._woken, LOOK_AGAIN_SECONDS)

    async def look_everywhere(self) -> None:
        """Have every recent day of each group with a metric filter looked at. Raises Unavailable."""
        oldest = self._clock.now().date() - timedelta(days=DAYS_BACK)
        for group in await self._groups.all_groups():
            if await self._groups.filters(group.group_id, METRIC_FILTER):
                days = await self._store.days(group.group_id)
                self._due |= dict.fromkeys((group.group_id, day) for day in days if day >= oldest)

    async def publish(self) -> None:
        """Publish what came. Raises Unavailable: the days that are left stay due."""
        while self._due:
            day = next(iter(self._due))
            del self._due[day]
            try:
                await self._publish_day(*day)
            except LogKeyUnusable as error:  # looked at again with all others: the cursor stays where it is
                _log.warning("metric filters wait for a key", group_id=day[0], day=str(day[1]), error=str(error))
            except Unavailable:
                self._due[day] = None
                raise
            except Exception:  # the edge of a worker: one group that cannot be read must not keep the others
                _log.exception("metric filters of a log group failed", group_id=day[0], day=str(day[1]))

    async def _publish_day(self, group_id: str, day: date) -> None:
        filters = await self._groups.filters(group_id, METRIC_FILTER)
        if not filters:
            return
        since = min(milliseconds(each.created_at) for each in filters)
        after = await self._metrics.cursor(group_id, day)
        while True:
            events = await self._store.arrived(group_id, day, after, since, PAGE_EVENTS)
            if not events:
                return
            # Read behind the events: a filter that was made before one of them came is among these.
            filters = await self._groups.filters(group_id, METRIC_FILTER)
            group = await self._groups.group_of(group_id)
            if group is None:
                return
            measurements = await asyncio.to_thread(self._measured, group, filters, events)
            after = events[-1].place.sequence
            now = int(self._clock.now().timestamp())
            await self._metrics.publish(LogCursor(group_id, day, after), measurements, now)

    def _measured(
        self, group: LogGroup, filters: Sequence[LogFilter], events: Sequence[StoredEvent]
    ) -> list[Measurement]:
        """Return what ``events`` are worth; in a thread, one at a time. A group's filters are kept ready for as long as
        they are the same."""
        ready = self._ready.pop(group.group_id, None)
        if ready is None or ready.filters != filters:
            ready = FilterSet(group, filters, self._budget)
        self._ready[group.group_id] = ready
        if len(self._ready) > MAX_READY:
            del self._ready[next(iter(self._ready))]
        return ready.measured(events)


class FilterSet:
    """The metric filters of a group, made ready: patterns over JSON are asked all at once. What they remember of events
    is bounded by ``budget``."""

    def __init__(self, group: LogGroup, filters: Sequence[LogFilter], budget: MemoBudget) -> None:
        self.filters = filters
        self._group = group
        ready = (_ready(group, log_filter) for log_filter in filters)
        self._ready = [each for each in ready if each is not None]
        self._json: RuleSet[int] = RuleSet(budget)
        self._asked_always = set[int]()
        for number, each in enumerate(self._ready):
            if each.pattern.view == "json":
                self._json.add(number, each.pattern.predicate)
            if each.pattern.view != "json" or each.default is not None:
                self._asked_always.add(number)

    def measured(self, events: Sequence[StoredEvent]) -> list[Measurement]:
        """Return what ``events`` are worth, by metric, minute and unit. Not to be called by two threads at once."""
        found: defaultdict[_Point, Counter[float]] = defaultdict(Counter)
        group = self._group
        for event in events:
            at = event.place.timestamp // 1000 // MINUTE_S * MINUTE_S
            record = json_object(event.message) if len(self._json) else None
            matched = self._json.match(record) if record is not None else []
            for number in self._asked_always.union(matched):
                each = self._ready[number]
                if event.ingested_at < each.since:
                    continue
                sample = each.sample(event.message, record, is_matched=number in matched)
                if sample is not None:
                    value, dimensions = sample
                    key = MetricKey(group.account_id, group.region, each.namespace, each.metric, dimensions)
                    found[key, at, each.unit][value] += 1
        return [
            Measurement(key, at, unit, of_values({value: float(count) for value, count in counts.items()}))
            for (key, at, unit), counts in found.items()
        ]


@dataclass(frozen=True, slots=True)
class _Filter:
    """A metric filter made ready for one group."""

    pattern: FilterPattern
    since: int
    namespace: str
    metric: str
    unit: str
    value: str
    default: float | None
    dimensions: Mapping[str, str]
    system: Dimensions

    def sample(
        self, message: str, record: dict[str, Any] | None, *, is_matched: bool
    ) -> tuple[float, Dimensions] | None:
        """Return what an event adds: its value and dimensions, None for nothing. For patterns over JSON alone:
        ``record``, the JSON object that the message is, and whether the pattern matches it."""
        fields: dict[str, Any] | None
        if self.pattern.view == "json":
            fields = {} if is_matched else None
        else:
            fields, record = self.pattern.match(message), None
        if fields is None:
            return None if self.default is None else (self.default, self.system)
        value = self._value(fields, record)
        return None if value is None else (value, self._dimensions(fields, record))

    def _value(self, fields: Mapping[str, Any], record: Mapping[str, Any] | None) -> float | None:
        if self.value in fields:
            number = _number(fields[self.value])
        else:
            metric = _metric(self.value)
            if metric is None:
                return self.default
            if metric.value is not None:
                number = metric.value
            else:
                found = _at(record, metric.path)
                if found is None:
                    return self.default
                number = _number(found)
        return number

    def _dimensions(self, fields: Mapping[str, Any], record: Mapping[str, Any] | None) -> Dimensions:
        """Return the dimensions of an event; none at all when it lacks one."""
        told: dict[str, str] = {}
        for name, selector in self.dimensions.items():
            metric = None if selector in fields else _metric(selector)
            found = fields[selector] if selector in fields else _at(record, metric.path) if metric else None
            text = _text(found)
            if not text:
                return ()
            told[name] = text
        return tuple(sorted((*told.items(), *self.system)))


def _ready(group: LogGroup, log_filter: LogFilter) -> _Filter | None:
    settings = log_filter.settings
    pattern = _pattern(settings["filterPattern"])
    if pattern is None:
        return None
    [transformation] = settings["metricTransformations"]
    system = tuple((name, getattr(group, _SYSTEM[name])) for name in settings.get("emitSystemFieldDimensions", ()))
    return _Filter(
        pattern=pattern,
        since=milliseconds(log_filter.created_at),
        namespace=transformation["metricNamespace"],
        metric=transformation["metricName"],
        unit=transformation.get("unit", "None"),
        value=transformation["metricValue"],
        default=transformation.get("defaultValue"),
        dimensions=transformation.get("dimensions", {}),
        system=tuple(sorted(system)),
    )


@lru_cache(MAX_PATTERNS)
def _pattern(text: str) -> FilterPattern | None:
    try:
        return parse_filter_pattern(text)
    except InvalidPattern:
        _log.exception("a stored filter pattern cannot be read; it publishes nothing", pattern=text)
        return None


@lru_cache(MAX_PATTERNS)
def _metric(value: str) -> Any:
    try:
        return read_metric(value)
    except InvalidReplay:
        return None


def _at(record: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and step < len(record) else None
        else:
            record = record.get(step) if isinstance(record, dict) else None
    return record


def _number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return number if is_valid(number) else None


def _text(found: Any) -> str:
    """Return a dimension's value: text, a number's or a boolean's text; "" for what no dimension can be."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)[:1024] if isinstance(found, str | int | float) else ""
