"""Guards of trails in memory."""

from collections.abc import Sequence

from opentrail.resource.trail_guard import TrailGuard


class InMemoryTrailGuards:
    """Implements TrailGuards."""

    def __init__(self) -> None:
        self.kept: dict[str, TrailGuard] = {}

    async def all(self) -> Sequence[TrailGuard]:
        return [self.kept[arn] for arn in sorted(self.kept)]

    async def put(self, guard: TrailGuard) -> None:
        self.kept[guard.trail_arn] = TrailGuard.from_json(guard.to_json())

    async def remove(self, trail_arn: str) -> None:
        self.kept.pop(trail_arn, None)
