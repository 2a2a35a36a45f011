"""The pace of storing: in short turns, so that whoever waits for a lookup or a call goes first.

Threads share the interpreter's lock. A lookup gives it up for every block that it inflates, and a call at every step
between client, journal and upstream; beside a thread that computes, both wait each time until that one's turn is over:
20 blocks that take 0.6 ms cost 5 ms then. Storing waits instead, a bounded time for each batch, because nobody waits
for it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Lock
from time import monotonic, sleep
from typing import TypeVar

TURN_SECONDS = 0.0005
"""How long storing goes on at a stretch: what it may add to a lookup that begins meanwhile."""

REST_SECONDS = 0.002
"""Between two turns, for the event loop: a batch is spread over the time in which the next one gathers."""

PATIENCE_SECONDS = 0.02
"""How long each pass over a batch rests and waits for lookups in all, so that those without end only slow it down."""

Item = TypeVar("Item")


class StoringPace:
    """Knows whether lookups are under way, and lets storing go on when none is. Safe for threads."""

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

    def turns(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield ``items``, a turn at a time: after a rest, and with no lookup under way, while patience lasts."""
        patience, rest, turn_ends = PATIENCE_SECONDS, 0.0, 0.0
        for item in items:
            now = monotonic()
            if now >= turn_ends:
                if rest:
                    sleep(rest)
                self._none_under_way.wait(patience - rest)
                turn_began = monotonic()
                patience = max(0.0, patience - (turn_began - now))
                rest, turn_ends = min(REST_SECONDS, patience), turn_began + TURN_SECONDS
            yield item
