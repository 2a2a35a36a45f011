"""The datapoints that a metric alarm looks at, read from the metric store, and the state that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from opentrail.deliver.alarm_messages import queries_of, stamp
from opentrail.metric.aggregate import Aggregate
from opentrail.metric.alarm_rule import AlarmRule, State, reason_of, state_after
from opentrail.metric.expression import Expression, InvalidExpression, Series, Span, read_expression
from opentrail.metric.key import MetricKey, read_dimensions
from opentrail.metric.statistics import read_statistic
from opentrail.ports.metric_store import MINUTE_S, MetricRange, MetricStore
from opentrail.query.metric_math import joined_units, series_of, work_out
from opentrail.resource.alarm import Alarm

_PATIENT_NAMESPACES = ("AWS/DynamoDB",)
"""Alarms on these treat missing data as ignore, whatever they say."""

_MAX_REASON = 1023
_MAX_REASON_DATA = 4000


@dataclass(frozen=True, slots=True)
class Judgement:
    """The state that an alarm is in by its datapoints, with CloudWatch's reason and its data (JSON)."""

    state: State
    reason: str
    reason_data: str


@dataclass(frozen=True, slots=True)
class _Query:
    id: str
    key: MetricKey
    period: int
    stat: str
    unit: str | None


class WatchedAlarm:
    """A metric alarm made ready: its rule, the metrics that it is about, and how to judge it."""

    def __init__(self, alarm: Alarm) -> None:
        self.alarm = alarm
        queries = queries_of(alarm.settings)
        self._queries = queries
        self._read = [_query(alarm, query) for query in queries if "MetricStat" in query]
        self._expressions = {
            query["Id"]: read_expression(query["Expression"]) for query in queries if "Expression" in query
        }
        [self._shown] = [query["Id"] for query in queries if query.get("ReturnData", True)]
        period = alarm.settings.get("Period") or _period(self._shown, self._read, self._expressions, queries)
        self.rule = AlarmRule.from_wire(_rule_settings(alarm, period))
        self._percentile = read_statistic(alarm.settings.get("ExtendedStatistic", "Sum")).percentile

    @property
    def keys(self) -> set[MetricKey]:
        """Return the metrics whose data may change the alarm's state."""
        return {query.key for query in self._read}

    async def judge(self, store: MetricStore, now: datetime) -> Judgement:
        """Return the state at ``now``: of the periods that are over, and of the one under way where a datapoint in it
        breaches for good. Raises Unavailable."""
        second, cadence = int(now.timestamp()), self.rule.cadence
        over = second // cadence * cadence
        if self.rule.is_settled_by_breach and not self._expressions:
            early = await self._judged(store, now, over + cadence)
            if early.state == "ALARM":
                return early
        return await self._judged(store, now, over)

    async def _judged(self, store: MetricStore, now: datetime, end: int) -> Judgement:
        period = self.rule.period
        start = end - self.rule.range_periods * period
        values, samples = await self._points(store, start, end)
        points = [values.get(time) for time in range(start, end, period)]
        state = state_after(points, self.rule, self.alarm.state.value)
        if self._has_too_few_samples(values, samples):
            state = self.alarm.state.value
        reason = reason_of(end, points, self.rule, state)
        data = _reason_data(self.alarm, self.rule, now, start, values, samples)
        return Judgement(state, reason[:_MAX_REASON], data)

    async def _points(self, store: MetricStore, start: int, end: int) -> tuple[Series, Mapping[int, Aggregate]]:
        series: dict[str, Series] = {}
        samples: Mapping[int, Aggregate] = {}
        for query in self._read:
            tier = MINUTE_S if query.period >= MINUTE_S else 1
            found = joined_units(await store.read(MetricRange(query.key, start, end, query.period, tier, query.unit)))
            series[query.id] = series_of(found, read_statistic(query.stat))
            samples = found if query.id == self._shown else samples
        spans = dict.fromkeys(self._expressions, Span(start, end, self.rule.period))
        try:
            [values] = work_out(self._queries, self._expressions, series, spans)[self._shown]
        except (InvalidExpression, ValueError):
            values = {}
        return values, samples

    def _has_too_few_samples(self, values: Series, samples: Mapping[int, Aggregate]) -> bool:
        """Say whether a percentile of the newest datapoint rests on too few samples to change the state."""
        if self._percentile is None or not values:
            return False
        if self.alarm.settings.get("EvaluateLowSampleCountPercentile") != "ignore":
            return False
        part = self._percentile / 100
        needed = 10 / (1 - part) if 0.5 <= part < 1 else 10 / max(part, 1e-9)
        return samples[max(values)].samples < needed


def _rule_settings(alarm: Alarm, period: int) -> dict[str, Any]:
    settings = dict(alarm.settings) | {"Period": period}
    if settings.get("Namespace") in _PATIENT_NAMESPACES:
        settings["TreatMissingData"] = "ignore"
    settings.setdefault("Statistic", settings.get("ExtendedStatistic", ""))
    return settings


def _query(alarm: Alarm, query: Mapping[str, Any]) -> _Query:
    stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    dimensions = read_dimensions(metric.get("Dimensions", ()))
    key = MetricKey(alarm.account_id, alarm.region, metric["Namespace"], metric["MetricName"], dimensions)
    return _Query(query["Id"], key, stat["Period"], stat["Stat"], stat.get("Unit"))


def _period(
    shown: str, read: Sequence[_Query], expressions: Mapping[str, Expression], queries: Sequence[Mapping[str, Any]]
) -> int:
    if shown in expressions:
        own = next((query.get("Period") for query in queries if query["Id"] == shown), None)
        return min((query.period for query in read), default=own or MINUTE_S)
    return next(query.period for query in read if query.id == shown)


def _reason_data(
    alarm: Alarm,
    rule: AlarmRule,
    now: datetime,
    start: int,
    values: Series,
    samples: Mapping[int, Aggregate],
) -> str:
    settings = alarm.settings
    data: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    recent = sorted(values)[-rule.evaluation_periods :]
    if recent:
        data["startDate"] = _moment(recent[0])
    if settings.get("Unit"):
        data["unit"] = settings["Unit"]
    if settings.get("Statistic") or settings.get("ExtendedStatistic"):
        data["statistic"] = settings.get("Statistic") or settings["ExtendedStatistic"]
    data |= {
        "period": rule.period,
        "recentDatapoints": [values[time] for time in recent],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [_evaluated(time, values, samples) for time in reversed(recent)],
    }
    text = orjson.dumps(data).decode()
    if len(text) <= _MAX_REASON_DATA:
        return text
    return orjson.dumps(data | {"recentDatapoints": [], "evaluatedDatapoints": []}).decode()


def _evaluated(time: int, values: Series, samples: Mapping[int, Aggregate]) -> dict[str, Any]:
    counted = {"sampleCount": samples[time].samples} if time in samples else {}
    return {"timestamp": _moment(time), **counted, "value": values[time]}


def _moment(time: int) -> str:
    return stamp(datetime.fromtimestamp(time, UTC))
