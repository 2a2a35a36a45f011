"""When an alarm would have fired: the documentation's tables, and hand-worked series."""

import pytest

from opentrail.metric.alarm_rule import State, state_after
from opentrail.query.replay.alarms import Alarm, Sample, replay_alarm
from opentrail.query.replay.rules import InvalidReplay

THREE_OF_THREE = (3, 0)
TWO_OF_THREE = (3, 2)
START = 1_700_000_400
"""A full hour's minute: every series starts here."""


def points(drawn: str) -> list[float | None]:
    """Read a row as the documentation draws it: 0 within the threshold, X beyond it, - missing."""
    return [{"0": 0.0, "X": 5.0, "-": None}[sign] for sign in drawn.split()]


@pytest.mark.parametrize(
    ("of", "drawn", "missing", "ignore", "breaching", "not_breaching"),
    [
        (THREE_OF_THREE, "0 - X - X", "OK", "OK", "OK", "OK"),
        (THREE_OF_THREE, "0 - - - -", "OK", "OK", "OK", "OK"),
        (THREE_OF_THREE, "- - - - -", "INSUFFICIENT_DATA", "kept", "ALARM", "OK"),
        (THREE_OF_THREE, "0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (THREE_OF_THREE, "- - X - -", "ALARM", "kept", "ALARM", "OK"),
        (TWO_OF_THREE, "0 - X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (TWO_OF_THREE, "0 0 X 0 X", "ALARM", "ALARM", "ALARM", "ALARM"),
        (TWO_OF_THREE, "0 - X - -", "OK", "OK", "ALARM", "OK"),
        (TWO_OF_THREE, "- - - - 0", "OK", "OK", "ALARM", "OK"),
        (TWO_OF_THREE, "- - - X -", "ALARM", "kept", "ALARM", "OK"),
    ],
)
def test_every_row_of_the_documented_tables_gives_its_state(
    of: tuple[int, int], drawn: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    states: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")

    for treated, wanted in expected.items():
        alarm = Alarm(1.0, 60, *of, treat_missing_data=treated)
        for state in states:
            assert state_after(points(drawn), alarm, state) == (state if wanted == "kept" else wanted), treated


def test_a_lone_breaching_datapoint_that_is_new_keeps_the_state_where_more_are_needed() -> None:
    alarm = Alarm(1.0, 60, 3)

    assert state_after(points("- - - - X"), alarm, "INSUFFICIENT_DATA") == "INSUFFICIENT_DATA"


def series(*minutes: tuple[int, int]) -> dict[int, Sample]:
    """Return what a filter with value 1 publishes: (minute from START, matches)."""
    return {START + 60 * minute: Sample(count, float(count), 1.0, 1.0) for minute, count in minutes}


def changes(samples: dict[int, Sample], alarm: Alarm, minutes: int) -> list[tuple[float, str]]:
    found = replay_alarm(samples, alarm, START, START + 60 * minutes)
    return [((one.time - START) / 60, one.after) for one in found.transitions]


def test_one_match_fires_at_the_end_of_its_minute_and_the_alarm_goes_when_its_data_has_left_the_range() -> None:
    """The CIS alarm: Sum >= 1 of one period of five minutes; the range is three periods."""
    alarm = Alarm(1.0, 300)

    assert changes(series((10, 1)), alarm, 60) == [(11, "ALARM"), (26, "INSUFFICIENT_DATA")]


def test_a_datapoint_further_back_in_the_range_counts_before_missing_ones_are_treated() -> None:
    """From minute 16 on the newest period is missing, but the range still has one real point: the breaching one."""
    alarm = Alarm(1.0, 300, treat_missing_data="notBreaching")

    assert changes(series((10, 1)), alarm, 60) == [(1, "OK"), (11, "ALARM"), (26, "OK")]


def test_windows_slide_minute_by_minute_so_that_matches_on_both_sides_of_a_full_period_add_up() -> None:
    """At 7 the newest period is minutes 2 to 6, with both; at 10 minutes 5 to 9, with one. At 12 nothing is newer than
    the period of minutes 2 to 6, so that one counts again, and once more at 17."""
    alarm = Alarm(2.0, 300, treat_missing_data="notBreaching")

    found = changes(series((4, 1), (6, 1)), alarm, 30)

    assert found[:3] == [(1, "OK"), (7, "ALARM"), (10, "OK")]
    assert found[3:] == [(12, "ALARM"), (15, "OK"), (17, "ALARM"), (20, "OK")]


def test_two_of_three_periods_alarm_with_a_quiet_period_between() -> None:
    """The range is five minutes: the first of the two has left it at 11."""
    alarm = Alarm(3.0, 60, 3, 2, treat_missing_data="notBreaching")

    assert changes(series((5, 3), (7, 4)), alarm, 20) == [(1, "OK"), (8, "ALARM"), (11, "OK")]


def test_a_default_value_lets_the_alarm_come_back_to_ok_by_data() -> None:
    quiet = {START + 60 * minute: Sample(4, 0.0, 0.0, 0.0) for minute in range(30)}
    samples = quiet | {START + 600: Sample(5, 1.0, 0.0, 1.0)}

    assert changes(samples, Alarm(1.0, 300), 30) == [(1, "OK"), (11, "ALARM"), (16, "OK")]


def test_times_in_alarm_and_firings_are_counted_to_the_end_of_the_span() -> None:
    alarm = Alarm(1.0, 60, treat_missing_data="ignore")

    found = replay_alarm(series((5, 1)), alarm, START, START + 3600)

    assert (found.times_fired, found.seconds_in_alarm, found.final_state) == (1, 54 * 60, "ALARM")


def test_a_quiet_year_costs_no_more_than_its_matches() -> None:
    alarm = Alarm(1.0, 60)
    far = 365 * 1440

    found = replay_alarm(series((1, 1), (far - 10, 1)), alarm, START, START + 60 * far)

    assert [one.after for one in found.transitions] == ["ALARM", "INSUFFICIENT_DATA"] * 2


@pytest.mark.parametrize(
    ("statistic", "value"), [("Sum", 9.0), ("SampleCount", 3.0), ("Average", 3.0), ("Minimum", 1.5), ("Maximum", 6.0)]
)
def test_each_statistic_is_of_the_whole_period(statistic: str, value: float) -> None:
    samples = {START: Sample(2, 3.0, 1.5, 1.5), START + 60: Sample(1, 6.0, 6.0, 6.0)}
    reached = Alarm(value, 120, statistic=statistic, treat_missing_data="ignore")
    beyond = Alarm(value, 120, comparison="GreaterThanThreshold", statistic=statistic, treat_missing_data="ignore")

    assert "ALARM" in {after for _, after in changes(samples, reached, 2)}
    assert changes(samples, beyond, 2)[-1][1] == "OK"


def test_reasons_read_as_cloudwatch_writes_them() -> None:
    fired = replay_alarm(series((0, 2)), Alarm(1.0, 60), START, START + 120).transitions[0]
    of_three = replay_alarm(
        series((0, 2)), Alarm(1.0, 60, 1, 1, "GreaterThanThreshold"), START, START + 120
    ).transitions[0]
    nothing = replay_alarm({}, Alarm(1.0, 60, 2, treat_missing_data="breaching"), START, START + 120).transitions[0]

    assert fired.reason == (
        "Threshold Crossed: 1 datapoint [2.0 (14/11/23 22:20:00)] was greater than or equal to the threshold (1.0)."
    )
    assert of_three.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoint [2.0 (14/11/23 22:20:00)] was greater than the threshold "
        "(1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert nothing.reason == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as "
        "[Breaching]."
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"Period": 45},
        {"EvaluationPeriods": 0},
        {"EvaluationPeriods": 2, "DatapointsToAlarm": 3},
        {"Period": 300, "EvaluationPeriods": 289},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"Statistic": "p99"},
        {"TreatMissingData": "maybe"},
        {"ComparisonOperator": ">"},
        {"Threshold": "high"},
        {"Threshold": None},
    ],
)
def test_settings_that_put_metric_alarm_refuses_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidReplay):
        Alarm.from_wire({"Threshold": 1, **wrong})


def test_the_datapoint_that_went_furthest_is_told_with_the_end_of_its_period() -> None:
    samples = series((2, 3), (7, 5), (9, 4))

    above = replay_alarm(samples, Alarm(17.0, 60), START, START + 1200)
    below = replay_alarm(samples, Alarm(1.0, 60, comparison="LessThanThreshold"), START, START + 1200)

    assert (above.times_fired, above.extreme) == (0, (5.0, START + 60 * 8))
    assert below.extreme == (3.0, START + 60 * 3)
    assert replay_alarm({}, Alarm(17.0, 60), START, START + 1200).extreme is None
