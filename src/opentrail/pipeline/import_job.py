"""The work of one import: list, read, judge, append, checkpoint; from where it stands to its end."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from opentrail.clock import Clock
from opentrail.imports.batch import BatchReport, ObjectFault, RecordFilter, load_objects
from opentrail.imports.formats import Fault
from opentrail.imports.inflation import expected_size, stated_size
from opentrail.ports import PortError, Unavailable
from opentrail.ports.import_log import ImportLog
from opentrail.ports.lake_table import Appended, Batch, BatchTaken, LakeAppender
from opentrail.ports.log_source import LogObject, LogSource
from opentrail.ports.object_store import AccessRefused, ObjectNotFound
from opentrail.resource.lake_import import ImportFailure, ImportStatistics, ImportStatus, LakeImport

BATCH_OBJECTS = 400
BATCH_BYTES = 12 * 1024 * 1024
"""What is read at a time, as it lies at the source."""

BATCH_PLAIN_BYTES = 56 * 1024 * 1024
"""What the objects of one batch say that they inflate to, together, at most: some 40,000 events, whose rows take a
process half a second and stay in memory that it has already. Smaller ones make more files than they save time, larger
ones keep both processes busy less evenly. A larger object is a batch of its own; what inflates to more than it says
fails at BATCH_LIMIT_BYTES."""

MAX_OBJECT_BYTES = 256 * 1024 * 1024
"""A larger object is a failure."""

MAX_FAILURES = 100_000
"""An import with more gives up."""

READS_IN_FLIGHT = 16
APPENDS_IN_FLIGHT = 3
"""Batches that are appended at a time: the lake has two processes for them."""

RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)
"""How long apart a source or table that does not answer is asked again before the import fails."""

_PAGE_FAILURES = 1_000

_Answer = TypeVar("_Answer")


class TooManyFailures(PortError):
    """More than MAX_FAILURES: the source is not what it was taken for, or may not be read."""


@dataclass(frozen=True, slots=True)
class _ReadBatch:
    """Some objects, read: ``bodies`` by key, ``faults`` of those that could not be."""

    objects: Sequence[LogObject]
    bodies: tuple[tuple[str, bytes], ...]
    faults: Sequence[ObjectFault]
    prefixes: int = 0

    def digest(self) -> str:
        """Return what tells these objects, as they were read, from all others."""
        found = hashlib.sha256()
        for key, body in self.bodies:
            found.update(f"{len(key.encode())} {len(body)} {key}".encode())
            found.update(body)
        return found.hexdigest()


class ImportJob:
    """The work of one import, from where it stands to its end. ``on_change`` is told of every step."""

    def __init__(
        self,
        lake_import: LakeImport,
        source: LogSource,
        target: LakeAppender,
        wanted: RecordFilter,
        log: ImportLog,
        clock: Clock,
        on_change: Callable[[LakeImport], None],
    ) -> None:
        self._import = lake_import
        self._source = source
        self._target = target
        self._wanted = wanted
        self._log = log
        self._clock = clock
        self._on_change = on_change
        self._reads = asyncio.Semaphore(READS_IN_FLIGHT)

    async def run(self) -> None:
        """Do all that is left to do. Raises what the ports raise, once they have been asked often enough."""
        await self._change(status=ImportStatus.IN_PROGRESS)
        if self._import.failures_at:
            await self._try_failures_again()
        counting = asyncio.create_task(self._count())
        line: asyncio.Queue[tuple[_ReadBatch, asyncio.Task[Appended]] | None] = asyncio.Queue(APPENDS_IN_FLIGHT)
        reading = asyncio.create_task(self._read_all(line))
        waiting: list[asyncio.Task[Appended]] = []
        try:
            while (item := await line.get()) is not None:
                read, appending = item
                waiting.append(appending)
                await self._settle(read, await appending)
                waiting.clear()
            await reading
            await counting
        finally:
            while not line.empty():
                left = line.get_nowait()
                waiting += [left[1]] if left is not None else []
            for task in (reading, counting, *waiting):
                task.cancel()
            await asyncio.gather(reading, counting, *waiting, return_exceptions=True)
        found = self._import.statistics
        await self._change(statistics=replace(found, prefixes_completed=found.prefixes_found))

    @property
    def _statistics(self) -> ImportStatistics:
        return self._import.statistics

    async def _change(self, **changes: object) -> None:
        changed = replace(self._import, updated_at=self._clock.now(), **changes)  # type: ignore[arg-type]
        await _patiently(lambda: self._log.store(changed))
        self._import = changed
        self._on_change(changed)

    async def _count(self) -> None:
        """List the whole source ahead of the reading, so that people are told how much is left."""
        found = ImportStatistics()
        folder = None
        async for one in self._listed(""):
            found.files_found += 1
            found.bytes_found += one.size_bytes
            if (its_folder := _folder(one.key)) != folder:
                folder = its_folder
                found.prefixes_found += 1
            if found.files_found % _COUNTED_AT_ONCE == 0:
                self._show_found(found)
        found.is_listed = True
        self._show_found(found)

    def _show_found(self, found: ImportStatistics) -> None:
        names = ("files_found", "bytes_found", "prefixes_found", "is_listed")
        counts = {name: getattr(found, name) for name in names}
        self._import = replace(self._import, statistics=replace(self._import.statistics, **counts))
        self._on_change(self._import)

    async def _listed(self, after: str) -> AsyncIterator[LogObject]:
        """List what lies behind a key. A source that does not answer on the way is asked again from where it was."""
        failed = 0
        while True:
            try:
                async for one in self._source.list(after):
                    yield one
                    after, failed = one.key, 0
            except Unavailable:
                if failed == len(RETRY_SECONDS):
                    raise
                await asyncio.sleep(RETRY_SECONDS[failed])
                failed += 1
            else:
                return

    async def _read_all(self, line: "asyncio.Queue[tuple[_ReadBatch, asyncio.Task[Appended]] | None]") -> None:
        """Read what lies behind the mark and begin to append it, in the order of the listing; None ends the line."""
        try:
            folder = _folder(self._import.mark) if self._import.mark else None
            async for objects in _batches(self._listed(self._import.mark)):
                prefixes = 0
                for one in objects:
                    if (its_folder := _folder(one.key)) != folder:
                        prefixes += folder is not None
                        folder = its_folder
                for read in _parts(await self._read(objects, prefixes)):
                    await line.put((read, asyncio.create_task(self._append(read))))
        finally:
            await line.put(None)

    async def _read(self, objects: Sequence[LogObject], prefixes: int = 0) -> _ReadBatch:
        bodies = await asyncio.gather(*(self._body(one) for one in objects))
        pairs = [(one.key, body) for one, body in zip(objects, bodies, strict=True)]
        return _ReadBatch(
            objects,
            tuple((key, body) for key, body in pairs if isinstance(body, bytes)),
            [ObjectFault(key, body) for key, body in pairs if isinstance(body, Fault)],
            prefixes,
        )

    async def _body(self, one: LogObject) -> bytes | Fault:
        """Return an object's body, or why it cannot be had."""
        if one.size_bytes > MAX_OBJECT_BYTES:
            return Fault("", "ObjectTooLarge", f"it has {one.size_bytes} bytes, more than {MAX_OBJECT_BYTES}")
        async with self._reads:
            try:
                return await _patiently(lambda: self._source.read(one.key))
            except ObjectNotFound:
                return Fault("", "NoSuchKey", "it was there when the source was listed, and is not any more")
            except AccessRefused as error:
                return Fault("", error.code, str(error))

    async def _append(self, read: _ReadBatch) -> Appended:
        """Append what was read. What a crash makes be done again adds nothing: the store has it already."""
        if not read.bodies:
            return Appended(None, 0, 0, 0, 0, 0, BatchReport())
        current = self._import
        keys = tuple(key for key, _ in read.bodies)
        batch = Batch(
            f"{current.id}/{read.digest()}",
            tuple(current.source.location(key) for key in keys),
            partial(load_objects, read.bodies, self._wanted),
            expected_size(body for _, body in read.bodies),
        )
        try:
            return await _patiently(lambda: self._target.append(current.destination, batch))
        except BatchTaken:
            # Its commit was the last thing that an earlier process did; only its numbers are missing.
            loaded = await asyncio.to_thread(batch.load)
            rows = await asyncio.to_thread(lambda: sum(1 for _ in loaded.events))
            return Appended(None, rows, 0, 0, 0, 0, loaded.report)

    async def _settle(self, read: _ReadBatch, done: Appended) -> None:
        """Note what became of a batch that is appended, and move the mark behind it."""
        report: BatchReport = done.report
        failures_at = await self._note([*read.faults, *report.faults])
        await self._change(
            mark=read.objects[-1].key, failures_at=failures_at, statistics=_counted(self._statistics, read, done)
        )

    async def _note(self, faults: Sequence[ObjectFault]) -> int:
        current = self._import
        if not faults:
            return current.failures_at
        if current.statistics.failed_entries + len(faults) > MAX_FAILURES:
            raise TooManyFailures(f"more than {MAX_FAILURES} failures: look at them, and at the source")
        rows = [self._failure(fault) for fault in faults]
        return await _patiently(
            lambda: self._log.append_failures(current.id, current.failures_file, current.failures_at, rows)
        )

    def _failure(self, found: ObjectFault) -> ImportFailure:
        fault = found.fault
        return ImportFailure(
            self._import.source.location(found.key),
            "FAILED",
            fault.error_type,
            fault.message,
            self._clock.now(),
            fault.place,
        )

    async def _try_failures_again(self) -> None:
        """Read once more what failed; keep the failures in a new file, those that are mended as SUCCEEDED."""
        before = await self._all_failures()
        failed = dict.fromkeys(one.location for one in before if one.status == "FAILED")
        objects = [LogObject(self._import.source.key_of(location), 0) for location in failed]
        still: list[ObjectFault] = []
        statistics = replace(self._statistics, failed_entries=0)
        for at in range(0, len(objects), _RETRIED_AT_ONCE):
            read = await self._read(objects[at : at + _RETRIED_AT_ONCE])
            done = await self._append(read)
            still += [*read.faults, *done.report.faults]
            counted = _counted(statistics, read, done)
            # Its objects are counted, and so is what of them was whole the first time.
            statistics = replace(
                statistics,
                events_completed=counted.events_completed,
                files_completed=statistics.files_completed,
                failed_entries=counted.failed_entries,
            )
        still_failed = {self._import.source.location(one.key) for one in still}
        now = self._clock.now()
        mended = [
            replace(one, status="SUCCEEDED", updated_at=now)
            for one in before
            if one.status == "FAILED" and one.location not in still_failed
        ]
        rows = [*(one for one in before if one.status != "FAILED"), *mended, *map(self._failure, still)]
        number = self._import.failures_file + 1
        failures_at = await _patiently(lambda: self._log.append_failures(self._import.id, number, 0, rows))
        await self._change(failures_file=number, failures_at=failures_at, statistics=statistics)

    async def _all_failures(self) -> list[ImportFailure]:
        current, found, at = self._import, list[ImportFailure](), 0
        while at < current.failures_at:
            page, at = await self._log.read_failures(
                current.id, current.failures_file, at, current.failures_at, _PAGE_FAILURES
            )
            found += page
        return found


