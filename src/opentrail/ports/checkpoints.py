"""What one who follows a source is done with."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol


class Checkpoints(Protocol):
    """The objects of one source that are done with. Durable; every method raises Unavailable."""

    async def passed_day(self) -> date | None:
        """Return the newest day that a whole look at the source had, None before the first one."""
        ...

    async def pass_day(self, day: date) -> None:
        """Note, durably, that the source was looked at as a whole, and everything is done with."""
        ...

    async def unknown(self, keys: Sequence[str]) -> Sequence[str]:
        """Return those of ``keys`` that are not done with, in their order."""
        ...

    async def add(self, keys: Sequence[tuple[str, date | None]]) -> None:
        """Note (key, its day if it has one) of objects that are done with, durably, all or none."""
        ...

    async def forget_before(self, day: date) -> None:
        """Forget the objects of days before ``day``, which nobody will ask for again."""
        ...
