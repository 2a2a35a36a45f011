"""Who writes a table: one alone, or batches side by side, each of whose commits comes after those that were planned
before it.

```
 planned     1          2          3        each plan stands on the table and on the plans before it
 written     =====      ======     ====     side by side, outside the lock
 committed        =           =        =    one after the other; where one fails, those behind it fail too
```
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from threading import Condition

import pyarrow as pa

from opentrail.ports import Unavailable


@dataclass(slots=True, eq=False)
class BatchPlan:
    """What a batch brings as commit ``number``: which rows of each day are new (None: all), and their ids.

    A plan without rows takes no number, and waits for those before it all the same: what it has they bring.
    """

    batch: str
    number: int
    new: Mapping[date, pa.Array | None]
    ids: Mapping[date, pa.Array]
    is_void: bool = False

    @property
    def has_rows(self) -> bool:
        return any(map(len, self.ids.values()))


class Turns:
    """The turns of all who write one table."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._line: deque[BatchPlan] = deque()
        self._alone = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Write while no batch stands in line. Batches that come meanwhile wait."""
        with self._changed:
            self._alone += 1
            try:
                self._changed.wait_for(lambda: not self._line)
                yield
            finally:
                self._alone -= 1
                self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Look at what the table is while nobody commits."""
        with self._changed:
            yield

    @contextmanager
    def in_line(self, batch: str, plan: Callable[[Sequence[BatchPlan]], BatchPlan]) -> Iterator[BatchPlan]:
        """Give the plan that ``plan`` makes, knowing those before it, until it is committed or fails.

        Waits while somebody writes alone, while the same batch stands in line, and while plans in it have failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_open_to(batch))
            made = plan(tuple(self._line))
            self._line.append(made)
        try:
            yield made
        finally:
            with self._changed:
                self._fail(made)

    @contextmanager
    def first(self, plan: BatchPlan) -> Iterator[None]:
        """Commit a plan in line once all before it are; it leaves the line with that. Raises Unavailable where one of
        them failed."""
        with self._changed:
            self._changed.wait_for(lambda: plan.is_void or self._line[0] is plan)
            if plan.is_void:
                raise Unavailable("the batch before this one failed, and what of it is new is not known any more")
            yield
            self._line.popleft()
            self._changed.notify_all()

    def _fail(self, plan: BatchPlan) -> None:
        """Take a plan that was not committed out of the line; those behind it cannot be any more."""
        place = next((place for place, one in enumerate(self._line) if one is plan), None)
        if place is not None:
            del self._line[place]
            for behind in list(self._line)[place:]:
                behind.is_void = True
            self._changed.notify_all()

    def _is_open_to(self, batch: str) -> bool:
        is_free = all(one.batch != batch and not one.is_void for one in self._line)
        return is_free and not self._alone