_COUNTED_AT_ONCE = 1_000
_RETRIED_AT_ONCE = 20


def _counted(before: ImportStatistics, read: _ReadBatch, done: Appended) -> ImportStatistics:
    """Return the statistics with one more batch."""
    return replace(
        before,
        prefixes_completed=before.prefixes_completed + read.prefixes,
        files_completed=before.files_completed + len(read.bodies),
        bytes_completed=before.bytes_completed + sum(one.size_bytes for one in read.objects),
        events_completed=before.events_completed + done.rows,
        duplicates=before.duplicates + done.duplicates,
        events_outside=before.events_outside + done.report.outside,
        events_expired=before.events_expired + done.too_old + done.too_new,
        failed_entries=before.failed_entries + done.report.failed + len(read.faults) + done.unreadable,
    )


async def _batches(listing: AsyncIterator[LogObject]) -> AsyncIterator[list[LogObject]]:
    """Yield what a listing has in batches within BATCH_OBJECTS and BATCH_BYTES."""
    batch: list[LogObject] = []
    size = 0
    async for one in listing:
        if batch and (len(batch) == BATCH_OBJECTS or size + one.size_bytes > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size_bytes
    if batch:
        yield batch


def _parts(read: _ReadBatch) -> list[_ReadBatch]:
    """Return what was read in its order, in as few parts within BATCH_PLAIN_BYTES as can be, of about the same size."""
    bodies = dict(read.bodies)
    sizes = [stated_size(bodies.get(one.key, b"")) for one in read.objects]
    enough = sum(sizes) / (sum(sizes) // BATCH_PLAIN_BYTES + 1)
    parts: list[list[LogObject]] = [[]]
    size = 0
    for one, its_size in zip(read.objects, sizes, strict=True):
        if parts[-1] and (size >= enough or size + its_size > BATCH_PLAIN_BYTES):
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += its_size
    if len(parts) == 1:
        return [read]
    faults = {fault.key: fault for fault in read.faults}
    return [
        _ReadBatch(
            objects,
            tuple((one.key, bodies[one.key]) for one in objects if one.key in bodies),
            [faults[one.key] for one in objects if one.key in faults],
            read.prefixes if objects is parts[-1] else 0,
        )
        for objects in parts
    ]


def _folder(key: str) -> str:
    return key.rpartition("/")[0]


async def _patiently(work: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Do something that may be Unavailable for a while. Raises Unavailable when it stays so."""
    for seconds in RETRY_SECONDS:
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(seconds)
    return await work()
