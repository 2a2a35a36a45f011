"""The log store in the home folder: a folder for each group, in it a SQLite file for each UTC day of its events.

One thread writes; appends that wait for it are committed together, one transaction for each file that they touch. A day
expires by unlinking its file, a group by removing its folder. Format: docs/formats/log-groups.md.
"""

import asyncio
import base64
import os
import shutil
import sqlite3
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.adapters.log_store import day_file
from opentrail.adapters.log_store.data_keys import DataKey, DataKeys, KeptKey
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import KeyRing
from opentrail.ports.log_store import (
    AFTER_ALL,
    EVENT_OVERHEAD_BYTES,
    MAX_PAGE_BYTES,
    MAX_PAGE_EVENTS,
    LogEvent,
    LogKey,
    LogRange,
    StoredEvent,
    StreamFigures,
)
from opentrail.ports.query_engine import RowSource
from opentrail.resource.log_group import day_of

MAX_OPEN_FILES = 32
"""Day files that are held open for writing; those written longest ago are closed first."""

MAX_WAITING = 1_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Appends that wait for the writer; more are refused as Unavailable."""

MAX_KNOWN_GROUPS = 1_000
"""Groups whose figures are held in memory; they are read from the files again for those beyond."""

READER_THREADS = 2
MAX_WORK_WAITING = 1_000
"""Other work that waits for a thread; more is refused as Unavailable."""

_SUFFIX = ".sqlite"

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Append:
    group_id: str
    reader: str
    key: DataKey | None
    events: Sequence[LogEvent]
    size_bytes: int
    done: "Future[None]"


class LocalLogStore:
    """Implements LogStore and LogRows below ``folder``; one process owns it. Groups' KMS keys are those of ``keys``."""

    def __init__(self, folder: Path, keys: KeyRing | None = None) -> None:
        self._folder = folder
        self._data_keys = DataKeys(keys)
        self._writer = ThreadPoolExecutor(1, "log-writer")
        self._readers = ThreadPoolExecutor(READER_THREADS, "log-reader")
        self._open: OrderedDict[Path, sqlite3.Connection] = OrderedDict()
        self._figures: OrderedDict[str, dict[str, StreamFigures]] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting: list[_Append] = []
        self._waiting_bytes = 0
        self._work = 0
        self._on_stored: Callable[[str, Collection[date]], None] = lambda group_id, days: None

    async def append(
        self, group_id: str, events: Sequence[LogEvent], *, reader: str = "", key: LogKey | None = None
    ) -> None:
        if not events:
            return
        size_bytes = sum(event.size_bytes for event in events)
        data_key = await self._data_keys.for_events(group_id, key, len(events)) if key is not None else None
        append = _Append(group_id, reader, data_key, events, size_bytes, Future())
        with self._lock:
            if len(self._waiting) >= MAX_WAITING or self._waiting_bytes + size_bytes > MAX_WAITING_BYTES:
                raise Unavailable("too many log events wait to be stored")
            self._waiting.append(append)
            self._waiting_bytes += size_bytes
        self._submit(self._store_waiting)
        await asyncio.wrap_future(append.done)
        self._on_stored(group_id, {day_of(event.timestamp) for event in events})

    def watch(self, on_stored: Callable[[str, Collection[date]], None]) -> None:
        self._on_stored = on_stored

    async def arrived(self, group_id: str, day: date, after: int, since: int, limit: int) -> Sequence[StoredEvent]:
        return await self._data_keys.reading(
            lambda opened: self._reading(lambda: self._arrived(group_id, day, after, since, limit, opened))
        )

    async def days(self, group_id: str) -> Sequence[date]:
        return await self._reading(lambda: self._days(group_id))

    async def read(self, log_range: LogRange, limit: int, *, is_newest_first: bool = False) -> Sequence[StoredEvent]:
        wanted = min(limit, MAX_PAGE_EVENTS)
        return await self._data_keys.reading(
            lambda opened: self._reading(lambda: self._read(log_range, wanted, is_newest_first, opened))
        )

    async def figures(self, group_id: str) -> Mapping[str, StreamFigures]:
        return await self._writing(lambda: dict(self._known_figures(group_id)))

    async def remove_stream(self, group_id: str, stream_id: str) -> None:
        await self._writing(lambda: self._remove_stream(group_id, stream_id))

    async def remove(self, group_id: str) -> None:
        await self._writing(lambda: self._remove(group_id))

    async def expire(self, group_id: str, before: date) -> int:
        return await self._writing(lambda: self._expire(group_id, before))

    async def group_ids(self) -> Sequence[str]:
        return await self._reading(lambda: sorted(path.name for path in self._folder.glob("*") if path.is_dir()))

    async def rows(self, log_range: LogRange, constants: tuple[str, ...], named: Mapping[str, str]) -> RowSource:
        files, kept = await self._reading(lambda: self._files(log_range))
        opened = await self._data_keys.opened(kept)
        keys = {key_id.hex(): base64.b64encode(plaintext).decode() for key_id, plaintext in opened.items()}
        sealed_by = (base64.b64encode(kept[-1].blob).decode(), kept[-1].group_arn) if kept else None
        return RowSource(files, day_file.ROWS, (log_range.start, log_range.end), constants, named, keys, sealed_by)

    def _files(self, log_range: LogRange) -> tuple[tuple[str, ...], list[KeptKey]]:
        """Return the files of a range, and the keys of their sealed messages."""
        last = min(log_range.end, AFTER_ALL.timestamp)
        days = [day for day in self._days(log_range.group_id) if _overlaps(day, log_range.start, last)]
        paths = [self._path(log_range.group_id, day) for day in days]
        kept: dict[bytes, KeptKey] = {}
        for path in paths:
            with suppress(FileNotFoundError), closing(_opened_for_reading(path)) as connection:
                kept |= day_file.data_keys(connection)
        return tuple(map(str, paths)), list(kept.values())

    async def close(self) -> None:
        """Finish what was begun and close the files."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        while self._open:
            self._open.popitem()[1].close()

    def _store_waiting(self) -> None:
        """Store everything that waits; in the writer's thread."""
        with self._lock:
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        appends = [append for append in waiting if append.done.set_running_or_notify_cancel()]
        by_file: defaultdict[tuple[str, date], list[tuple[_Append, list[LogEvent]]]] = defaultdict(list)
        for append in appends:
            by_day: defaultdict[date, list[LogEvent]] = defaultdict(list)
            for event in append.events:
                by_day[day_of(event.timestamp)].append(event)
            for day, events in by_day.items():
                by_file[append.group_id, day].append((append, events))
        failed: dict[int, Exception] = {}
        for (group_id, day), parts in by_file.items():
            try:
                self._store(group_id, day, parts)
            except (sqlite3.Error, OSError) as error:
                failed |= {id(append): error for append, _ in parts}
        for append in appends:
            cause = failed.get(id(append))
            if cause is None:
                append.done.set_result(None)
            else:
                append.done.set_exception(_unavailable(cause))

    def _store(self, group_id: str, day: date, parts: Sequence[tuple[_Append, list[LogEvent]]]) -> None:
        path = self._path(group_id, day)
        connection = self._open_file(path)
        try:
            added = day_file.store(connection, [(append.reader, append.key, events) for append, events in parts])
        except sqlite3.Error:
            self._close_file(path)
            self._figures.pop(group_id, None)
            raise
        if group_id in self._figures:
            day_file.add_figures(self._figures[group_id], added)

    def _path(self, group_id: str, day: date) -> Path:
        return self._folder / group_id / f"{day.isoformat()}{_SUFFIX}"

    def _open_file(self, path: Path) -> sqlite3.Connection:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            _sync(path.parent.parent)
        self._open[path] = day_file.open_for_writing(path)
        while len(self._open) > MAX_OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        return self._open[path]

    def _close_file(self, path: Path) -> None:
        connection = self._open.pop(path, None)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _days(self, group_id: str) -> list[date]:
        found = []
        for path in (self._folder / group_id).glob(f"*{_SUFFIX}"):
            with suppress(ValueError):
                found.append(date.fromisoformat(path.name.removesuffix(_SUFFIX)))
        return sorted(found)

    def _read(
        self, log_range: LogRange, limit: int, is_newest_first: bool, opened: Mapping[bytes, AESGCM]
    ) -> list[StoredEvent]:
        first, last = max(0, log_range.start, log_range.after.timestamp), min(log_range.end, log_range.before.timestamp)
        days = [day for day in self._days(log_range.group_id) if _overlaps(day, first, last)]
        page: list[StoredEvent] = []
        size_bytes = 0
        for event in self._events(log_range, days, is_newest_first, opened):
            size_bytes += len(event.message.encode(errors="surrogatepass")) + EVENT_OVERHEAD_BYTES
            if page and size_bytes > MAX_PAGE_BYTES:
                return page
            page.append(event)
            if len(page) == limit:
                return page
        return page

    def _arrived(
        self, group_id: str, day: date, after: int, since: int, limit: int, opened: Mapping[bytes, AESGCM]
    ) -> list[StoredEvent]:
        path = self._path(group_id, day)
        if not path.exists():
            return []
        page: list[StoredEvent] = []
        size_bytes = 0
        with closing(day_file.open_for_reading(path)) as connection:
            for event in day_file.arrived(connection, after, since, limit, opened):
                page.append(event)
                size_bytes += len(event.message)
                if size_bytes > MAX_PAGE_BYTES:
                    break
        return page

    def _events(
        self, log_range: LogRange, days: Sequence[date], is_newest_first: bool, opened: Mapping[bytes, AESGCM]
    ) -> Iterator[StoredEvent]:
        for day in reversed(days) if is_newest_first else days:
            try:
                connection = _opened_for_reading(self._path(log_range.group_id, day))
            except FileNotFoundError:
                continue  # it expired meanwhile
            with closing(connection):
                yield from day_file.read(connection, log_range, opened, is_newest_first=is_newest_first)

    def _known_figures(self, group_id: str) -> dict[str, StreamFigures]:
        if group_id in self._figures:
            self._figures.move_to_end(group_id)
            return self._figures[group_id]
        found: dict[str, StreamFigures] = {}
        for day in self._days(group_id):
            with closing(day_file.open_for_reading(self._path(group_id, day))) as connection:
                day_file.add_figures(found, day_file.figures(connection))
        self._figures[group_id] = found
        while len(self._figures) > MAX_KNOWN_GROUPS:
            self._figures.popitem(last=False)
        return found

    def _remove_stream(self, group_id: str, stream_id: str) -> None:
        self._figures.pop(group_id, None)
        for day in self._days(group_id):
            day_file.remove_stream(self._open_file(self._path(group_id, day)), stream_id)

    def _remove(self, group_id: str) -> None:
        self._figures.pop(group_id, None)
        folder = self._folder / group_id
        for path in [path for path in self._open if path.parent == folder]:
            self._close_file(path)
        if folder.exists():
            shutil.rmtree(folder)

    def _expire(self, group_id: str, before: date) -> int:
        for left in (self._folder / group_id).glob(f"*{_SUFFIX}{day_file.UNFINISHED}"):
            day_file.remove(left)  # a kill left it: this thread makes them
        days = [day for day in self._days(group_id) if day < before]
        for day in days:
            path = self._path(group_id, day)
            self._close_file(path)
            day_file.remove(path)
        if days:
            self._figures.pop(group_id, None)
        return len(days)

    async def _writing(self, work: Callable[[], _Result]) -> _Result:
        with self._counted():
            return await asyncio.wrap_future(self._submit(lambda: _translated(work)))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._work >= MAX_WORK_WAITING:
            raise Unavailable("too many requests wait for the log store")
        self._work += 1
        try:
            yield
        finally:
            self._work -= 1

    def _submit(self, work: Callable[[], _Result]) -> "Future[_Result]":
        try:
            return self._writer.submit(work)
        except RuntimeError as error:
            raise Unavailable("the log store is closed") from error

    async def _reading(self, work: Callable[[], _Result]) -> _Result:
        with self._counted():
            try:
                reading = asyncio.get_running_loop().run_in_executor(self._readers, lambda: _translated(work))
            except RuntimeError as error:
                raise Unavailable("the log store is closed") from error
            return await reading


def _opened_for_reading(path: Path) -> sqlite3.Connection:
    """Open a day's file; raises FileNotFoundError when it expired meanwhile."""
    try:
        return day_file.open_for_reading(path)
    except sqlite3.OperationalError as error:
        if path.exists():
            raise
        raise FileNotFoundError(path) from error


_DAY = 86_400_000


def _begins(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY


def _overlaps(day: date, first: int, last: int) -> bool:
    """Say whether a day has any of the timestamps from ``first`` to ``last``, both included."""
    return _begins(day) <= last and _begins(day) + _DAY > first


def _translated(work: Callable[[], _Result]) -> _Result:
    try:
        return work()
    except (sqlite3.Error, OSError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the log store failed: {error}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
