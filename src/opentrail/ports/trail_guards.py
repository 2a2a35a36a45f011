"""The trails that are put right when somebody stops them or narrows what they record."""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.trail_guard import TrailGuard


class TrailGuards(Protocol):
    """Every method is durable on return and raises Unavailable."""

    async def all(self) -> Sequence[TrailGuard]:
        """Return every guard, by trail's ARN."""
        ...

    async def put(self, guard: TrailGuard) -> None:
        """Keep a guard in place of the one of its trail."""
        ...

    async def remove(self, trail_arn: str) -> None:
        """Remove a trail's guard; one that is not there is passed over."""
        ...
