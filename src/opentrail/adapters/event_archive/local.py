"""Each archive as one SQLite file of the home. Format: docs/formats/event-archives.md.

One thread writes; events that wait for it are committed together, an archive at a time.
"""

import asyncio
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import zstandard

from opentrail.ports import Unavailable
from opentrail.ports.event_archives import ArchivedEvent, ArchiveSize, Place

SCHEMA_VERSION = 1
MAX_WAITING = 1_000
"""Events, and other questions, that wait for a thread; more are refused as Unavailable."""

READER_THREADS = 2
MAX_OPEN = 16
"""Files that are open for writing."""

EXPIRED_AT_A_TIME = 5_000
"""Events that one transaction drops."""

MAX_EVENT_BYTES = 1024 * 1024
"""Of an event's JSON; what a bus takes is smaller."""

_SCHEMA = """
CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
    kept_at INTEGER NOT NULL, size INTEGER NOT NULL, event BLOB NOT NULL);
CREATE INDEX events_by_time ON events (at, number);
CREATE TABLE totals (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (1, 0, 0);
"""
_SUFFIX = ".sqlite"

_Result = TypeVar("_Result")


class LocalEventArchives:
    """Implements EventArchiveStore in the folder ``path``, made when need be; one process owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "event-archive-writer")
        self._readers = ThreadPoolExecutor(READER_THREADS, "event-archive-reader")
        self._open: OrderedDict[str, sqlite3.Connection] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[ArchivedEvent, Future[None]]]] = {}
        self._work = 0

    async def keep(self, archive_id: str, event: ArchivedEvent) -> None:
        done: Future[None] = Future()
        await self._run(
            self._writer, lambda: self._keep_waiting(archive_id), before=lambda: self._add(archive_id, event, done)
        )
        await asyncio.wrap_future(done)

    async def read(
        self, archive_id: str, start: int, end: int, after: Place | None, limit: int
    ) -> Sequence[tuple[Place, bytes]]:
        at, number = after or (start, 0)
        query = (
            "SELECT at, number, event FROM events WHERE (at, number) > (?, ?) AND at >= ? AND at < ? "
            "ORDER BY at, number LIMIT ?"
        )
        values = (at, number, start, end, limit)

        def work(connection: sqlite3.Connection) -> list[tuple[Place, bytes]]:
            unpack = zstandard.ZstdDecompressor()
            rows = connection.execute(query, values)
            return [((row[0], row[1]), unpack.decompress(row[2], MAX_EVENT_BYTES)) for row in rows]

        return await self._run(self._readers, lambda: self._read(archive_id, work, []))

    async def size(self, archive_id: str) -> ArchiveSize:
        def work(connection: sqlite3.Connection) -> ArchiveSize:
            return ArchiveSize(*connection.execute("SELECT events, bytes FROM totals").fetchone())

        return await self._run(self._readers, lambda: self._read(archive_id, work, ArchiveSize()))

    async def expire(self, archive_id: str, before: int) -> None:
        # In small transactions, so that events come in between.
        while await self._run(self._writer, lambda: self._expire(archive_id, before)):
            pass

    async def delete(self, archive_id: str) -> None:
        await self._run(self._writer, lambda: self._delete(archive_id))

    async def unchanged_since(self, moment: datetime) -> Sequence[str]:
        return await self._run(self._readers, lambda: self._unchanged(moment.timestamp()))

    async def close(self) -> None:
        """Finish what was begun and close the files."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._open.values():
            connection.close()

    def _add(self, archive_id: str, event: ArchivedEvent, done: "Future[None]") -> None:
        with self._lock:
            self._waiting.setdefault(archive_id, []).append((event, done))

    async def _run(
        self, threads: ThreadPoolExecutor, work: Callable[[], _Result], before: Callable[[], None] = lambda: None
    ) -> _Result:
        if self._work >= MAX_WAITING:
            raise Unavailable("too many requests wait for the archives of event buses")
        before()
        try:
            future = asyncio.get_running_loop().run_in_executor(threads, work)
        except RuntimeError as error:
            raise Unavailable("the archives of event buses are closed") from error
        self._work += 1
        future.add_done_callback(self._done)
        try:
            return await asyncio.shield(future)
        except (sqlite3.Error, zstandard.ZstdError, OSError) as error:
            raise Unavailable(f"an archive of an event bus failed: {error}") from error

    def _done(self, _: object) -> None:
        self._work -= 1

    def _file(self, archive_id: str) -> Path:
        return self._path / f"{archive_id}{_SUFFIX}"

    def _keep_waiting(self, archive_id: str) -> None:
        """Keep everything that waits for an archive, in one transaction; in the writer's thread."""
        with self._lock:
            waiting = self._waiting.pop(archive_id, [])
        taken = [(event, done) for event, done in waiting if done.set_running_or_notify_cancel()]
        if not taken:
            return
        try:
            _keep(self._opened(archive_id), [event for event, _ in taken])
        except (sqlite3.Error, OSError) as error:
            for _, done in taken:
                done.set_exception(Unavailable(f"an archive of an event bus failed: {error}"))
            return
        for _, done in taken:
            done.set_result(None)

    def _opened(self, archive_id: str) -> sqlite3.Connection:
        if archive_id not in self._open:
            if len(self._open) >= MAX_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[archive_id] = self._connect(archive_id)
        self._open.move_to_end(archive_id)
        return self._open[archive_id]

    def _connect(self, archive_id: str) -> sqlite3.Connection:
        self._path.mkdir(mode=0o700, exist_ok=True)
        file = self._file(archive_id)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return connection

    def _read(self, archive_id: str, work: Callable[[sqlite3.Connection], _Result], nothing: _Result) -> _Result:
        file = self._file(archive_id)
        if not file.exists():
            return nothing
        with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, isolation_level=None)) as connection:
            is_made = connection.execute("PRAGMA user_version").fetchone()[0]
            return work(connection) if is_made else nothing

    def _expire(self, archive_id: str, before: int) -> bool:
        """Drop some of what came before a second; say whether there may be more."""
        if not self._file(archive_id).exists():
            return False
        connection = self._opened(archive_id)
        oldest = "SELECT number, size, kept_at FROM events ORDER BY number LIMIT ?"
        rows = [row for row in connection.execute(oldest, (EXPIRED_AT_A_TIME,)) if row[2] < before]
        if not rows:
            return False
        with _transaction(connection):
            connection.executemany("DELETE FROM events WHERE number = ?", [(row[0],) for row in rows])
            _count(connection, -len(rows), -sum(row[1] for row in rows))
        connection.execute("PRAGMA incremental_vacuum").fetchall()
        return len(rows) == EXPIRED_AT_A_TIME

    def _delete(self, archive_id: str) -> None:
        connection = self._open.pop(archive_id, None)
        if connection is not None:
            connection.close()
        for ending in ("", "-wal", "-shm"):
            self._file(archive_id).with_name(f"{archive_id}{_SUFFIX}{ending}").unlink(missing_ok=True)

    def _unchanged(self, moment: float) -> list[str]:
        files = self._path.glob(f"*{_SUFFIX}") if self._path.exists() else ()
        return [file.name.removesuffix(_SUFFIX) for file in files if _last_change(file) < moment]


def _keep(connection: sqlite3.Connection, events: Sequence[ArchivedEvent]) -> None:
    pack = zstandard.ZstdCompressor()
    statement = "INSERT OR IGNORE INTO events (id, at, kept_at, size, event) VALUES (?, ?, ?, ?, ?)"
    with _transaction(connection):
        count, size = 0, 0
        for each in events:
            row = (each.event_id, each.at, each.kept_at, len(each.event), pack.compress(each.event))
            if connection.execute(statement, row).rowcount:
                count, size = count + 1, size + len(each.event)
        _count(connection, count, size)


def _count(connection: sqlite3.Connection, events: int, size_bytes: int) -> None:
    connection.execute("UPDATE totals SET events = events + ?, bytes = bytes + ?", (events, size_bytes))


class _transaction:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the body raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def _last_change(file: Path) -> float:
    wal = file.with_name(file.name + "-wal")
    return max(each.stat().st_mtime for each in (file, wal) if each.exists())
