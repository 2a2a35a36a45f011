"""Sources of log files: what an import, or one who follows, lists and reads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LogObject:
    """One file at a source. Keys have an order of their own: that in which they are listed."""

    key: str
    size_bytes: int


class LogSource(Protocol):
    """Every method raises Unavailable, AccessRefused and BucketNotFound beside what it names."""

    def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        """Yield every object that may hold log records behind ``start_after``, always in the same order."""
        ...

    async def read(self, key: str) -> bytes:
        """Return the whole object as it lies there. Raises ObjectNotFound."""
        ...
