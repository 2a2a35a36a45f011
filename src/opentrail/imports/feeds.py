"""Feeds: log files as they are delivered, each until it is done with; for those who follow a bucket.

A feed gives every object at least once. One that is done with is not given again; one that is not, is, also to the next
process.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import structlog

from opentrail.clock import Clock
from opentrail.imports.bucket_source import BucketSource
from opentrail.imports.notices import NotANotice, delivered_objects
from opentrail.imports.selection import KeySelection, day_of_key
from opentrail.ports.checkpoints import Checkpoints
from opentrail.ports.message_queue import Message, MessageQueue
from opentrail.ports.object_store import ObjectStore

LATE_DAYS = 2
"""Days before the newest one seen in which a file may still turn up: they are listed again each time."""

FILES_AT_ONCE = 200

FileFilter = Callable[[str, str], bool]
"""Says of (bucket, key) whether a file is wanted."""


def _every_file(bucket: str, key: str) -> bool:
    return True


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FedObject:
    """One log file that a feed gives."""

    bucket: str
    key: str
    size_bytes: int = 0
    message: Message | None = None

    @property
    def location(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Feed(Protocol):
    """Every method raises Unavailable, AccessRefused and BucketNotFound beside what it names."""

    async def next(self, wait_seconds: int) -> Sequence[FedObject]:
        """Return some objects that are not done with, none when there are none now; a queue is waited for."""
        ...

    async def read(self, one: FedObject) -> bytes:
        """Return the whole object. Raises ObjectNotFound."""
        ...

    async def done(self, objects: Sequence[FedObject]) -> None:
        """Note, durably, that objects are done with."""
        ...


class ListingFeed:
    """A bucket's objects below a prefix, found by listing it: those of the newest days each time, and whatever came
    while nobody looked. Objects whose keys name no day are all remembered."""

    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        prefix: str,
        checkpoints: Checkpoints,
        clock: Clock,
        since: datetime | None = None,
        regions: tuple[str, ...] = (),
        file_filter: FileFilter | None = None,
    ) -> None:
        self._store = store
        self._file_filter = file_filter
        self._bucket = bucket
        self._prefix = prefix
        self._checkpoints = checkpoints
        self._clock = clock
        self._since = since
        self._regions = regions
        self._listing: AsyncIterator[FedObject] | None = None
        self._pending: set[str] = set()
        self._newest: date | None = None

    async def next(self, wait_seconds: int) -> Sequence[FedObject]:
        if self._listing is None:
            self._listing = await self._list()
        found: list[FedObject] = []
        async for one in self._listing:
            self._note_day(one.key)
            found.append(one)
            if len(found) == FILES_AT_ONCE:
                new = await self._unknown(found)
                if new:
                    return self._given(new)
                found = []
        self._listing = None
        new = await self._unknown(found)
        if not new and not self._pending and self._newest is not None:
            await self._checkpoints.pass_day(self._newest)
        return self._given(new)

    async def read(self, one: FedObject) -> bytes:
        return (await self._store.get(one.key)).body

    async def done(self, objects: Sequence[FedObject]) -> None:
        await self._checkpoints.add([(one.key, day_of_key(one.key)) for one in objects])
        self._pending.difference_update(one.key for one in objects)

    def _given(self, objects: Sequence[FedObject]) -> Sequence[FedObject]:
        self._pending.update(one.key for one in objects)
        return objects

    def _note_day(self, key: str) -> None:
        day = day_of_key(key)
        if day is not None and day <= self._clock.now().date() and day > (self._newest or date.min):
            self._newest = day

    async def _list(self) -> AsyncIterator[FedObject]:
        first = await self._first_day()
        if first is not None:
            await self._checkpoints.forget_before(first)
        start = datetime(first.year, first.month, first.day, tzinfo=UTC) if first is not None else None
        source = BucketSource(self._store, self._prefix, KeySelection(start=start, regions=self._regions))
        wanted = self._file_filter or _every_file
        return (
            FedObject(self._bucket, one.key, one.size_bytes)
            async for one in source.list()
            if wanted(self._bucket, one.key)
        )

    async def _first_day(self) -> date | None:
        """Return the first day to list: all before it is done with, or was not asked for."""
        passed = await self._checkpoints.passed_day()
        asked = self._since.astimezone(UTC).date() if self._since is not None else None
        if passed is None:
            return asked
        return max(passed - timedelta(days=LATE_DAYS), asked or date.min)

    async def _unknown(self, found: Sequence[FedObject]) -> list[FedObject]:
        unknown = set(await self._checkpoints.unknown([one.key for one in found]))
        return [one for one in found if one.key in unknown]


class QueueFeed:
    """The objects that a queue's messages name. A message is deleted once all that it names is done with; one that
    cannot be understood is left, so that the queue's own redrive policy puts it aside."""

    def __init__(
        self,
        queue: MessageQueue,
        open_bucket: Callable[[str], ObjectStore],
        selection: KeySelection | None = None,
        file_filter: FileFilter | None = None,
    ) -> None:
        self._queue = queue
        self._file_filter = file_filter
        self._open_bucket = open_bucket
        self._selection = selection or KeySelection()
        self._left: dict[str, int] = {}
        self.not_understood = 0

    async def next(self, wait_seconds: int) -> Sequence[FedObject]:
        found: list[FedObject] = []
        for message in await self._queue.receive(wait_seconds):
            try:
                named = delivered_objects(message.body)
            except NotANotice as error:
                self.not_understood += 1
                _log.warning("message_not_understood", message_id=message.id, reason=str(error))
                continue
            wanted = [FedObject(bucket, key, 0, message) for bucket, key in named if self._wants(bucket, key)]
            if wanted:
                self._left[message.id] = len(wanted)
                found += wanted
            else:
                await self._queue.delete(message)
        return found

    def _wants(self, bucket: str, key: str) -> bool:
        return self._selection.takes(key) and (self._file_filter is None or self._file_filter(bucket, key))

    async def read(self, one: FedObject) -> bytes:
        return (await self._open_bucket(one.bucket).get(one.key)).body

    async def done(self, objects: Sequence[FedObject]) -> None:
        for one in objects:
            assert one.message is not None
            left = self._left.get(one.message.id, 1) - 1
            self._left[one.message.id] = left
            if left <= 0:
                await self._queue.delete(one.message)
                self._left.pop(one.message.id, None)
