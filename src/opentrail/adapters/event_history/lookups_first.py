"""Lets lookups go before what is not urgent.

Threads share the interpreter's lock. A lookup gives it up for every block that it inflates, and beside a thread that
computes it waits each time until that one's turn is over: 20 blocks that take 0.6 ms cost 5 ms then. Storing waits
instead, a bounded time for each batch, because whoever asks is waiting and whoever stores is not.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from time import monotonic
from typing import TypeVar

PATIENCE_SECONDS = 0.02
"""How long each pass over a batch waits in all, so that lookups without end only slow storing down."""

TURN_SECONDS = 0.0005
"""How long storing goes on before it looks for lookups again: what it may add to one that begins meanwhile."""

Item = TypeVar("Item")


class LookupsFirst:
    """Knows whether lookups are under way. Safe for threads."""

    def __init__(self) -> None:
        self._changing = Lock()
        self._under_way = 0
        self._none_under_way = Event()
        self._none_under_way.set()

    @contextmanager
    def lookup(self) -> Iterator[None]:
        """Be a lookup under way inside the context."""
        with self._changing:
            self._under_way += 1
            self._none_under_way.clear()
        try:
            yield
        finally:
            with self._changing:
                self._under_way -= 1
                if not self._under_way:
                    self._none_under_way.set()

    def before(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield ``items``, a turn at a time: before each no lookup is under way, or PATIENCE_SECONDS were waited."""
        patience, turn_ends = PATIENCE_SECONDS, 0.0
        for item in items:
            now = monotonic()
            if now >= turn_ends:
                self._none_under_way.wait(patience)
                turn_began = monotonic()
                patience = max(0.0, patience - (turn_began - now))
                turn_ends = turn_began + TURN_SECONDS
            yield item
