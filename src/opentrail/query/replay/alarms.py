"""What a CloudWatch alarm on a metric filter would have done (reference: cloudwatch-alarms, sections 3 and 4).

In: what the filter published, minute by minute, and the alarm's settings. Out: its changes of state. Samples carry the
minute of their event, as published metrics do; the alarm is evaluated as soon as a minute is over, so that what
CloudWatch adds by late delivery is left out.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, islice
from math import fsum
from typing import Any, Literal, NamedTuple

from opentrail.query.replay.rules import InvalidReplay

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Statistic = Literal["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
Missing = Literal["missing", "notBreaching", "breaching", "ignore"]

STATISTICS: tuple[Statistic, ...] = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
MISSING: tuple[Missing, ...] = ("missing", "notBreaching", "breaching", "ignore")
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}

MAX_POINTS = 30_000_000
"""Datapoints that the alarms of one replay look at, all together: 90 days of 15 alarms on up to 8 periods."""

MAX_TRANSITIONS = 1_000
"""Changes of state that are reported one by one; all are counted."""

_MINUTE = 60
_WEEK, _DAY, _HOUR = 604_800, 86_400, 3_600


class Sample(NamedTuple):
    """What a metric got in one minute."""

    samples: int
    total: float
    least: float
    most: float

    def with_value(self, value: float) -> "Sample":
        return Sample(self.samples + 1, self.total + value, min(self.least, value), max(self.most, value))

    def with_sample(self, other: "Sample") -> "Sample":
        return Sample(
            self.samples + other.samples,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
        )


NO_SAMPLE = Sample(0, 0.0, float("inf"), float("-inf"))


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm's settings, checked as PutMetricAlarm checks them; ``datapoints_to_alarm`` 0 stands for all periods."""

    threshold: float
    period: int = 300
    evaluation_periods: int = 1
    datapoints_to_alarm: int = 0
    comparison: str = "GreaterThanOrEqualToThreshold"
    statistic: str = "Sum"
    treat_missing_data: str = "missing"

    def __post_init__(self) -> None:
        if self.comparison not in COMPARISONS:
            raise InvalidReplay(f"the comparison must be one of {', '.join(COMPARISONS)}")
        if self.statistic not in STATISTICS:
            raise InvalidReplay(f"the statistic must be one of {', '.join(STATISTICS)}")
        if self.treat_missing_data not in MISSING:
            raise InvalidReplay(f"missing data is treated as one of {', '.join(MISSING)}")
        if self.period not in (10, 20, 30) and (self.period < _MINUTE or self.period % _MINUTE):
            raise InvalidReplay("the period must be 10, 20 or 30 seconds, or a multiple of 60")
        if self.evaluation_periods < 1 or not 0 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise InvalidReplay("of N evaluation periods (1 or more), 1 to N datapoints make the alarm")
        if self.period * self.evaluation_periods > (_DAY if self.period < _HOUR else _WEEK):
            raise InvalidReplay(
                "period x evaluation periods is at most a day, or a week with periods of an hour or more"
            )

    @property
    def needed(self) -> int:
        """How many breaching datapoints make the alarm."""
        return self.datapoints_to_alarm or self.evaluation_periods

    @property
    def range_periods(self) -> int:
        """How many periods an evaluation looks at: CloudWatch fetches more than it needs, how many it does not say."""
        return self.evaluation_periods + max(2, -(-self.evaluation_periods * 2 // 3))

    def points_over(self, seconds: int) -> int:
        """Return how many datapoints the evaluations of a span look at."""
        return seconds // self.cadence * self.range_periods

    @property
    def cadence(self) -> int:
        """Seconds from one evaluation to the next."""
        return _MINUTE if self.period >= _MINUTE else 10

    def is_breaching(self, value: float) -> bool:
        """Say whether a datapoint is beyond the threshold."""
        match self.comparison:
            case "GreaterThanOrEqualToThreshold":
                return value >= self.threshold
            case "GreaterThanThreshold":
                return value > self.threshold
            case "LessThanThreshold":
                return value < self.threshold
        return value <= self.threshold

    @classmethod
    def from_wire(cls, given: Mapping[str, Any]) -> "Alarm":
        """Read members spelled as PutMetricAlarm spells them; others than those of an alarm's rule are left aside."""
        try:
            return cls(
                threshold=float(given["Threshold"]),
                period=int(given.get("Period", 300)),
                evaluation_periods=int(given.get("EvaluationPeriods", 1)),
                datapoints_to_alarm=int(given.get("DatapointsToAlarm", 0)),
                comparison=str(given.get("ComparisonOperator", "GreaterThanOrEqualToThreshold")),
                statistic=str(given.get("Statistic", "Sum")),
                treat_missing_data=str(given.get("TreatMissingData", "missing")),
            )
        except KeyError as error:
            raise InvalidReplay("an alarm needs a Threshold") from error
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidReplay):
                raise
            raise InvalidReplay("a member of the alarm is no number") from error

    def to_wire(self) -> dict[str, Any]:
        """Return the settings as PutMetricAlarm spells them."""
        wire: dict[str, Any] = {
            "Statistic": self.statistic,
            "Period": self.period,
            "EvaluationPeriods": self.evaluation_periods,
            "Threshold": self.threshold,
            "ComparisonOperator": self.comparison,
            "TreatMissingData": self.treat_missing_data,
        }
        return wire | ({"DatapointsToAlarm": self.datapoints_to_alarm} if self.datapoints_to_alarm else {})


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alarm's state, at ``time`` (seconds since 1970), with CloudWatch's reason."""

    time: int
    before: State
    after: State
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmHistory:
    """What an alarm did in a span: the first MAX_TRANSITIONS changes, all of them counted, and how it ended."""

    transitions: tuple[Transition, ...]
    changes: int
    times_fired: int
    seconds_in_alarm: int
    final_state: State


def state_after(points: Sequence[float | None], alarm: Alarm, state: State) -> State:
    """Return the state after an evaluation of ``points``, oldest first, None for a missing one, in ``state``."""
    needed, periods = alarm.needed, alarm.evaluation_periods
    real = [point for point in points if point is not None]
    if len(real) >= periods:
        return "ALARM" if sum(map(alarm.is_breaching, real[-periods:])) >= needed else "OK"
    breaching = sum(map(alarm.is_breaching, real))
    if alarm.treat_missing_data == "breaching":
        return "ALARM" if breaching + periods - len(real) >= needed else "OK"
    if alarm.treat_missing_data == "notBreaching":
        return "ALARM" if breaching >= needed else "OK"
    if not real:
        return state if alarm.treat_missing_data == "ignore" else "INSUFFICIENT_DATA"
    if breaching >= needed:
        return "ALARM"
    if len(real) > breaching:
        return "OK"
    oldest = next(place for place, point in enumerate(points) if point is not None)
    is_old_enough = len(points) - oldest >= needed
    return "ALARM" if alarm.treat_missing_data == "missing" and is_old_enough else state


def replay_alarm(samples: Mapping[int, Sample], alarm: Alarm, start: int, end: int) -> AlarmHistory:
    """Return what an alarm, new at ``start``, would have done by ``end``; ``samples`` by the first second of a minute.

    Nothing before ``start`` is known to it. Times are seconds since 1970.
    """
    series = _Series(samples, alarm)
    transitions: list[Transition] = []
    state: State = "INSUFFICIENT_DATA"
    changes = fired = in_alarm = 0
    last = start
    for time, points in series.evaluations(start, end):
        after = state_after(points, alarm, state)
        if after == state:
            continue
        in_alarm += time - last if state == "ALARM" else 0
        last, changes, fired = time, changes + 1, fired + (after == "ALARM")
        if len(transitions) < MAX_TRANSITIONS:
            transitions.append(Transition(time, state, after, _reason(time, points, alarm, after)))
        state = after
    in_alarm += max(0, end - last) if state == "ALARM" else 0
    return AlarmHistory(tuple(transitions), changes, fired, in_alarm, state)


class _Series:
    """Datapoints of a metric over windows that move by the alarm's cadence."""

    def __init__(self, samples: Mapping[int, Sample], alarm: Alarm) -> None:
        self._samples = samples
        self._minutes = sorted(samples)
        self._alarm = alarm
        self._points: dict[int, float | None] = {}
        ordered = [samples[minute] for minute in self._minutes]
        self._counts = [0, *accumulate(sample.samples for sample in ordered)]
        self._values = [sample.total for sample in ordered]
        # Sums of sums are exact for whole numbers only; others are added up for each period on its own.
        is_whole = all(value.is_integer() for value in self._values)
        self._totals = [0.0, *accumulate(self._values)] if is_whole else None
        self._least = [sample.least for sample in ordered]
        self._most = [sample.most for sample in ordered]

    def evaluations(self, start: int, end: int) -> Iterator[tuple[int, list[float | None]]]:
        """Yield each evaluation's time and points; of those without any data in a row only the first."""
        cadence, period = self._alarm.cadence, self._alarm.period
        reach = self._alarm.range_periods * period
        time = -(-start // cadence) * cadence + cadence
        was_empty = False
        while time <= end:
            points = [self._point(time - period * back, start) for back in range(self._alarm.range_periods, 0, -1)]
            is_empty = all(point is None for point in points)
            if not (is_empty and was_empty):
                yield time, points
            was_empty = is_empty
            time += cadence
            if is_empty:
                time = max(time, self._next_with_data(time - reach, cadence))
            if len(self._points) > 4 * _KEPT_POINTS:
                self._points = dict(islice(self._points.items(), len(self._points) - _KEPT_POINTS, None))

    def _next_with_data(self, after: int, cadence: int) -> int:
        """Return the first evaluation that sees a minute at or after ``after``; the end of time when there is none."""
        place = bisect_left(self._minutes, after)
        if place == len(self._minutes):
            return 1 << 60
        return self._minutes[place] // cadence * cadence + cadence

    def _point(self, first: int, start: int) -> float | None:
        if first not in self._points:
            self._points[first] = self._measured(max(first, start // _MINUTE * _MINUTE), first + self._alarm.period)
        return self._points[first]

    def _measured(self, first: int, end: int) -> float | None:
        place, stop = bisect_left(self._minutes, first), bisect_left(self._minutes, end)
        if place == stop:
            return None
        count = self._counts[stop] - self._counts[place]
        match self._alarm.statistic:
            case "SampleCount":
                return float(count)
            case "Minimum":
                return min(self._least[place:stop])
            case "Maximum":
                return max(self._most[place:stop])
        totals = self._totals
        total = fsum(self._values[place:stop]) if totals is None else totals[stop] - totals[place]
        return total if self._alarm.statistic == "Sum" else total / count


_KEPT_POINTS = 20_000


def _reason(time: int, points: Sequence[float | None], alarm: Alarm, state: State) -> str:
    """Return CloudWatch's sentence for a change to ``state``."""
    if state == "INSUFFICIENT_DATA":
        return "Insufficient Data: 1 datapoint was unknown."
    periods = len(points)
    dated = [
        (point, time - alarm.period * (periods - place)) for place, point in enumerate(points) if point is not None
    ]
    shown = dated[-alarm.evaluation_periods :]
    if state == "ALARM" and not alarm.datapoints_to_alarm:
        shown = [item for item in shown if alarm.is_breaching(item[0])] or shown
    count = len(shown)
    missing = max(0, alarm.evaluation_periods - len(dated))
    treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}.get(alarm.treat_missing_data, "")
    filled = f"{missing} missing datapoint{_s(missing)} {_was(missing)} treated as [{treated}]" if treated else ""
    if not count:
        received = f"no datapoints were received for {alarm.evaluation_periods} period{_s(alarm.evaluation_periods)}"
        return f"Threshold Crossed: {received} and {filled}."
    listed = ", ".join(f"{float(value)} ({_stamp(moment)})" for value, moment in reversed(shown))
    if alarm.datapoints_to_alarm:
        crossing = sum(alarm.is_breaching(value) == (state == "ALARM") for value, _ in shown)
        told = f"{crossing} out of the last {count} datapoint{_s(count)}"
    else:
        crossing, told = count, f"{count} datapoint{_s(count)}"
    verb = f"{_was(crossing)} {'' if state == 'ALARM' else 'not '}{COMPARISONS[alarm.comparison]}"
    sentence = f"Threshold Crossed: {told} [{listed}] {verb} the threshold ({float(alarm.threshold)})"
    sentence += f" and {filled}" if filled and missing else ""
    if alarm.datapoints_to_alarm:
        turn = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
        need = alarm.needed if state == "ALARM" else alarm.evaluation_periods - alarm.needed + 1
        sentence += f" (minimum {need} datapoint{_s(need)} for {turn} transition)"
    return f"{sentence}."


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d/%m/%y %H:%M:%S")
