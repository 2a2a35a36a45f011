"""A bounded memory of what was read last."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """Up to ``size`` values, each for up to ``seconds``; the one not used for longest makes room.

    A value read while changes were made elsewhere must not be put: ``put`` takes the count of ``changes`` from before
    the read and drops the value when it has moved on.
    """

    def __init__(self, size: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._size = size
        self._seconds = seconds
        self._monotonic = monotonic
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self.changes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> tuple[V] | None:
        """Return the value in a tuple (it may itself be None), or None when there is none that is fresh."""
        found = self._values.get(key)
        if found is None:
            return None
        if found[0] <= self._monotonic():
            del self._values[key]
            return None
        self._values.move_to_end(key)
        return (found[1],)

    def put(self, key: K, value: V, changes: int) -> None:
        if changes != self.changes:
            return
        self._values[key] = (self._monotonic() + self._seconds, value)
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        """Drop one value."""
        self.changes += 1
        self._values.pop(key, None)

    def forget_all(self, is_meant: Callable[[K], bool] = lambda _: True) -> None:
        """Drop the values whose key is meant."""
        self.changes += 1
        for key in [key for key in self._values if is_meant(key)]:
            del self._values[key]
