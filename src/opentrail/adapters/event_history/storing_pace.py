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

TURN_AFTER_LOOKUP_SECONDS = 0.001
"""The same between one lookup and the next, where lookups come one after the other: they alternate with storing then,
and no block that they inflate waits for it."""

REST_SECONDS = 0.002
"""Between two turns, for the event loop: a batch is spread over the time in which the next one gathers."""

RESTS_SECONDS = 0.02
"""How long each pass over a batch rests in all."""

PATIENCE_SECONDS = 0.06
"""How long each pass over a batch waits for lookups in all, so that those without end only slow it down."""

PATIENCE_BEHIND_SECONDS = 0.02
"""The same while storing is behind."""

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

    def turns(self, items: Iterable[Item], *, is_behind: bool = False) -> Iterator[Item]:
        """Yield ``items``, a turn at a time: after a rest, and with no lookup under way, while patience lasts, of which
        there is less when storing ``is_behind``."""
        patience = PATIENCE_BEHIND_SECONDS if is_behind else PATIENCE_SECONDS
        rests, turn_ends = RESTS_SECONDS, 0.0
        for item in items:
            if monotonic() >= turn_ends:
                if turn_ends and rests > 0:
                    sleep(min(REST_SECONDS, rests))
                    rests -= REST_SECONDS
                turn_seconds = TURN_SECONDS if self._none_under_way.is_set() else TURN_AFTER_LOOKUP_SECONDS
                waited_from = monotonic()
                self._none_under_way.wait(patience)
                turn_began = monotonic()
                patience = max(0.0, patience - (turn_began - waited_from))
                turn_ends = turn_began + turn_seconds
            yield item
