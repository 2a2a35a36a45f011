"""When entries were appended, kept coarsely, so that a reader's delay can be told from its position alone."""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from opentrail.ports.journal import START, Position

MARK_SECONDS = 0.25
"""Appends this close together share a mark; a delay is told too long by this much at most."""

MAX_MARKS = 16_384
"""Marks kept: more than an hour at the full rate. Beyond, two neighbours become one, the older delays coarser."""


@dataclass(slots=True)
class _Mark:
    """The appends from ``began`` (seconds of the clock) on: through ``position``, ``total`` entries since the start."""

    began: float
    position: Position
    total: int


@dataclass(frozen=True, slots=True)
class Lag:
    """What lies past a position: how many entries at most, and for how many seconds the oldest has been there."""

    entries: int
    seconds: float


NO_LAG = Lag(0, 0.0)


class AppendMarks:
    """The appends of this process, told one by one in the order of their commits.

    What an earlier process appended counts as one mark of no known size: of a reader that is still behind the
    journal's head at the start, the seconds are right and the entries are those since the start, too few.
    """

    def __init__(
        self, head: Position = START, *, idle_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``head`` is the journal's at the start, last appended to ``idle_seconds`` ago."""
        self._clock = clock
        self._marks = [_Mark(clock() - idle_seconds, head, 0)]

    def add(self, position: Position, entries: int) -> None:
        """Note that ``entries`` were appended just now, the last one at ``position``."""
        now, last = self._clock(), self._marks[-1]
        if len(self._marks) > 1 and now - last.began < MARK_SECONDS:
            last.position = max(last.position, position)
            last.total += entries
            return
        self._marks.append(_Mark(now, max(last.position, position), last.total + entries))
        if len(self._marks) > MAX_MARKS:
            self._thin()

    def lag(self, position: Position) -> Lag:
        """Return what lies past ``position``."""
        index = bisect_right(self._marks, position, key=lambda mark: mark.position)
        if index == len(self._marks):
            return NO_LAG
        passed = self._marks[index - 1].total if index else 0
        return Lag(self._marks[-1].total - passed, max(0.0, self._clock() - self._marks[index].began))

    def _thin(self) -> None:
        first, *others = self._marks
        pairs = zip(others[::2], others[1::2], strict=False)
        kept = [_Mark(older.began, newer.position, newer.total) for older, newer in pairs]
        self._marks = [first, *kept, *(others[-1:] if len(others) % 2 else [])]
