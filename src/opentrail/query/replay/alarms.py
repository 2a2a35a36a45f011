"""What a CloudWatch alarm on a metric filter would have done (reference: cloudwatch-alarms, sections 3 and 4).

In: what the filter published, minute by minute, and the alarm's settings. Out: its changes of state. Samples carry the
minute of their event, as published metrics do; the alarm is evaluated as soon as a minute is over, so that what
CloudWatch adds by late delivery is left out.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from math import fsum
from typing import Any, Literal, NamedTuple, Self

from opentrail.metric.alarm_rule import AlarmRule, InvalidAlarm, State, reason_of, state_after
from opentrail.query.replay.rules import InvalidReplay

Statistic = Literal["SampleCount", "Average", "Sum", "Minimum", "Maximum"]

STATISTICS: tuple[Statistic, ...] = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
MAX_POINTS = 30_000_000
"""Datapoints that the alarms of one replay look at, all together: 90 days of 15 alarms on up to 8 periods."""

MAX_TRANSITIONS = 1_000
"""Changes of state that are reported one by one; all are counted."""

_MINUTE = 60


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
class Alarm(AlarmRule):
    """An alarm's settings for a replay, which knows the plain statistics alone."""

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise InvalidReplay(f"the statistic must be one of {', '.join(STATISTICS)}")
        try:
            AlarmRule.__post_init__(self)
        except InvalidAlarm as error:
            raise InvalidReplay(str(error)) from error

    @classmethod
    def from_wire(cls, given: Mapping[str, Any]) -> Self:
        """Read members spelled as PutMetricAlarm spells them; raises InvalidReplay."""
        try:
            return cls(**asdict(AlarmRule.from_wire(given)))
        except InvalidAlarm as error:
            raise InvalidReplay(str(error)) from error


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of an alarm's state, at ``time`` (seconds since 1970), with CloudWatch's reason."""

    time: int
    before: State
    after: State
    reason: str


@dataclass(frozen=True, slots=True)
class AlarmHistory:
    """What an alarm did in a span: the first MAX_TRANSITIONS changes, all of them counted, and how it ended.

    ``extreme`` is the datapoint that went furthest towards the threshold or beyond it, and the second that its period
    ended at; None when there was no datapoint.
    """

    transitions: tuple[Transition, ...]
    changes: int
    times_fired: int
    seconds_in_alarm: int
    final_state: State
    extreme: tuple[float, int] | None


def replay_alarm(samples: Mapping[int, Sample], alarm: Alarm, start: int, end: int) -> AlarmHistory:
    """Return what an alarm, new at ``start``, would have done by ``end``; ``samples`` by the first second of a minute.

    Nothing before ``start`` is known to it. Times are seconds since 1970.
    """
    series = _Series(samples, alarm)
    transitions: list[Transition] = []
    state: State = "INSUFFICIENT_DATA"
    changes = fired = in_alarm = 0
    last = start
    extreme: tuple[float, int] | None = None
    furthest = max if alarm.comparison.startswith("GreaterThan") else min
    for time, points in series.evaluations(start, end):
        newest = points[-1]
        if newest is not None and (extreme is None or furthest(newest, extreme[0]) != extreme[0]):
            extreme = newest, time
        after = state_after(points, alarm, state)
        if after == state:
            continue
        in_alarm += time - last if state == "ALARM" else 0
        last, changes, fired = time, changes + 1, fired + (after == "ALARM")
        if len(transitions) < MAX_TRANSITIONS:
            transitions.append(Transition(time, state, after, reason_of(time, points, alarm, after)))
        state = after
    in_alarm += max(0, end - last) if state == "ALARM" else 0
    return AlarmHistory(tuple(transitions), changes, fired, in_alarm, state, extreme)


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
