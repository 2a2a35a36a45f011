"""GetMetricStatistics: one metric's statistics by period (reference: cloudwatch-alarms, section 2)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from opentrail.aws.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.metric.aggregate import Aggregate
from opentrail.metric.key import MetricKey, read_dimensions
from opentrail.metric.statistics import PLAIN, Statistic, UnknownStatistic, read_statistic, value_of
from opentrail.ports.metric_store import MINUTE_S, RETENTION_S, MetricRange

MAX_POINTS = 1_440

HIGH_RESOLUTION_PERIODS = (1, 5, 10, 20, 30)
"""Periods below a minute."""

WRONG_PERIOD = "The parameter Period must be one of 1, 5, 10, 20 or 30 seconds, or a multiple of 60 seconds."


async def get_metric_statistics(ports: ApiPorts, call: Call) -> Outcome:
    """Show a metric's statistics from StartTime to before EndTime; a period without samples is absent."""
    given = call.parameters
    statistics = _statistics(given.get("Statistics"), given.get("ExtendedStatistics"))
    period = given["Period"]
    if not is_period(period):
        raise InvalidParameterValueException(WRONG_PERIOD)
    start, end = int(given["StartTime"].timestamp()), int(given["EndTime"].timestamp())
    if start >= end:
        raise InvalidParameterValueException("The parameter StartTime must be less than the parameter EndTime.")
    points = -(-(end - start) // period)
    if points > MAX_POINTS:
        raise InvalidParameterCombinationException(
            f"You have requested up to {points} datapoints, which exceeds the limit of {MAX_POINTS}. You may reduce the"
            " datapoints requested by increasing Period, or decreasing the time range."
        )
    dimensions = read_dimensions(given.get("Dimensions", ()))
    key = MetricKey(call.account_id, call.region, given["Namespace"], given["MetricName"], dimensions)
    now = int(call.received_at.timestamp())
    wanted = chosen_range(key, start, end, period, now, given.get("Unit"))
    found = await ports.metrics.read(wanted)
    shown = [
        _point(time, unit, statistics, aggregate)
        for time, units in sorted(found.items())
        for unit, aggregate in sorted(units.items())
    ]
    return Outcome({"Label": key.name, "Datapoints": [point for point in shown if point is not None]})


def is_period(period: int) -> bool:
    """Say whether a period is one that metrics have."""
    return period in HIGH_RESOLUTION_PERIODS or (period >= MINUTE_S and period % MINUTE_S == 0)


def chosen_range(key: MetricKey, start: int, end: int, period: int, now: int, unit: str | None) -> MetricRange:
    """Return what to read: of the finest tier that still has the start's age, the start rounded down to it."""
    if period < MINUTE_S:
        return MetricRange(key, start // period * period, end, period, 1, unit)
    age = now - start
    fitting = [tier for tier in RETENTION_S if tier >= MINUTE_S and period % tier == 0]
    tier = next((tier for tier in fitting if age <= RETENTION_S[tier]), fitting[-1])
    return MetricRange(key, start // tier * tier, end, period, tier, unit)


def _statistics(plain: Sequence[str] | None, extended: Sequence[str] | None) -> list[Statistic]:
    if plain and extended:
        raise InvalidParameterCombinationException.exclusive("Statistics", "ExtendedStatistics")
    if not plain and not extended:
        raise MissingRequiredParameterException("Must specify either Statistics or ExtendedStatistics")
    names = plain or extended or ()
    try:
        read = [read_statistic(name) for name in names]
    except UnknownStatistic as error:
        name = "Statistics" if plain else "ExtendedStatistics"
        raise InvalidParameterValueException(f"The value {error} for parameter {name} is not supported.") from error
    if any((statistic.name in PLAIN) is not bool(plain) for statistic in read):
        wrong = "Statistics" if plain else "ExtendedStatistics"
        raise InvalidParameterValueException(f"The value {names[0]} for parameter {wrong} is not supported.")
    return read


def _point(time: int, unit: str, statistics: Sequence[Statistic], aggregate: Aggregate) -> dict[str, Any] | None:
    values = {statistic.name: value_of(statistic, aggregate) for statistic in statistics}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None
    plain = {name: value for name, value in known.items() if name in PLAIN}
    extended = {name: value for name, value in known.items() if name not in PLAIN}
    point: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(time, UTC), **plain, "Unit": unit}
    return point | ({"ExtendedStatistics": extended} if extended else {})
