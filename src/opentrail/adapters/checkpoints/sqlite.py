"""Checkpoints in one SQLite file: a row for each object that is done with (port: checkpoints)."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TypeVar

from opentrail.ports import Unavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, day TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passed (one INTEGER PRIMARY KEY, day TEXT);
"""
_UNDATED = ""

_Result = TypeVar("_Result")


class SqliteCheckpoints:
    """Implements Checkpoints in the file ``path``, made when it is missing; one thread works on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._connection: sqlite3.Connection | None = None

    async def passed_day(self) -> date | None:
        row = await self._run(lambda connection: connection.execute("SELECT day FROM passed").fetchone())
        return date.fromisoformat(row[0]) if row is not None else None

    async def pass_day(self, day: date) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("INSERT OR REPLACE INTO passed VALUES (1, ?)", (str(day),))

        await self._run(write)

    async def unknown(self, keys: Sequence[str]) -> Sequence[str]:
        def look(connection: sqlite3.Connection) -> list[str]:
            query = "SELECT 1 FROM done WHERE key = ?"
            return [key for key in keys if connection.execute(query, (key,)).fetchone() is None]

        return await self._run(look)

    async def add(self, keys: Sequence[tuple[str, date | None]]) -> None:
        rows = [(key, str(day) if day is not None else _UNDATED) for key, day in keys]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR IGNORE INTO done VALUES (?, ?)", rows)

        await self._run(write)

    async def forget_before(self, day: date) -> None:
        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM done WHERE day != ? AND day < ?", (_UNDATED, str(day)))

        await self._run(write)

    def close(self) -> None:
        """Close the file."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _run(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        def in_thread() -> _Result:
            try:
                return work(self._opened())
            except (sqlite3.Error, OSError) as error:
                raise Unavailable(f"the checkpoints in {self._path}: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, in_thread)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection
