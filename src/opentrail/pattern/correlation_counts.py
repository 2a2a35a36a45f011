"""What a correlation keeps of one group, by what it counts. All are bounded by what their condition asks for.

``take`` gets an event's time, which of the correlation's rules it matched, the values counted and the oldest time that
still counts; ``count`` is the number that the condition judges.
"""

from bisect import bisect_right
from heapq import heapify, heappop, heappush
from typing import Any, Protocol


class Counter(Protocol):
    """Counts one group. ``len`` is what it keeps, in cells."""

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        """Count one event; forget what is not newer than ``oldest``."""

    def count(self) -> int:
        """Return the number that the condition judges, exact up to the bound given."""

    def first_at(self) -> float:
        """Return the time of the oldest event that counts."""

    def __len__(self) -> int: ...


class Times:
    """Events within the span: the latest ``needed`` of them, folded by time."""

    __slots__ = ("_counts", "_needed", "_times", "_total")

    def __init__(self, needed: int) -> None:
        self._needed = needed
        self._times: list[float] = []
        self._counts: list[int] = []
        self._total = 0

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        place = bisect_right(self._times, at)
        if place and self._times[place - 1] == at:
            self._counts[place - 1] += 1
        else:
            self._times.insert(place, at)
            self._counts.insert(place, 1)
        self._total += 1
        gone = bisect_right(self._times, oldest)
        left = self._total - sum(self._counts[:gone])
        while left - self._counts[gone] >= self._needed:
            left -= self._counts[gone]
            gone += 1
        if gone:
            del self._times[:gone], self._counts[:gone]
            self._total = left

    def count(self) -> int:
        return self._total

    def first_at(self) -> float:
        return self._times[0]

    def __len__(self) -> int:
        return len(self._times)


class Values:
    """Distinct values (or rules, where none are counted) within the span: the latest ``needed`` of them.

    ``_order`` is a heap over ``_latest``; an entry whose time is not the value's latest any more is stale.
    """

    __slots__ = ("_latest", "_needed", "_order")

    def __init__(self, needed: int) -> None:
        self._needed = max(1, needed)
        self._latest: dict[Any, float] = {}
        self._order: list[tuple[float, Any]] = []

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        for value in values or (rule,):
            if at > self._latest.get(value, float("-inf")):
                self._latest[value] = at
                heappush(self._order, (at, value))
        while self._order and (self._order[0][0] <= oldest or len(self._latest) > self._needed or self._is_stale()):
            if not self._is_stale():
                del self._latest[self._order[0][1]]
            heappop(self._order)
        if len(self._order) > 2 * len(self._latest) + 8:
            self._order = [(at, value) for value, at in self._latest.items()]
            heapify(self._order)

    def count(self) -> int:
        return len(self._latest)

    def first_at(self) -> float:
        return min(self._latest.values())

    def __len__(self) -> int:
        return 2 * len(self._latest)

    def _is_stale(self) -> bool:
        at, value = self._order[0]
        return self._latest.get(value) != at


class Chain:
    """Rules met in their order: for each prefix of the rules, the latest start of a chain that ends with it."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, rules: int) -> None:
        self._starts: list[float | None] = [None] * rules
        self._ends: list[float] = [0.0] * rules

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        for place, start in enumerate(self._starts):
            if start is not None and start <= oldest:
                self._starts[place] = None
        start = at if rule == 0 else self._start_before(rule, at)
        current = self._starts[rule]
        if start is not None and (current is None or start >= current):
            self._starts[rule], self._ends[rule] = start, at

    def _start_before(self, rule: int, at: float) -> float | None:
        return self._starts[rule - 1] if self._ends[rule - 1] <= at else None

    def count(self) -> int:
        """Return all of the rules when they were met in order, else how many from the first on."""
        met = [place + 1 for place, start in enumerate(self._starts) if start is not None]
        return max(met, default=0)

    def first_at(self) -> float:
        return self._starts[-1] or 0.0

    def __len__(self) -> int:
        return len(self._starts)


class Tally:
    """Events of one span, however many."""

    __slots__ = ("_first_at", "_total")

    def __init__(self) -> None:
        self._total = 0
        self._first_at = 0.0

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        self._first_at = at if not self._total else min(at, self._first_at)
        self._total += 1

    def count(self) -> int:
        return self._total

    def first_at(self) -> float:
        return self._first_at

    def __len__(self) -> int:
        return 1


class SpanCount:
    """Distinct values (or rules) of one span, up to ``bound``."""

    __slots__ = ("_bound", "_first_at", "_values")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._values: set[Any] = set()
        self._first_at = float("inf")

    def take(self, at: float, rule: int, values: tuple[str, ...], oldest: float) -> None:
        self._first_at = min(at, self._first_at)
        for value in values or (rule,):
            if len(self._values) < self._bound:
                self._values.add(value)

    def count(self) -> int:
        return len(self._values)

    def first_at(self) -> float:
        return self._first_at

    def __len__(self) -> int:
        return len(self._values)
