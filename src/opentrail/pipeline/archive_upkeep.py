"""What archives' rules ask for as time goes by: old objects move to the cold folder, older ones expire.

What expires is on record, by name, before it is gone; what cannot be put on record stays. Locks and legal holds keep
objects whatever their age, and the markers that trails put first stay where they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from opentrail.clock import Clock, format_time
from opentrail.ports import Unavailable
from opentrail.ports.archives import Archive, ArchivedObject, Archives, ArchiveStore, ObjectLocked
from opentrail.ports.object_store import ObjectNotFound
from opentrail.resource.archive import is_due

EVERY_SECONDS = 600.0
"""How often the archives are gone through."""

EXPIRED_AT_ONCE = 50
"""Objects that one event says are gone: with keys of S3's longest, it stays far below an event's bound."""

BEHIND = timedelta(hours=1)
"""How far the clock may be ahead of the time that was seen to pass before an event says so, once a day."""

Record = Callable[[str, str, dict[str, Any]], Awaitable[None]]

_S3 = "s3.amazonaws.com"

_log = structlog.get_logger(__name__)


class ArchiveUpkeep:
    """Goes through the archives again and again; what fails is tried again the next time."""

    def __init__(self, archives: Archives, clock: Clock, record: Record) -> None:
        self._archives = archives
        self._clock = clock
        self._record = record
        self._told_at: datetime | None = None

    async def run(self) -> None:
        """Keep the archives' rules until cancelled."""
        while True:
            await self.run_once()
            await asyncio.sleep(EVERY_SECONDS)

    async def run_once(self) -> None:
        """Do what is due in every archive; a store that does not answer ends that archive's turn."""
        try:
            await self._tell_time()
        except Unavailable as error:
            _log.warning("what the archives' time is could not be recorded", error=str(error))
        for archive in self._archives.list():
            if archive.expire_after_days == 0 and archive.cold is None:
                continue
            try:
                await self._tend(archive, self._archives.store(archive.name))
            except (Unavailable, KeyError) as error:
                _log.warning("an archive's rules could not be kept", archive=archive.name, error=str(error))

    async def _tend(self, archive: Archive, store: ArchiveStore) -> None:
        now = self._archives.now()
        expired: list[ArchivedObject] = []
        async for found in store.describe_all():
            written_at = found.summary.modified_at
            if found.summary.key.endswith("/"):
                continue
            if is_due(written_at, archive.expire_after_days, now) and not found.lock.refusal(now):
                expired.append(found)
            elif archive.cold is not None and not found.is_cold and is_due(written_at, archive.cold.after_days, now):
                await _move(store, found.summary.key)
            if len(expired) == EXPIRED_AT_ONCE:
                await self._expire(archive, store, expired)
                expired = []
        if expired:
            await self._expire(archive, store, expired)

    async def _expire(self, archive: Archive, store: ArchiveStore, expired: list[ArchivedObject]) -> None:
        rule = {"bucketName": archive.name, "afterDays": archive.expire_after_days}
        await self._record(_S3, "ExpireObjects", {**rule, "objects": [_described(found) for found in expired]})
        kept = []
        for found in expired:
            try:
                await store.delete(found.summary.key)
            except ObjectLocked:
                kept.append(found)
            except ObjectNotFound:
                continue
        if kept:  # locked since it was looked at
            details = {**rule, "tookEffect": False, "objects": [_described(found) for found in kept]}
            await self._record(_S3, "ExpireObjects", details)

    async def _tell_time(self) -> None:
        """Put on record that the clock is ahead of what was seen to pass: objects are kept that much longer."""
        if not any(archive.lock or archive.expire_after_days for archive in self._archives.list()):
            return
        own, clock = self._archives.now(), self._clock.now()
        if clock - own < BEHIND:
            self._told_at = None
        elif self._told_at is None or abs(clock - self._told_at) >= timedelta(days=1):
            details = {
                "clock": format_time(clock),
                "archiveTime": format_time(own),
                "secondsBehind": int((clock - own).total_seconds()),
            }
            await self._record(_S3, "ArchiveTimeBehind", details)
            self._told_at = clock


async def _move(store: ArchiveStore, key: str) -> None:
    try:
        await store.move_to_cold(key)
    except ObjectNotFound:
        return


def _described(found: ArchivedObject) -> dict[str, Any]:
    summary = found.summary
    return {
        "key": summary.key,
        "versionId": found.version_id,
        "eTag": summary.etag.strip('"'),
        "sizeBytes": summary.size_bytes,
        "lastModified": format_time(summary.modified_at),
    }
