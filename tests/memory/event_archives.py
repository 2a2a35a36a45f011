"""Archives of event buses and replays in memory, for tests of what stands on them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from opentrail.ports.event_archives import ArchivedEvent, ArchiveSize, Place
from opentrail.resource.event_archive import ENDED, EventReplay


class InMemoryEventArchives:
    """Behaves as the port says."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, tuple[int, ArchivedEvent]]] = {}
        self._number = 0

    async def keep(self, archive_id: str, event: ArchivedEvent) -> None:
        self._number += 1
        self.held.setdefault(archive_id, {}).setdefault(event.event_id, (self._number, event))

    async def read(
        self, archive_id: str, start: int, end: int, after: Place | None, limit: int
    ) -> Sequence[tuple[Place, bytes]]:
        found = [((each.at, number), each.event) for number, each in self.held.get(archive_id, {}).values()]
        wanted = [each for each in found if start <= each[0][0] < end and (after is None or each[0] > after)]
        return sorted(wanted)[:limit]

    async def size(self, archive_id: str) -> ArchiveSize:
        events = [each.event for _, each in self.held.get(archive_id, {}).values()]
        return ArchiveSize(len(events), sum(map(len, events)))

    async def expire(self, archive_id: str, before: int) -> None:
        held = self.held.get(archive_id, {})
        for event_id in [event_id for event_id, (_, each) in held.items() if each.kept_at < before]:
            del held[event_id]

    async def delete(self, archive_id: str) -> None:
        self.held.pop(archive_id, None)

    async def unchanged_since(self, moment: datetime) -> Sequence[str]:
        newest = {name: max((each.kept_at for _, each in held.values()), default=0) for name, held in self.held.items()}
        return [name for name, kept_at in newest.items() if kept_at < moment.timestamp()]


class InMemoryEventReplays:
    """Behaves as the port says."""

    def __init__(self) -> None:
        self._held: dict[str, EventReplay] = {}
        self._on_put: Callable[[], None] = lambda: None

    async def get(self, arn: str) -> EventReplay | None:
        return self._held.get(arn)

    async def all(self, account_id: str, region: str) -> Sequence[EventReplay]:
        found = [each for each in self._held.values() if (each.account_id, each.region) == (account_id, region)]
        return sorted(found, key=lambda each: each.name)

    async def under_way(self) -> Sequence[EventReplay]:
        return [each for _, each in sorted(self._held.items()) if each.state not in ENDED]

    async def put(self, replay: EventReplay) -> None:
        self._held[replay.arn] = replay
        self._on_put()

    async def advance(self, before: EventReplay, after: EventReplay) -> bool:
        if self._held.get(before.arn) != before:
            return False
        self._held[before.arn] = after
        return True

    async def forget(self, ended_before: datetime) -> None:
        for replay in list(self._held.values()):
            if replay.ended_at is not None and replay.ended_at < ended_before:
                del self._held[replay.arn]

    def watch(self, on_put: Callable[[], None]) -> None:
        self._on_put = on_put
