"""The metadata database: opening it, its threads and transactions, and the translation of its errors.

SQLite runs in WAL mode with synchronous=FULL, PostgreSQL with synchronous_commit=on: what is written survives a power
cut once ``Database.write`` returns. All writes of a process go through one thread, in the order they were asked for.
"""

import asyncio
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from opentrail.adapters.metadata_store import migrations
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

READER_THREADS = 2
MAX_WAITING = 1_000
"""Reads and writes that may wait for a thread; more are refused as Unavailable."""

LOCK_WAIT_SECONDS = 5
"""How long a transaction waits for another process's before it is Unavailable."""

UPGRADE_WAIT_SECONDS = 60
"""How long a start waits for another process that is upgrading the schema."""

CONFLICT_SECONDS = LOCK_WAIT_SECONDS
"""For how long a write that PostgreSQL breaks off, because it met another process's, is tried again before it is
Unavailable."""

CONFLICT_PAUSE_SECONDS = 0.1
"""Longest pause before it is tried again; the first ones are shorter, and all are drawn so that two writers part."""

_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
_UPGRADE_LOCK = 0x4F70656E54726C  # any number, the same in every release
_WRITES = "opentrail_writes"

# Alembic keeps the migration under way in module globals; two at once would run on each other's connections.
_one_upgrade_per_process = threading.Lock()

T = TypeVar("T")


class MetadataUnusable(OperatorError):
    """The metadata database cannot be used as it stands: a bad address, no answer, or a newer release's schema."""


