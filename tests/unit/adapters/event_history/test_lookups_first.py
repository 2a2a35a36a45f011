"""Storing gives way to lookups, for a bounded time."""

import threading
from collections.abc import Iterator

import pytest

from opentrail.adapters.event_history import lookups_first
from opentrail.adapters.event_history.lookups_first import PATIENCE_SECONDS, TURN_SECONDS, LookupsFirst


class Waits:
    """Stands for the signal that no lookup is under way, and for the clock: ``asked`` tells how long was waited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lookups: LookupsFirst, share: float) -> None:
        """``share`` is the part of each wait that goes by before the lookups end; at 1 they do not."""
        self.asked: list[float] = []
        self._share = share
        self._now = 1000.0
        monkeypatch.setattr(lookups_first, "monotonic", lambda: self._now)
        monkeypatch.setattr(lookups, "_none_under_way", self)

    def wait(self, seconds: float) -> bool:
        self.asked.append(seconds)
        self._now += seconds * self._share
        return self._share < 1

    def items(self, count: int, a_turn: int) -> Iterator[int]:
        """Yield items of which so many take a turn."""
        for number in range(count):
            yield number
            self._now += TURN_SECONDS / a_turn * 1.001


def test_every_item_comes_in_its_order() -> None:
    assert list(LookupsFirst().before(range(1_000))) == list(range(1_000))
    assert list(LookupsFirst().before(())) == []


def test_a_turn_begins_when_the_last_lookup_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups_first, "PATIENCE_SECONDS", 60.0)
    lookups = LookupsFirst()
    seen: list[str] = []
    storing = threading.Thread(target=lambda: seen.extend(lookups.before(["stored"])))
    with lookups.lookup():
        with lookups.lookup():
            pass
        storing.start()
        seen.append("looked up")
    storing.join(30)

    assert seen == ["looked up", "stored"]


def test_a_lookup_that_fails_is_under_way_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups_first, "PATIENCE_SECONDS", 60.0)
    lookups = LookupsFirst()
    with pytest.raises(ZeroDivisionError), lookups.lookup():
        _ = 1 / 0
    storing = threading.Thread(target=lambda: list(lookups.before(range(100))), daemon=True)
    storing.start()
    storing.join(30)

    assert not storing.is_alive()


def test_lookups_without_end_are_waited_for_as_long_as_patience_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = LookupsFirst()
    waits = Waits(monkeypatch, lookups, share=1)

    assert list(lookups.before(waits.items(40, a_turn=8))) == list(range(40))
    assert waits.asked == pytest.approx([PATIENCE_SECONDS, 0, 0, 0, 0])


def test_many_lookups_share_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups = LookupsFirst()
    waits = Waits(monkeypatch, lookups, share=0.5)

    assert list(lookups.before(waits.items(40, a_turn=8))) == list(range(40))
    assert waits.asked == pytest.approx([PATIENCE_SECONDS / 2**turn for turn in range(5)])


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    first = next(LookupsFirst().before(items()))

    assert first == 0
    assert taken == [0]
