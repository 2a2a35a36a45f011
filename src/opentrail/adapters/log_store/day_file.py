"""One day of one log group: a SQLite file. Format: docs/formats/log-groups.md."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.adapters.log_store.data_keys import DataKey, KeptKey, MessageOpener, place_of
from opentrail.ports.journal import START
from opentrail.ports.log_store import LogEvent, LogRange, Place, StoredEvent, StreamFigures

SCHEMA_VERSION = 2

UNFINISHED = ".new"
"""How the name of a file ends that has no tables yet."""

MAX_STREAM_CHOICE = 100
"""Streams that a statement names; where more are asked for, the others' rows are passed over."""

_DATA_KEYS = "CREATE TABLE data_keys (id BLOB PRIMARY KEY, blob BLOB NOT NULL, arn TEXT NOT NULL) WITHOUT ROWID;"
"""Added by version 2: a file of version 1 has no sealed messages."""

_SCHEMA = f"""
CREATE TABLE streams (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, first INTEGER NOT NULL,
    last INTEGER NOT NULL, ingested INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, stream INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    ingested INTEGER NOT NULL, message BLOB NOT NULL);
CREATE INDEX events_by_time ON events (timestamp, sequence);
CREATE INDEX events_by_stream ON events (stream, timestamp, sequence);
CREATE TABLE readers (name TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
{_DATA_KEYS}
"""

_NOTE_STREAM = """
INSERT INTO streams (id, first, last, ingested, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    first = min(first, excluded.first), last = max(last, excluded.last),
    ingested = max(ingested, excluded.ingested), bytes = bytes + excluded.bytes
"""


ROWS = (
    "SELECT streams.id, timestamp, sequence, events.ingested, message FROM events JOIN streams ON number = stream"
    " WHERE timestamp >= ? AND timestamp < ?"
)
"""The day's events from a timestamp up to another one, for a query engine."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open a day's file, made when it is missing; what is committed through it survives a power cut."""
    if not path.exists():
        _make(path)
    return _upgraded(path)


def _make(path: Path) -> None:
    """Make a day's file, which has its name once it has its tables: a reader never finds it without.

    What a kill left of an earlier file goes first: SQLite would take its WAL for this one's.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    remove(unfinished)
    _upgraded(unfinished).close()
    remove(path)
    unfinished.rename(path)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Unlink a day's file and its companions, as far as they are there."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _upgraded(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < SCHEMA_VERSION:
        missing = _SCHEMA if version == 0 else _DATA_KEYS
        connection.executescript(f"BEGIN; {missing} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a day's file that is there. Raises sqlite3.OperationalError when it is not."""
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)


def store(
    connection: sqlite3.Connection, batches: Sequence[tuple[str, DataKey | None, Sequence[LogEvent]]]
) -> dict[str, StreamFigures]:
    """Store the events of several batches, each of a reader or of nobody (""), sealed or not, in one transaction.

    Return what was added to each stream: what a reader repeats is left out.
    """
    added: dict[str, StreamFigures] = {}
    connection.execute("BEGIN IMMEDIATE")
    try:
        for reader, key, events in batches:
            add_figures(added, _store_batch(connection, reader, key, events))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return added


def _store_batch(
    connection: sqlite3.Connection, reader: str, key: DataKey | None, events: Sequence[LogEvent]
) -> Mapping[str, StreamFigures]:
    if reader:
        row = connection.execute("SELECT position FROM readers WHERE name = ?", (reader,)).fetchone()
        reached = row[0] if row is not None else START
        events = [event for event in events if event.position > reached]
        if not events:
            return {}
        connection.execute("INSERT OR REPLACE INTO readers VALUES (?, ?)", (reader, events[-1].position))
    added = figures_of(events)
    numbers: dict[str, int] = {}
    for stream_id, part in added.items():
        noted = (part.first_timestamp, part.last_timestamp, part.last_ingested_at, part.stored_bytes)
        connection.execute(_NOTE_STREAM, (stream_id, *noted))
        [numbers[stream_id]] = connection.execute("SELECT number FROM streams WHERE id = ?", (stream_id,)).fetchone()
    if key is not None:
        kept = (key.key_id, key.kept.blob, key.kept.group_arn)
        connection.execute("INSERT OR IGNORE INTO data_keys VALUES (?, ?, ?)", kept)
    connection.executemany(
        "INSERT INTO events (stream, timestamp, ingested, message) VALUES (?, ?, ?, ?)",
        [(numbers[event.stream_id], event.timestamp, event.ingested_at, _stored(event, key)) for event in events],
    )
    return added


