"""A reader's delay is told from its position: the seconds never too short, the entries never too few."""

import pytest

from opentrail.pipeline import append_marks
from opentrail.pipeline.append_marks import MARK_SECONDS, NO_LAG, AppendMarks
from opentrail.ports.journal import START, Position


class HandSeconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def at(number: int) -> Position:
    return Position(f"{number:09}")


def test_a_reader_at_the_head_has_no_lag() -> None:
    clock = HandSeconds()
    marks = AppendMarks(at(5), clock=clock)
    clock.now += 60

    assert marks.lag(at(5)) == NO_LAG

    marks.add(at(8), 3)
    assert marks.lag(at(8)) == NO_LAG


def test_lag_is_the_age_of_the_first_entry_past_the_position_and_how_many_there_are() -> None:
    clock = HandSeconds()
    marks = AppendMarks(at(0), clock=clock)
    for number in range(1, 5):
        clock.now += 10
        marks.add(at(number), 1)
    clock.now += 1

    lag = marks.lag(at(2))

    assert lag.entries == 2
    assert lag.seconds == pytest.approx(11)


def test_appends_within_one_mark_are_told_as_old_as_its_first() -> None:
    clock = HandSeconds()
    marks = AppendMarks(at(0), clock=clock)
    marks.add(at(1), 1)
    clock.now += MARK_SECONDS / 2
    marks.add(at(2), 1)

    lag = marks.lag(at(1))

    assert lag.entries == 2
    assert lag.seconds == pytest.approx(MARK_SECONDS / 2)


def test_what_an_earlier_process_left_unread_is_as_old_as_its_last_commit() -> None:
    marks = AppendMarks(at(7), idle_seconds=3_600, clock=HandSeconds())

    assert marks.lag(START).seconds == pytest.approx(3_600)


def test_a_long_outage_is_told_from_few_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_marks, "MAX_MARKS", 8)
    clock = HandSeconds()
    marks = AppendMarks(at(0), clock=clock)
    for number in range(1, 1_001):
        clock.now += 1
        marks.add(at(number), 1)

    lag = marks.lag(at(0))

    assert lag.entries == 1_000
    assert lag.seconds == pytest.approx(999)
    assert marks.lag(at(1_000)) == NO_LAG
    assert len(marks._marks) <= 9
    middle = marks.lag(at(500))
    assert middle.entries >= 500
    assert middle.seconds >= 499
