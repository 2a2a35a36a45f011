"""Following a bucket: what is delivered there goes into an event data store's table, minutes after it was."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import structlog

from opentrail.imports.batch import BatchReport, ObjectFault, RecordFilter, load_objects
from opentrail.imports.feeds import FedObject, Feed
from opentrail.imports.formats import Fault
from opentrail.imports.inflation import INFLATED_LIMIT_BYTES, expected_size, stated_size
from opentrail.ports import Unavailable
from opentrail.ports.lake_table import Appended, Batch, BatchTaken, LakeAppender
from opentrail.ports.object_store import AccessRefused, BucketNotFound, ObjectNotFound

QUEUE_WAIT_SECONDS = 10
READS_IN_FLIGHT = 16
READ_BYTES = 16 * 1024 * 1024
"""What is read at a time, as it lies at the source; an object of unknown size counts for a READS_IN_FLIGHTth."""

BATCH_PLAIN_BYTES = 56 * 1024 * 1024
"""What the files of one batch say that they inflate to, together, at most; a larger one is a batch of its own."""

RETRY_SECONDS = 15.0
"""How long a source or table that does not answer is left alone."""

MAX_FAILURES_KEPT = 100

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FollowStatus:
    """What a follow did since it began; ``failures`` are the newest ones, in words. ``error`` says what it waits for,
    "" when it is well."""

    files: int = 0
    events: int = 0
    duplicates: int = 0
    expired: int = 0
    failed: int = 0
    looks: int = 0
    is_up_to_date: bool = False
    error: str = ""
    failures: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


class Follower:
    """Takes from a feed and appends to one store, until cancelled. What cannot be read counts as done with: it is
    named in ``status`` and in the log, and the rest goes on."""

    def __init__(self, feed: Feed, lake: LakeAppender, arn: str, poll_seconds: float) -> None:
        self._feed = feed
        self._lake = lake
        self._arn = arn
        self._poll_seconds = poll_seconds
        self._reads = asyncio.Semaphore(READS_IN_FLIGHT)
        self.status = FollowStatus()

    async def run(self) -> None:
        """Follow, whatever happens to source and table in between."""
        while True:
            try:
                is_idle = await self.step()
                self.status.error = ""
            except Unavailable as error:
                self.status.error = str(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.status.is_up_to_date = is_idle
            if is_idle:
                await asyncio.sleep(self._poll_seconds)

    async def step(self) -> bool:
        """Take what the feed gives next; return True when that was nothing. Raises what the ports raise."""
        objects = await self._feed.next(QUEUE_WAIT_SECONDS)
        self.status.looks += 1
        for together in _read_at_once(objects):
            await self._take(together)
        return not objects

    async def _take(self, objects: Sequence[FedObject]) -> None:
        bodies = await asyncio.gather(*(self._body(one) for one in objects))
        pairs = list(zip(objects, bodies, strict=True))
        read = [(one.location, body) for one, body in pairs if isinstance(body, bytes)]
        reports = [await self._append(batch) for batch in _batches(read)]
        await self._feed.done(objects)
        self.status.files += len(objects)
        self._note([ObjectFault(one.location, body) for one, body in pairs if isinstance(body, Fault)])
        for done in reports:
            self._count(done)

    async def _body(self, one: FedObject) -> bytes | Fault:
        if one.size_bytes > INFLATED_LIMIT_BYTES:
            return Fault("", "ObjectTooLarge", f"it has {one.size_bytes} bytes, more than {INFLATED_LIMIT_BYTES}")
        async with self._reads:
            try:
                return await self._feed.read(one)
            except BucketNotFound:
                return Fault("", "NoSuchBucket", "there is no such bucket")
            except ObjectNotFound:
                return Fault("", "NoSuchKey", "it is not there any more")
            except AccessRefused as error:
                return Fault("", error.code, str(error))

    async def _append(self, read: tuple[tuple[str, bytes], ...]) -> Appended:
        digest = hashlib.sha256()
        for location, body in read:
            digest.update(f"{len(location.encode())} {len(body)} {location}".encode())
            digest.update(body)
        batch = Batch(
            f"follow/{digest.hexdigest()}",
            tuple(location for location, _ in read),
            partial(load_objects, read, RecordFilter()),
            expected_size(body for _, body in read),
        )
        try:
            return await self._lake.append(self._arn, batch)
        except BatchTaken:
            return Appended(None, 0, 0, 0, 0, 0, BatchReport())

    def _count(self, done: Appended) -> None:
        report: BatchReport = done.report
        self.status.events += done.rows
        self.status.duplicates += done.duplicates
        self.status.expired += done.too_old + done.too_new
        self.status.failed += report.failed - len(report.faults) + done.unreadable
        self._note(report.faults)

    def _note(self, faults: Sequence[ObjectFault]) -> None:
        self.status.failed += len(faults)
        for found in faults:
            place = f", {found.fault.place}" if found.fault.place else ""
            said = f"{found.key}{place}: {found.fault.message} ({found.fault.error_type})"
            self.status.failures = [*self.status.failures, said][-MAX_FAILURES_KEPT:]
            _log.warning("followed_file_failed", place=said)


def _read_at_once(objects: Sequence[FedObject]) -> Iterator[Sequence[FedObject]]:
    """Part what a feed gave, in its order, into what fits READ_BYTES, or is one object."""
    together: list[FedObject] = []
    size = 0
    for one in objects:
        its_size = one.size_bytes or READ_BYTES // READS_IN_FLIGHT
        if together and size + its_size > READ_BYTES:
            yield together
            together, size = [], 0
        together.append(one)
        size += its_size
    if together:
        yield together


def _batches(read: Sequence[tuple[str, bytes]]) -> Iterator[tuple[tuple[str, bytes], ...]]:
    """Part files, in their order, into what says to inflate within BATCH_PLAIN_BYTES, or is one file."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    for one in read:
        its_size = stated_size(one[1])
        if batch and size + its_size > BATCH_PLAIN_BYTES:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(one)
        size += its_size
    if batch:
        yield tuple(batch)
