"""Archives of event buses as targets of the rules that fill them, and what keeps them to their retention."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from opentrail.clock import Clock
from opentrail.ports import Unavailable
from opentrail.ports.event_archives import ArchivedEvent, EventArchiveStore, EventReplays
from opentrail.ports.event_rules import EventRules
from opentrail.ports.targets import Dispatch, TargetRefused

LOOK_SECONDS = 3600.0
"""How often what is past its retention is dropped."""

REPLAYS_KEPT = timedelta(days=90)
"""How long a replay is shown after its end."""

_ABANDONED = timedelta(hours=1)
"""A file of no archive is dropped once it got nothing for so long: a new one's may be ahead of what the API shows."""

_log = structlog.get_logger(__name__)


class OwnEventArchives:
    """Implements Targets for archives."""

    def __init__(self, event_rules: EventRules, store: EventArchiveStore, clock: Clock) -> None:
        self._event_rules = event_rules
        self._store = store
        self._clock = clock

    async def send(self, dispatch: Dispatch) -> None:
        archive = await self._event_rules.event_archive(dispatch.destination)
        if archive is None:
            raise TargetRefused("NO_RESOURCE", f"the archive {dispatch.destination} does not exist")
        now = self._clock.now()
        at = _time_of(orjson.loads(dispatch.event), now)
        kept = ArchivedEvent(dispatch.invocation_id, at, int(now.timestamp()), dispatch.event)
        await self._store.keep(archive.archive_id, kept)


class EventArchiveUpkeep:
    """Drops what is past its retention: events, files of archives that are gone, replays. ``run``, or ``tick``."""

    def __init__(self, event_rules: EventRules, store: EventArchiveStore, replays: EventReplays, clock: Clock) -> None:
        self._event_rules = event_rules
        self._store = store
        self._replays = replays
        self._clock = clock

    async def run(self) -> None:
        """Look every hour until cancelled."""
        while True:
            try:
                await self.tick()
            except Unavailable as error:
                _log.warning("archives of event buses wait for their store", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def tick(self) -> None:
        """Drop what is too old now. Raises Unavailable."""
        now = self._clock.now()
        unchanged = await self._store.unchanged_since(now - _ABANDONED)
        archives = await self._event_rules.all_event_archives()
        for archive_id in set(unchanged) - {archive.archive_id for archive in archives}:
            await self._store.delete(archive_id)
        for archive in archives:
            if archive.retention_days:
                before = now - timedelta(days=archive.retention_days)
                await self._store.expire(archive.archive_id, int(before.timestamp()))
        await self._replays.forget(now - REPLAYS_KEPT)


def _time_of(event: dict[str, Any], now: datetime) -> int:
    """Return an event's time in seconds, now's for one that has none that can be read."""
    try:
        return int(datetime.fromisoformat(event["time"]).timestamp())
    except (KeyError, TypeError, ValueError, OverflowError):
        return int(now.timestamp())
