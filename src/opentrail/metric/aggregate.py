"""What a metric got in one period: number, total, least and most, and how the values were spread for percentiles.

The spread is exact up to MAX_DISTINCT values; beyond, values fall into buckets of RELATIVE_WIDTH, so that a percentile
is off by half of that at most. A statistic set of unlike values has no spread, and so no percentile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, copysign, isfinite, log

MAX_DISTINCT = 500
"""Distinct values that one period keeps exactly; PutMetricData brings up to 150 in a datum."""

RELATIVE_WIDTH = 0.02

MAX_VALUE = 2.0**360
"""Of a value, either sign: CloudWatch's own bound."""

_GROWTH = log(1 + RELATIVE_WIDTH)

Spread = Mapping[float, float]
"""How often each value came."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Samples of one period taken together. ``spread`` is None when it is not known."""

    samples: float
    total: float
    least: float
    most: float
    spread: Spread | None

    def joined(self, other: "Aggregate") -> "Aggregate":
        """Return both taken together."""
        spread = None
        if self.spread is not None and other.spread is not None:
            spread = _joined_spread(self.spread, other.spread)
        return Aggregate(
            self.samples + other.samples,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
            spread,
        )


def of_values(values: Mapping[float, float]) -> Aggregate:
    """Return the aggregate of values, each with how often it came."""
    return Aggregate(
        sum(values.values()),
        sum(value * count for value, count in values.items()),
        min(values),
        max(values),
        _bounded(dict(values)),
    )


def of_statistics(samples: float, total: float, least: float, most: float) -> Aggregate:
    """Return the aggregate of a statistic set; its spread is known when all its values are one."""
    return Aggregate(samples, total, least, most, {least: samples} if least == most else None)


def is_valid(value: float) -> bool:
    """Say whether CloudWatch takes ``value``."""
    return isfinite(value) and abs(value) <= MAX_VALUE


def _joined_spread(one: Spread, other: Spread) -> Spread:
    joined = dict(one)
    for value, count in other.items():
        joined[value] = joined.get(value, 0.0) + count
    return _bounded(joined)


def _bounded(spread: dict[float, float]) -> Spread:
    if len(spread) <= MAX_DISTINCT:
        return spread
    buckets: dict[float, float] = {}
    for value, count in spread.items():
        place = _bucket(value)
        buckets[place] = buckets.get(place, 0.0) + count
    return buckets


def _bucket(value: float) -> float:
    """Return the middle of a value's bucket; a middle is its own bucket's, so that joining again moves nothing."""
    if value == 0:
        return 0.0
    number = ceil(log(abs(value)) / _GROWTH - 1e-9)
    return copysign((1 + RELATIVE_WIDTH) ** (number - 0.5), value)