def figures_of(events: Sequence[LogEvent]) -> dict[str, StreamFigures]:
    """Return what ``events`` add to each of their streams."""
    found: dict[str, StreamFigures] = {}
    for event in events:
        one = StreamFigures(event.timestamp, event.timestamp, event.ingested_at, event.size_bytes)
        held = found.get(event.stream_id)
        found[event.stream_id] = one if held is None else _joined(held, one)
    return found


def add_figures(figures: dict[str, StreamFigures], more: Mapping[str, StreamFigures]) -> None:
    """Add what came to each stream to ``figures``."""
    for stream_id, part in more.items():
        held = figures.get(stream_id)
        figures[stream_id] = part if held is None else _joined(held, part)


def _joined(one: StreamFigures, other: StreamFigures) -> StreamFigures:
    return StreamFigures(
        min(one.first_timestamp, other.first_timestamp),
        max(one.last_timestamp, other.last_timestamp),
        max(one.last_ingested_at, other.last_ingested_at),
        one.stored_bytes + other.stored_bytes,
    )


def figures(connection: sqlite3.Connection) -> dict[str, StreamFigures]:
    """Return what the day has of each stream."""
    rows = connection.execute("SELECT id, first, last, ingested, bytes FROM streams")
    return {row[0]: StreamFigures(*row[1:]) for row in rows}


def remove_stream(connection: sqlite3.Connection, stream_id: str) -> None:
    """Delete a stream and its events."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM events WHERE stream = (SELECT number FROM streams WHERE id = ?)", (stream_id,))
    connection.execute("DELETE FROM streams WHERE id = ?", (stream_id,))
    connection.execute("COMMIT")


def data_keys(connection: sqlite3.Connection) -> dict[bytes, KeptKey]:
    """Return the keys of the day's sealed messages, by their ids."""
    if connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
        return {}
    rows = connection.execute("SELECT id, blob, arn FROM data_keys")
    return {key_id: KeptKey(blob, arn) for key_id, blob, arn in rows}


def read(
    connection: sqlite3.Connection, log_range: LogRange, opened: Mapping[bytes, AESGCM], *, is_newest_first: bool
) -> Iterator[StoredEvent]:
    """Yield the day's events of a range in order. Raises KeysNeeded for one whose key is not in ``opened`` (by id)."""
    opener = MessageOpener(lambda: data_keys(connection), opened)
    streams = {number: stream for stream, number in connection.execute("SELECT id, number FROM streams")}
    chosen = log_range.streams
    numbers = [number for number, stream in streams.items() if chosen is None or stream in chosen]
    is_named = chosen is not None and len(numbers) <= MAX_STREAM_CHOICE
    named = f"AND stream IN ({', '.join(map(str, numbers))})" if is_named else ""
    order = "DESC" if is_newest_first else "ASC"
    rows = connection.execute(  # what is put into the text are numbers and words of ours
        "SELECT timestamp, sequence, stream, ingested, message FROM events"  # noqa: S608
        " WHERE timestamp >= ? AND timestamp < ? AND (timestamp, sequence) > (?, ?) AND (timestamp, sequence) < (?, ?)"
        f" {named} ORDER BY timestamp {order}, sequence {order}",
        (
            *(log_range.start, log_range.end),
            *(log_range.after.timestamp, log_range.after.sequence),
            *(log_range.before.timestamp, log_range.before.sequence),
        ),
    )
    wanted = set(numbers)
    for timestamp, sequence, number, ingested, message in rows:
        if number in wanted:
            text = _shown(opener, streams[number], timestamp, message)
            yield StoredEvent(Place(timestamp, sequence), streams[number], ingested, text)


def arrived(
    connection: sqlite3.Connection, after: int, since: int, limit: int, opened: Mapping[bytes, AESGCM]
) -> Iterator[StoredEvent]:
    """Yield the day's events behind a sequence that came at ``since`` or later, as they were stored. Raises KeysNeeded
    for one whose key is not in ``opened`` (by id)."""
    opener = MessageOpener(lambda: data_keys(connection), opened)
    rows = connection.execute(
        "SELECT timestamp, sequence, streams.id, events.ingested, message FROM events JOIN streams ON number = stream"
        " WHERE sequence > ? AND events.ingested >= ? ORDER BY sequence LIMIT ?",
        (after, since, limit),
    )
    for timestamp, sequence, stream, ingested, message in rows:
        text = _shown(opener, stream, timestamp, message)
        yield StoredEvent(Place(timestamp, sequence), stream, ingested, text)


def _stored(event: LogEvent, key: DataKey | None) -> bytes:
    message = event.message.encode(errors="surrogatepass")
    return message if key is None else key.seal(message, place_of(event.stream_id, event.timestamp))


def _shown(opener: MessageOpener, stream_id: str, timestamp: int, message: bytes) -> str:
    return opener.open(message, place_of(stream_id, timestamp)).decode(errors="surrogatepass")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
