"""What archives of event buses hold, and the replays of it. All methods are durable on return and raise Unavailable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.resource.event_archive import EventReplay

Place = tuple[int, int]
"""Where an event is in its archive: its time in whole seconds, then its number in the order of arrival."""


@dataclass(frozen=True, slots=True)
class ArchivedEvent:
    """One event. ``event_id`` is unique in its archive; ``at`` the event's time, ``kept_at`` when it came, both in
    seconds."""

    event_id: str
    at: int
    kept_at: int
    event: bytes


@dataclass(frozen=True, slots=True)
class ArchiveSize:
    """How many events an archive holds, and the bytes of their JSON."""

    events: int = 0
    size_bytes: int = 0


class EventArchiveStore(Protocol):
    """The events of archives, by the archive's id. An archive of which nothing was kept is empty."""

    async def keep(self, archive_id: str, event: ArchivedEvent) -> None:
        """Keep an event; one whose id is there already is not kept again."""
        ...

    async def read(
        self, archive_id: str, start: int, end: int, after: Place | None, limit: int
    ) -> Sequence[tuple[Place, bytes]]:
        """Return at most ``limit`` events with ``start`` <= time < ``end``, by place, those past ``after`` alone."""
        ...

    async def size(self, archive_id: str) -> ArchiveSize: ...

    async def expire(self, archive_id: str, before: int) -> None:
        """Drop what came before a second."""
        ...

    async def delete(self, archive_id: str) -> None:
        """Drop an archive with all its events, if it is there."""
        ...

    async def unchanged_since(self, moment: datetime) -> Sequence[str]:
        """Return the ids of archives that got nothing since ``moment``."""
        ...


class EventReplays(Protocol):
    """Replays, by ARN."""

    async def get(self, arn: str) -> EventReplay | None: ...

    async def all(self, account_id: str, region: str) -> Sequence[EventReplay]:
        """Return the replays of account and Region, by name."""
        ...

    async def under_way(self) -> Sequence[EventReplay]:
        """Return the replays, of whatever account, that have not ended."""
        ...

    async def put(self, replay: EventReplay) -> None:
        """Keep a replay in place of the one of its ARN."""
        ...

    async def advance(self, before: EventReplay, after: EventReplay) -> bool:
        """Put ``after`` if the replay still is ``before``; say whether it was."""
        ...

    async def forget(self, ended_before: datetime) -> None:
        """Drop the replays that ended before a time."""
        ...

    def watch(self, on_put: Callable[[], None]) -> None:
        """Have ``on_put`` called after every put."""
        ...