class Database:
    """An open metadata database whose schema is up to date."""

    def __init__(self, engine: Engine) -> None:
        self._reading, self._writing = _engines(engine)
        self._readers = ThreadPoolExecutor(READER_THREADS, "metadata-reader")
        self._writer = ThreadPoolExecutor(1, "metadata-writer")
        self._waiting = 0
        self.changes = 0
        """Moves on with each write, when it is asked for and when it is done: what was read before may be old then.
        Not with those that move a reader of the journal, some of which are several a second."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a thread, in a transaction that sees one moment of the database. Raises Unavailable."""
        return await self._run(self._readers, lambda: _transact(self._reading, work), None)

    async def write(
        self, work: Callable[[Connection], T], *, after: Callable[[], None] | None = None, moves_reader: bool = False
    ) -> T:
        """Run ``work`` in the writer's thread and commit; durable on return. Raises Unavailable (nothing was written).

        ``work`` may run more than once, each time on a clean transaction; it undoes itself by raising. Once started
        it is finished even if the caller is cancelled. ``after`` is called in the event loop when it is done, whatever
        came of it, before the caller goes on. With ``moves_reader`` a reader's place is written, and what it keeps.
        """
        self.changes += not moves_reader

        def done() -> None:
            self.changes += not moves_reader
            if after is not None:
                after()

        return await self._run(self._writer, lambda: _transact(self._writing, work), done)

    async def close(self) -> None:
        """Finish what was started and let go of the database."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._reading.dispose()

    async def _run(self, threads: ThreadPoolExecutor, task: Callable[[], T], after: Callable[[], None] | None) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many requests wait for the metadata database")
        try:
            future = asyncio.get_running_loop().run_in_executor(threads, task)
        except RuntimeError as error:
            raise Unavailable("the metadata database is closed") from error
        self._waiting += 1

        def done(_: asyncio.Future[T]) -> None:
            self._waiting -= 1
            if after is not None:
                after()

        future.add_done_callback(done)
        return await asyncio.shield(future)


async def open_database(url: str) -> Database:
    """Open the database at a SQLAlchemy URL (``sqlite:////path/file`` or ``postgresql://...``), made and upgraded when
    need be; safe while other processes open it. Raises MetadataUnusable, also when it does not answer."""
    return await asyncio.to_thread(_open, url)


def _open(url: str) -> Database:
    address = _address(url)
    try:
        with _one_upgrade_per_process:
            upgrading = _engine(address, UPGRADE_WAIT_SECONDS)
            try:
                _upgrade(upgrading)
            finally:
                upgrading.dispose()
        return Database(_engine(address, LOCK_WAIT_SECONDS))
    except CommandError as error:
        raise MetadataUnusable(
            f"{address.render_as_string()} was written by a newer release ({error}); run that release, or a newer one"
        ) from error
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise MetadataUnusable(
            f"cannot open the metadata database {address.render_as_string()}: {_cause(error)}"
        ) from error


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the INSERT of the connection's database, which knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def add(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row; say False, and leave the row that is there, when its key is taken."""
    statement = insert(connection, table).values(values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def put(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert one row, or overwrite the one of its primary key."""
    statement = insert(connection, table).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=dict(values)))


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise MetadataUnusable(f"not a database URL: {url.partition('://')[0][:40]!r}") from error
    if address.get_backend_name() == "sqlite":
        if not address.database or address.database == ":memory:":
            raise MetadataUnusable("SQLite metadata needs a file: sqlite:////path/metadata.sqlite")
        return address.set(drivername="sqlite+pysqlite")
    if address.get_backend_name() in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    raise MetadataUnusable(f"metadata can be in SQLite or PostgreSQL, not in {address.get_backend_name()}")


def _engine(address: URL, wait_seconds: int) -> Engine:
    return (_sqlite if address.get_backend_name() == "sqlite" else _postgresql)(address, wait_seconds)


def _sqlite(address: URL, wait_seconds: int) -> Engine:
    assert address.database
    # Created here and not by SQLite, so that only the owner may read it; its -wal and -shm files follow suit.
    os.close(os.open(Path(address.database), os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(
        address,
        hide_parameters=True,
        paramstyle="named",
        pool_size=READER_THREADS + 1,
        max_overflow=0,
        connect_args={"timeout": wait_seconds},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes the write lock at once: one that reads first could never get it later.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")

    return engine


def _postgresql(address: URL, wait_seconds: int) -> Engine:
    milliseconds = wait_seconds * 1_000
    return create_engine(
        address,
        hide_parameters=True,
        pool_size=READER_THREADS + 1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": LOCK_WAIT_SECONDS,
            "options": f"-c synchronous_commit=on -c lock_timeout={milliseconds} -c statement_timeout={milliseconds}",
        },
    )


def _engines(engine: Engine) -> tuple[Engine, Engine]:
    """Return the engine as readers and as writers use it; both share its connections."""
    if engine.dialect.name == "postgresql":
        reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return reading, engine.execution_options(isolation_level="SERIALIZABLE")
    return engine, engine.execution_options(**{_WRITES: True})


def _upgrade(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        _enter_wal_mode(engine)
    # Begun before Alembic looks: it would otherwise end SQLite's transaction, and the lock with it, after each version.
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        migrations.upgrade(connection)


def _enter_wal_mode(engine: Engine) -> None:
    """Switch the file to WAL, which it then stays in. SQLite itself does not wait for other processes here."""
    deadline = time.monotonic() + UPGRADE_WAIT_SECONDS
    while not _is_in_wal_mode(engine):
        if time.monotonic() > deadline:
            raise TimeoutError("another process holds it")
        time.sleep(0.02)


def _is_in_wal_mode(engine: Engine) -> bool:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        return bool(cursor.fetchone() == ("wal",))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.close()


def _transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    deadline = time.monotonic() + CONFLICT_SECONDS
    for attempt in count():
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if time.monotonic() >= deadline or getattr(error.orig, "sqlstate", None) not in _CONFLICTS:
                raise Unavailable(f"the metadata database failed: {_cause(error)}") from error
            time.sleep(random.uniform(0, min(CONFLICT_PAUSE_SECONDS, 0.01 * 2 ** min(attempt, 4))))  # noqa: S311 - no secret
        except SQLAlchemyError as error:
            raise Unavailable(f"the metadata database failed: {_cause(error)}") from error
    raise AssertionError("unreachable")


def _cause(error: Exception) -> str:
    """Return the driver's own words on one line, without SQL or values."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(original).split()) or type(original).__name__
