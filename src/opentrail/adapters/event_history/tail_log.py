"""The durable side of the tail, and the list of segments in force: one SQLite file, one connection.

Every change is one transaction, on disk when the method returns (WAL, synchronous=FULL). What is not in this file has
not happened: a segment counts from the transaction that names it, which is also the one that takes its events out of
the tail. The caller serialises all calls.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentrail.adapters.event_history.rows import Row, restore_row
from opentrail.adapters.event_history.segment_format import HistoryDamaged
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, Position

FORMAT_VERSION = 1
_CHECKPOINT_PAGES = 1_000
_JOURNAL_SIZE_LIMIT_BYTES = 16 * 1024 * 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tail (sequence INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segments (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class TailLog:
    """Raises Unavailable from every method when SQLite fails; then nothing of that call was stored."""

    def __init__(self, path: Path) -> None:
        with _translated():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            self._connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_SIZE_LIMIT_BYTES}")
            self._connection.executescript(_SCHEMA)
            self._check_version()

    def cursor(self) -> Position:
        """Return the stored journal position, START in a new history."""
        return Position(self._state("cursor", START))

    def rows(self) -> list[tuple[int, Row]]:
        """Return the tail as (sequence, row), in the order they came."""
        with _translated():
            found = self._connection.execute("SELECT sequence, record FROM tail ORDER BY sequence")
            try:
                return [(sequence, restore_row(record)) for sequence, record in found]
            except (struct.error, ValueError, IndexError, TypeError) as error:
                raise HistoryDamaged(
                    "an event in the tail of Event history is damaged: restore the history folder from a copy, or move "
                    "it away to build it again from what the journal still holds"
                ) from error

    def segment_names(self) -> list[str]:
        """Return the segments in force, by name, so by day."""
        with _translated():
            return [name for (name,) in self._connection.execute("SELECT name FROM segments ORDER BY name")]

    def store(self, rows: Sequence[tuple[int, Row]], through: Position) -> None:
        """Add rows to the tail and move the cursor."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO tail (sequence, record) VALUES (?, ?)",
                ((sequence, row.record) for sequence, row in rows),
            )
            connection.execute("INSERT OR REPLACE INTO state (name, value) VALUES ('cursor', ?)", (through,))

    def replace(self, added: Iterable[str], removed: Iterable[str], sequences: Iterable[int]) -> None:
        """Put segments in force, others out of it, and take ``sequences`` out of the tail."""
        with self._transaction() as connection:
            connection.executemany("INSERT INTO segments (name) VALUES (?)", ((name,) for name in added))
            connection.executemany("DELETE FROM segments WHERE name = ?", ((name,) for name in removed))
            # Runs, because a statement for each would take 80 ms of what a seal is made of.
            connection.executemany("DELETE FROM tail WHERE sequence BETWEEN ? AND ?", _runs(sequences))

    def close(self) -> None:
        self._connection.close()

    def _state(self, name: str, default: str) -> str:
        with _translated():
            row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def _check_version(self) -> None:
        version = self._state("format", "")
        if not version:
            self._connection.execute("INSERT INTO state (name, value) VALUES ('format', ?)", (str(FORMAT_VERSION),))
        elif int(version) > FORMAT_VERSION:
            raise HistoryDamaged(f"Event history has format {version}; this release reads up to {FORMAT_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of numbers that follow one another."""
    ordered = sorted(numbers)
    first = 0
    for place, number in enumerate(ordered):
        if place + 1 == len(ordered) or ordered[place + 1] != number + 1:
            yield ordered[first], number
            first = place + 1


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"Event history: {error}") from error
