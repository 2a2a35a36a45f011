"""Statistics of an aggregate: the five plain ones and the extended ones (percentiles, trimmed and winsorised means...).

Extended ones by CloudWatch's documented names: p95.5, tm, tc, ts, wm with one bound in percent (``tm90``) or a range
(``TM(10%:90%)``, ``TM(:0.5)``), PR with a range of values, IQM.
"""

import re
from dataclasses import dataclass

from opentrail.metric.aggregate import Aggregate, Spread

PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")

_SHORT = re.compile(r"(p|tm|tc|ts|wm)(\d{1,2}(?:\.\d{1,10})?|100)")
_RANGE = re.compile(r"(TM|TC|TS|WM|PR)\(([^:()]*):([^:()]*)\)")
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?")


class UnknownStatistic(ValueError):
    """CloudWatch has no such statistic."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic, read. ``low`` and ``high`` are percents of the samples, or values when ``is_by_value``."""

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    is_by_value: bool = False

    @property
    def percentile(self) -> float | None:
        """Return N of pN, between 0 and 100; None for anything else."""
        return self.high if self.kind == "p" else None


def read_statistic(name: str) -> Statistic:
    """Read a statistic's name. Raises UnknownStatistic."""
    if name in PLAIN:
        return Statistic(name, name)
    if name == "IQM":
        return Statistic(name, "tm", 25.0, 75.0)
    short = _SHORT.fullmatch(name)
    if short is not None:
        return Statistic(name, short[1], 0.0 if short[1] != "p" else None, float(short[2]))
    ranged = _RANGE.fullmatch(name)
    if ranged is None:
        raise UnknownStatistic(name)
    return _ranged(name, ranged[1].lower(), ranged[2], ranged[3])


def _ranged(name: str, kind: str, low: str, high: str) -> Statistic:
    bounds = [bound for bound in (low, high) if bound]
    in_percent = [bound.endswith("%") for bound in bounds]
    if not bounds or len(set(in_percent)) != 1 or (kind == "pr" and in_percent[0]):
        raise UnknownStatistic(name)
    if not all(_NUMBER.fullmatch(bound.removesuffix("%")) for bound in bounds):
        raise UnknownStatistic(name)
    is_by_value = not in_percent[0]
    first = float(low.removesuffix("%")) if low else None
    last = float(high.removesuffix("%")) if high else None
    if not is_by_value:
        first, last = first or 0.0, 100.0 if last is None else last
        if not 0 <= first < last <= 100:
            raise UnknownStatistic(name)
    return Statistic(name, kind, first, last, is_by_value)


def value_of(statistic: Statistic, aggregate: Aggregate) -> float | None:
    """Return a statistic of an aggregate, None when it cannot be told (no samples, or no spread of the values)."""
    if aggregate.samples <= 0:
        return None
    match statistic.kind:
        case "SampleCount":
            return aggregate.samples
        case "Sum":
            return aggregate.total
        case "Average":
            return aggregate.total / aggregate.samples
        case "Minimum":
            return aggregate.least
        case "Maximum":
            return aggregate.most
    return None if aggregate.spread is None else _extended(statistic, aggregate.spread)


def _extended(statistic: Statistic, spread: Spread) -> float | None:
    ordered = sorted(spread.items())
    if statistic.kind == "p":
        return percentile_of(ordered, statistic.high or 0.0)
    kept = _kept(statistic, ordered)
    count = sum(number for _, number in kept)
    total = sum(value * number for value, number in kept)
    match statistic.kind:
        case "tc":
            return count
        case "ts":
            return total
        case "pr":
            return 100.0 * count / sum(spread.values())
        case "wm":
            return _winsorised(ordered, kept)
    return total / count if count else None


def percentile_of(ordered: list[tuple[float, float]], percent: float) -> float:
    """Return a percentile of (value, count) by value, between its neighbours in proportion."""
    total = sum(count for _, count in ordered)
    rank = percent / 100.0 * (total - 1)
    before, seen = ordered[0][0], 0.0
    for value, count in ordered:
        if rank <= seen:
            return value if seen == 0 else before + (value - before) * max(0.0, 1 - (seen - rank))
        seen += count
        if rank <= seen - 1:
            return value
        before = value
    return ordered[-1][0]


def _kept(statistic: Statistic, ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the part of (value, count) that a range keeps: by value, low excluded; or by percent of the samples."""
    if statistic.is_by_value:
        return [
            (value, count)
            for value, count in ordered
            if (statistic.low is None or value > statistic.low) and (statistic.high is None or value <= statistic.high)
        ]
    total = sum(count for _, count in ordered)
    first, last = (statistic.low or 0.0) / 100 * total, (statistic.high or 0.0) / 100 * total
    kept, seen = [], 0.0
    for value, count in ordered:
        part = min(seen + count, last) - max(seen, first)
        if part > 0:
            kept.append((value, part))
        seen += count
    return kept


def _winsorised(ordered: list[tuple[float, float]], kept: list[tuple[float, float]]) -> float | None:
    if not kept:
        return None
    low, high = kept[0][0], kept[-1][0]
    count = sum(number for _, number in ordered)
    return sum(min(max(value, low), high) * number for value, number in ordered) / count
