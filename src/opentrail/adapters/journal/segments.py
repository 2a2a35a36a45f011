"""Segment files: each a SQLite database of batches, in the order they were accepted.

    <folder>/segment-00000001.sqlite   rows 1 .. 4180      sealed: complete, deleted when nothing in it is needed
    <folder>/segment-00000002.sqlite   rows 4181 ..        the newest: the only one that is written

Numbers count entries through all segments. A row with n entries takes n numbers, one without entries takes one, and a
row's key is the last of its numbers: so the keys of whole segments follow one another without a gap, and a row or a
part of one that is gone is noticed. Every row has a checksum over all of its columns.
"""

import os
import re
import sqlite3
import struct
import zlib
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import orjson

from opentrail.errors import JournalCorrupt

FORMAT_VERSION = 1

ENTRIES, OPENED, SETTLED = 0, 1, 2
"""Kinds of row: entries; a pending call (no entries); the entries that settle one (or none, and it is dropped)."""

PAGE_BYTES = 16 * 1024
"""A segment's pages: in SQLite's usual 4 KiB, a call's hundred events take twice the processor time to store. Segments
that were made with others stay as they are."""

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""So much of the log is moved into the segment's file at a time."""

STATEMENT_ROWS = 64
"""Rows of one INSERT. A connection keeps the compiled statements of all the lengths up to it (sqlite3 keeps 128)."""

_NAME = re.compile(r"segment-(\d{8})\.sqlite")
_CORRUPT_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_CHECKED = struct.Struct("<qqqqq")

_SCHEMA = """
CREATE TABLE segment (
  format INTEGER, first INTEGER, head INTEGER, created_at INTEGER, committed_at INTEGER, pending TEXT
);
CREATE TABLE batch (
  last INTEGER PRIMARY KEY, kind INTEGER, call INTEGER, entries INTEGER, at INTEGER, checksum INTEGER, body BLOB
);
"""


RowValues = tuple[int, int, int, int, int, int, bytes]
"""A row as it is stored: what ``Row`` names."""


class Row(NamedTuple):
    """One accepted batch: committed ``at`` that many microseconds since 1970; ``call`` is what it settles, or 0."""

    last: int
    kind: int
    call: int
    entries: int
    at: int
    checksum: int
    body: bytes

    @property
    def first(self) -> int:
        """The first number that the row takes."""
        return self.last - max(self.entries, 1) + 1


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment by name: its ordinal, its file, and the first number that it may hold."""

    ordinal: int
    path: Path
    first: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a segment takes over from those before it, so that they need not be read again.

    ``first`` is its first number, ``head`` the number of the last entry so far, ``committed_at`` when something was
    last stored (0: never), ``pending`` the calls that are still open.
    """

    first: int
    head: int
    created_at: int
    committed_at: int
    pending: tuple[int, ...]


def make_row(last: int, kind: int, call: int, entries: int, at: int, body: bytes) -> RowValues:
    """Return the values of a row with its checksum."""
    return last, kind, call, entries, at, _checksum(last, kind, call, entries, at, body), body


def segment_path(folder: Path, ordinal: int) -> Path:
    return folder / f"segment-{ordinal:08d}.sqlite"


def list_segments(folder: Path) -> Sequence[tuple[int, Path]]:
    """Return the ordinals and files of a folder's segments, oldest first; drops what a deleted one left behind."""
    found = sorted((int(name[1]), path) for path in folder.iterdir() if (name := _NAME.fullmatch(path.name)))
    kept = {path.name for _, path in found}
    for path in folder.glob("segment-*.sqlite-*"):
        if path.name.rsplit("-", 1)[0] not in kept:
            path.unlink()
    return found


def create_segment(path: Path, beginning: Beginning) -> sqlite3.Connection:
    """Create a segment that survives a power cut, whatever a failed attempt left there; return the connection."""
    delete_segment(path)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = _connect(path, "rw")
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _prepare_for_writing(connection)
        pending = orjson.dumps(beginning.pending).decode()
        connection.executescript(f"BEGIN;{_SCHEMA}")
        connection.execute(
            "INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?)",
            (FORMAT_VERSION, beginning.first, beginning.head, beginning.created_at, beginning.committed_at, pending),
        )
        connection.execute("COMMIT")
        sync_folder(path.parent)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open an existing segment to append to it."""
    connection = _connect(path, "rw")
    try:
        _prepare_for_writing(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing segment, also while it is written; raises sqlite3.OperationalError when it is gone."""
    connection = _connect(path, "rw")
    connection.execute("PRAGMA query_only = 1")
    return connection


def read_beginning(connection: sqlite3.Connection, path: Path) -> Beginning | None:
    """Return what a segment began with; None when its creation was cut off (nothing was ever stored in it)."""
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'segment'").fetchone()[0]:
        return None
    version, first, head, created_at, committed_at, pending = connection.execute("SELECT * FROM segment").fetchone()
    if version != FORMAT_VERSION:
        raise JournalCorrupt(f"{path} has journal format {version}; this release reads {FORMAT_VERSION}")
    return Beginning(first, head, created_at, committed_at, tuple(orjson.loads(pending)))


