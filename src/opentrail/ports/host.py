"""The machine that Opentrail runs on, and whether those it talks to answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """What the disk under a folder has; a file system that makes inodes as it needs them has 0 of 0."""

    free_bytes: int
    total_bytes: int
    free_inodes: int
    total_inodes: int


class Host(Protocol):
    """Every method raises Unavailable."""

    async def disk(self) -> DiskSpace:
        """Return what the home's disk has left for us."""
        ...

    async def peer_time(self, url: str) -> datetime | None:
        """Return what time an HTTP endpoint says it is, whatever else it answers; None when it tells none."""
        ...
