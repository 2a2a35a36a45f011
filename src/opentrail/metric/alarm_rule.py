"""When a metric alarm is in which state: the one evaluator (reference: cloudwatch-alarms, sections 3 and 4).

In: an alarm's settings and the datapoints of its evaluation range. Out: its state, and CloudWatch's sentence for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "notBreaching", "breaching", "ignore"]

MISSING: tuple[Missing, ...] = ("missing", "notBreaching", "breaching", "ignore")
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}

_MINUTE = 60
_WEEK, _DAY, _HOUR = 604_800, 86_400, 3_600


class InvalidAlarm(ValueError):
    """Settings that no alarm can have; the message says why."""


@dataclass(frozen=True, slots=True)
class AlarmRule:
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
            raise InvalidAlarm(f"the comparison must be one of {', '.join(COMPARISONS)}")
        if self.treat_missing_data not in MISSING:
            raise InvalidAlarm(f"missing data is treated as one of {', '.join(MISSING)}")
        if self.period not in (10, 20, 30) and (self.period < _MINUTE or self.period % _MINUTE):
            raise InvalidAlarm("the period must be 10, 20 or 30 seconds, or a multiple of 60")
        if self.evaluation_periods < 1 or not 0 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise InvalidAlarm("of N evaluation periods (1 or more), 1 to N datapoints make the alarm")
        if self.period * self.evaluation_periods > (_DAY if self.period < _HOUR else _WEEK):
            raise InvalidAlarm(
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

    @property
    def is_settled_by_breach(self) -> bool:
        """Say whether a datapoint that breaches before its period is over goes on to breach, whatever else comes."""
        if self.comparison.startswith("Greater"):
            return self.statistic in ("Sum", "SampleCount", "Maximum")
        return self.statistic == "Minimum"

    @classmethod
    def from_wire(cls, given: Mapping[str, Any]) -> Self:
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
            raise InvalidAlarm("an alarm needs a Threshold") from error
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidAlarm):
                raise
            raise InvalidAlarm("a member of the alarm is no number") from error

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


def state_after(points: Sequence[float | None], alarm: AlarmRule, state: State) -> State:
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


def reason_of(time: int, points: Sequence[float | None], alarm: AlarmRule, state: State) -> str:
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