def last_number(connection: sqlite3.Connection) -> int:
    """Return the last number that a row of the segment takes, 0 when there is no row."""
    return int(connection.execute("SELECT coalesce(max(last), 0) FROM batch").fetchone()[0])


def insert_rows(connection: sqlite3.Connection, rows: Sequence[RowValues]) -> None:
    """Append rows in one transaction; they survive a power cut on return. On any error nothing was stored.

    Few rows are one statement, which is a transaction of its own: the interpreter's lock is given up, and waited for,
    once and not three times and once per row while the event loop is busy.
    """
    if len(rows) <= STATEMENT_ROWS:
        connection.execute(_insertion(len(rows)), list(chain.from_iterable(rows)))
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for at in range(0, len(rows), STATEMENT_ROWS):
            part = rows[at : at + STATEMENT_ROWS]
            connection.execute(_insertion(len(part)), list(chain.from_iterable(part)))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@cache
def _insertion(rows: int) -> str:
    places = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO batch VALUES {places}"  # noqa: S608 - nothing but places for values


def drop_rows_after(connection: sqlite3.Connection, last: int) -> None:
    """Remove what a failed commit may have left, before numbers past ``last`` are given out again."""
    connection.execute("DELETE FROM batch WHERE last > ?", (last,))


def read_rows(
    connection: sqlite3.Connection, segment: SegmentFile, after: int, through: int, *, with_calls: bool
) -> Generator[Row, None, None]:
    """Yield the rows that hold the numbers past ``after`` up to ``through``, in order; all of them must be there.

    Each row is checked: its checksum, and that it follows the one before; a wrong one raises JournalCorrupt, other
    failures of the disk sqlite3.OperationalError. Without ``with_calls``
    a pending call comes with an empty body, unchecked: its event is not an entry and need not be read.
    """
    body = "body" if with_calls else f"CASE kind WHEN {OPENED} THEN NULL ELSE body END"
    cursor = connection.execute(
        f"SELECT last, kind, call, entries, at, checksum, {body} FROM batch "  # noqa: S608 - one of two constants
        "WHERE last > ? ORDER BY last",
        (after,),
    )
    reached, is_first = max(after, segment.first - 1), True
    try:
        while reached < through and (values := cursor.fetchone()):
            row = _checked(Row(*values), segment.path)
            if row.first > reached + 1 or (row.first <= reached and not is_first):
                raise JournalCorrupt(_corrupt(segment.path, row.last, f"it does not follow row {reached}"))
            reached, is_first = row.last, False
            yield row
    except sqlite3.DatabaseError as error:
        if is_corruption(error):
            raise JournalCorrupt(_corrupt(segment.path, reached + 1, str(error))) from error
        raise
    finally:
        cursor.close()
    if reached < through:
        raise JournalCorrupt(_corrupt(segment.path, reached + 1, f"the rows from here to {through} are gone"))


def read_call(connection: sqlite3.Connection, segment: SegmentFile, call: int) -> Row:
    """Return the row of a pending call; raises JournalCorrupt when it is not there or altered."""
    for row in read_rows(connection, segment, call - 1, call, with_calls=True):
        if row.last == call and row.kind == OPENED:
            return row
    raise JournalCorrupt(_corrupt(segment.path, call, "a pending call is gone"))


def delete_segment(path: Path) -> None:
    """Unlink a segment's files, the database first: what is left without it is dropped by ``list_segments``."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def segment_size_bytes(path: Path) -> int:
    """Return what a segment takes on disk, 0 when it is gone."""
    total = 0
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            total += path.with_name(path.name + suffix).stat().st_size
    return total


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_corruption(error: BaseException) -> bool:
    """Say whether SQLite found a file that is not what it wrote, as against a disk that is full or does not answer."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT_CODES


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _prepare_for_writing(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // page_bytes}")


def _checked(row: Row, path: Path) -> Row:
    if row.kind == OPENED and row.entries == 0 and row.body is None:
        return row._replace(body=b"")
    try:
        is_whole = row.checksum == _checksum(*row[:5], row.body)
    except (struct.error, TypeError):
        is_whole = False
    if not is_whole:
        raise JournalCorrupt(_corrupt(path, row.last, "its checksum is wrong"))
    return row


def _checksum(last: int, kind: int, call: int, entries: int, at: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_CHECKED.pack(last, kind, call, entries, at)))


def _corrupt(path: Path, row: int, what: str) -> str:
    return (
        f"{path}, row {row}: {what}; the journal was altered or its disk fails: stop, keep the file, and restore it "
        "from a copy or move it away to go on without its entries"
    )
