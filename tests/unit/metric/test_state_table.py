"""The tables of CloudWatch's documentation on missing data: every row, every way of treating it."""

import pytest

from opentrail.metric.alarm_rule import MISSING, AlarmRule, State, state_after

KEPT: State = "INSUFFICIENT_DATA"
OTHER: State = "OK"

TABLES = """
3 3 | 0 - X - X | OK | OK | OK | OK
3 3 | 0 - - - - | OK | OK | OK | OK
3 3 | - - - - - | INSUFFICIENT_DATA | keep | ALARM | OK
3 3 | 0 X X - X | ALARM | ALARM | ALARM | ALARM
3 3 | - - X - - | ALARM | keep | ALARM | OK
2 3 | 0 - X - X | ALARM | ALARM | ALARM | ALARM
2 3 | 0 0 X 0 X | ALARM | ALARM | ALARM | ALARM
2 3 | 0 - X - - | OK | OK | ALARM | OK
2 3 | - - - - 0 | OK | OK | ALARM | OK
2 3 | - - - X - | ALARM | keep | ALARM | OK
"""
"""M N | datapoints, oldest first (0 within, X beyond, - missing) | missing | ignore | breaching | notBreaching"""

COLUMNS = ("missing", "ignore", "breaching", "notBreaching")
CASES = [
    (*row.split("|")[:2], way, expected.strip())
    for row in TABLES.strip().splitlines()
    for way, expected in zip(COLUMNS, row.split("|")[2:], strict=True)
]


def test_the_tables_have_every_way_of_treating_missing_data() -> None:
    assert set(COLUMNS) == set(MISSING)
    assert len(CASES) == 40


@pytest.mark.parametrize(("numbers", "drawn", "way", "expected"), CASES)
@pytest.mark.parametrize("before", [KEPT, OTHER])
def test_documented_state(numbers: str, drawn: str, way: str, expected: str, before: State) -> None:
    needed, periods = map(int, numbers.split())
    points = [{"0": 0.0, "X": 1.0, "-": None}[mark] for mark in drawn.split()]
    rule = AlarmRule(1.0, 60, periods, needed, treat_missing_data=way)

    assert state_after(points, rule, before) == (before if expected == "keep" else expected)
