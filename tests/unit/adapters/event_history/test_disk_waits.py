"""A step is slow when it waited for the disk, not when it waited for the interpreter."""

import pytest

from opentrail.adapters.event_history import disk_waits
from opentrail.adapters.event_history.disk_waits import DiskWaits


class Machine:
    """A clock and a count of pages fetched from the disk, both moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.pages = 0.0, 5
        monkeypatch.setattr(disk_waits, "perf_counter", lambda: self.now)
        monkeypatch.setattr(disk_waits, "_pages_waited_for", lambda: self.pages)


@pytest.mark.parametrize(
    ("seconds", "pages", "is_slow"),
    [(0.0, 0, False), (0.1, 0, False), (0.0001, 1, False), (0.001, 1, True), (0.1, 40, True)],
)
def test_a_slow_step_took_long_and_waited_for_pages(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pages: int, is_slow: bool
) -> None:
    machine = Machine(monkeypatch)
    waits = DiskWaits()
    machine.now, machine.pages = machine.now + seconds, machine.pages + pages

    assert waits.was_slow() is is_slow


def test_each_step_is_judged_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    waits = DiskWaits()
    machine.now, machine.pages = 1.0, 6
    assert waits.was_slow()

    machine.now = 2.0

    assert not waits.was_slow()


def test_the_system_counts() -> None:
    assert disk_waits._pages_waited_for() >= 0
