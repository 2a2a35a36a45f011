"""Storing rests and gives way to lookups, for a bounded time."""

import threading
from collections.abc import Iterator

import pytest

from opentrail.adapters.event_history import storing_pace
from opentrail.adapters.event_history.storing_pace import (
    PATIENCE_BEHIND_SECONDS,
    PATIENCE_SECONDS,
    REST_SECONDS,
    TURN_AFTER_LOOKUP_SECONDS,
    TURN_SECONDS,
    StoringPace,
)


class Waits:
    """Stands for the signal that no lookup is under way, and for the clock: ``asked`` and ``rested`` tell for how long
    was waited, and rested, before each turn. A ``share`` of 0 says that there is no lookup."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pace: StoringPace, share: float) -> None:
        """``share`` is the part of each wait that goes by before the lookups end; at 1 they do not."""
        self.asked: list[float] = []
        self.rested: list[float] = []
        self._share = share
        self._now = 1000.0
        monkeypatch.setattr(storing_pace, "monotonic", lambda: self._now)
        monkeypatch.setattr(storing_pace, "sleep", self.sleep)
        monkeypatch.setattr(pace, "_none_under_way", self)

    def is_set(self) -> bool:
        return not self._share

    def wait(self, seconds: float) -> bool:
        self.asked.append(seconds)
        self._now += seconds * self._share
        return self._share < 1

    def sleep(self, seconds: float) -> None:
        self.rested.append(seconds)
        self._now += seconds

    def items(self, count: int, a_turn: int) -> Iterator[int]:
        """Yield items of which so many take a turn."""
        for number in range(count):
            yield number
            self._now += (TURN_AFTER_LOOKUP_SECONDS if self._share else TURN_SECONDS) / a_turn * 1.001


def test_every_item_comes_in_its_order() -> None:
    assert list(StoringPace().turns(range(1_000))) == list(range(1_000))
    assert list(StoringPace().turns(())) == []


def test_a_turn_begins_when_the_last_lookup_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_pace, "PATIENCE_SECONDS", 60.0)
    pace = StoringPace()
    seen: list[str] = []
    storing = threading.Thread(target=lambda: seen.extend(pace.turns(["stored"])))
    with pace.lookup():
        with pace.lookup():
            pass
        storing.start()
        seen.append("looked up")
    storing.join(30)

    assert seen == ["looked up", "stored"]


def test_a_lookup_that_fails_is_under_way_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_pace, "PATIENCE_SECONDS", 60.0)
    pace = StoringPace()
    with pytest.raises(ZeroDivisionError), pace.lookup():
        _ = 1 / 0
    storing = threading.Thread(target=lambda: list(pace.turns(range(100))), daemon=True)
    storing.start()
    storing.join(30)

    assert not storing.is_alive()


@pytest.mark.parametrize(("is_behind", "patience"), [(False, PATIENCE_SECONDS), (True, PATIENCE_BEHIND_SECONDS)])
def test_lookups_without_end_are_waited_for_as_long_as_patience_lasts(
    monkeypatch: pytest.MonkeyPatch, is_behind: bool, patience: float
) -> None:
    pace = StoringPace()
    waits = Waits(monkeypatch, pace, share=1)

    assert list(pace.turns(waits.items(40, a_turn=8), is_behind=is_behind)) == list(range(40))
    assert waits.asked == pytest.approx([patience, 0, 0, 0, 0], abs=1e-9)


def test_many_lookups_share_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_pace, "PATIENCE_SECONDS", 0.08)
    pace = StoringPace()
    waits = Waits(monkeypatch, pace, share=0.5)

    assert list(pace.turns(waits.items(40, a_turn=8))) == list(range(40))
    assert waits.asked == pytest.approx([0.08, 0.04, 0.02, 0.01, 0.005])


def test_storing_rests_between_turns_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_pace, "RESTS_SECONDS", 2.5 * REST_SECONDS)
    pace = StoringPace()
    waits = Waits(monkeypatch, pace, share=0)

    assert list(pace.turns(waits.items(40, a_turn=8))) == list(range(40))
    assert [each / REST_SECONDS for each in waits.rested] == pytest.approx([1, 1, 0.5])


def test_what_fits_in_a_turn_is_stored_without_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = StoringPace()
    waits = Waits(monkeypatch, pace, share=0)

    assert list(pace.turns(waits.items(7, a_turn=8))) == list(range(7))
    assert not waits.rested


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    first = next(StoringPace().turns(items()))

    assert first == 0
    assert taken == [0]
