"""Following a bucket: what is delivered there goes into an event data store's table, minutes after it was."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import structlog

from opentrail.imports.batch import BatchReport, ObjectFault, RecordFilter, load_objects
from opentrail.imports.feeds import FedObject, Feed
from opentrail.imports.formats import Fault
from opentrail.ports import Unavailable
from opentrail.ports.lake_table import Appended, Batch, BatchTaken, LakeAppender
from opentrail.ports.object_store import AccessRefused, ObjectNotFound

QUEUE_WAIT_SECONDS = 10
READS_IN_FLIGHT = 16
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
        if not objects:
            return True
        bodies = await asyncio.gather(*(self._body(one) for one in objects))
        pairs = list(zip(objects, bodies, strict=True))
        read = tuple((one.location, body) for one, body in pairs if isinstance(body, bytes))
        done = await self._append(read)
        await self._feed.done(objects)
        self._count(objects, [ObjectFault(one.location, body) for one, body in pairs if isinstance(body, Fault)], done)
        return False

    async def _body(self, one: FedObject) -> bytes | Fault:
        async with self._reads:
            try:
                return await self._feed.read(one)
            except ObjectNotFound:
                return Fault("", "NoSuchKey", "it is not there any more")
            except AccessRefused as error:
                return Fault("", error.code, str(error))

    async def _append(self, read: tuple[tuple[str, bytes], ...]) -> Appended:
        if not read:
            return Appended(None, 0, 0, 0, 0, 0, BatchReport())
        digest = hashlib.sha256()
        for location, body in read:
            digest.update(f"{len(location.encode())} {len(body)} {location}".encode())
            digest.update(body)
        batch = Batch(
            f"follow/{digest.hexdigest()}",
            tuple(location for location, _ in read),
            partial(load_objects, read, RecordFilter()),
        )
        try:
            return await self._lake.append(self._arn, batch)
        except BatchTaken:
            return Appended(None, 0, 0, 0, 0, 0, BatchReport())

    def _count(self, objects: Sequence[FedObject], unread: Sequence[ObjectFault], done: Appended) -> None:
        report: BatchReport = done.report
        status = self.status
        status.files += len(objects)
        status.events += done.rows
        status.duplicates += done.duplicates
        status.expired += done.too_old + done.too_new
        status.failed += len(unread) + report.failed + done.unreadable
        for found in [*unread, *report.faults]:
            place = f", {found.fault.place}" if found.fault.place else ""
            said = f"{found.key}{place}: {found.fault.message} ({found.fault.error_type})"
            status.failures = [*status.failures, said][-MAX_FAILURES_KEPT:]
            _log.warning("followed_file_failed", place=said)
