"""The rows of the metric store's file. Format: docs/formats/metrics.md."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import orjson

from opentrail.metric.aggregate import Aggregate
from opentrail.metric.key import MetricKey
from opentrail.ports.metric_store import LISTED_S, RETENTION_S, KnownMetric, LogCursor, Measurement, MetricRange

SCHEMA_VERSION = 1

EXPIRED_AT_A_TIME = 10_000
"""Rows that one transaction deletes."""

CURSOR_DAYS = 30
"""Days without a new event after which a log group's day gets none any more: PutLogEvents takes two weeks."""

_SCHEMA = """
CREATE TABLE metrics (number INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, dimensions TEXT NOT NULL, put_at INTEGER NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions));
CREATE TABLE points (metric INTEGER NOT NULL, tier INTEGER NOT NULL, at INTEGER NOT NULL, unit TEXT NOT NULL,
    samples REAL NOT NULL, total REAL NOT NULL, least REAL NOT NULL, most REAL NOT NULL, spread BLOB,
    PRIMARY KEY (metric, tier, at, unit)) WITHOUT ROWID;
CREATE INDEX points_by_age ON points (tier, at);
CREATE TABLE cursors (group_id TEXT NOT NULL, day TEXT NOT NULL, sequence INTEGER NOT NULL, moved_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, day)) WITHOUT ROWID;
"""

_UNKNOWN = b""

_Point = tuple[MetricKey, int, int, str]
"""Metric, tier, first second, unit."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the file, made when it is empty; what is committed through it survives a power cut."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the file, which is there."""
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)


def is_made(connection: sqlite3.Connection) -> bool:
    """Say whether the file has its tables already."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0])


def store(connection: sqlite3.Connection, puts: Sequence[tuple[LogCursor | None, Sequence[Measurement], int]]) -> None:
    """Store what several puts bring, and move their cursors, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        taken: list[Measurement] = []
        for cursor, measurements, now in puts:
            if cursor is not None and not _move(connection, cursor, now):
                continue
            taken += measurements
            _note_metrics(connection, {each.key for each in measurements}, now)
        for point, aggregate in _by_point(taken).items():
            _add(connection, point, aggregate)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _move(connection: sqlite3.Connection, cursor: LogCursor, now: int) -> bool:
    """Move a cursor; say whether it was behind."""
    place = (cursor.group_id, cursor.day.isoformat())
    row = connection.execute("SELECT sequence FROM cursors WHERE group_id = ? AND day = ?", place).fetchone()
    if row is not None and row[0] >= cursor.sequence:
        return False
    connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?)", (*place, cursor.sequence, now))
    return True


def _note_metrics(connection: sqlite3.Connection, keys: Iterable[MetricKey], now: int) -> None:
    connection.executemany(
        "INSERT INTO metrics (account, region, namespace, name, dimensions, put_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET put_at = max(put_at, excluded.put_at)",
        [(*_columns(key), now) for key in keys],
    )


def _by_point(measurements: Iterable[Measurement]) -> dict[_Point, Aggregate]:
    """Return what each row of each tier gets."""
    found: dict[_Point, Aggregate] = {}
    for each in measurements:
        for tier in RETENTION_S:
            if tier < each.resolution:
                continue
            point = (each.key, tier, each.timestamp // tier * tier, each.unit)
            held = found.get(point)
            found[point] = each.aggregate if held is None else held.joined(each.aggregate)
    return found


def _add(connection: sqlite3.Connection, point: _Point, aggregate: Aggregate) -> None:
    key, tier, at, unit = point
    number = _number(connection, key)
    place = (number, tier, at, unit)
    row = connection.execute(
        "SELECT samples, total, least, most, spread FROM points WHERE metric = ? AND tier = ? AND at = ? AND unit = ?",
        place,
    ).fetchone()
    joined = aggregate if row is None else _aggregate(*row).joined(aggregate)
    connection.execute(
        "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*place, joined.samples, joined.total, joined.least, joined.most, _stored_spread(joined)),
    )


def _number(connection: sqlite3.Connection, key: MetricKey) -> int | None:
    row = connection.execute(
        "SELECT number FROM metrics WHERE account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ?",
        _columns(key),
    ).fetchone()
    return None if row is None else int(row[0])


def _columns(key: MetricKey) -> tuple[str, str, str, str, str]:
    return (*key[:4], orjson.dumps(key.dimensions).decode())


def _stored_spread(aggregate: Aggregate) -> bytes | None:
    if aggregate.spread is None:
        return _UNKNOWN
    if aggregate.least == aggregate.most:
        return None
    return orjson.dumps(list(aggregate.spread.items()))


def _aggregate(samples: float, total: float, least: float, most: float, spread: bytes | None) -> Aggregate:
    if spread is None:
        return Aggregate(samples, total, least, most, {least: samples})
    if spread == _UNKNOWN:
        return Aggregate(samples, total, least, most, None)
    return Aggregate(samples, total, least, most, dict(orjson.loads(spread)))


def cursor(connection: sqlite3.Connection, group_id: str, day: date) -> int:
    """Return a cursor, 0 when it never moved."""
    place = (group_id, day.isoformat())
    row = connection.execute("SELECT sequence FROM cursors WHERE group_id = ? AND day = ?", place).fetchone()
    return 0 if row is None else int(row[0])


def read(connection: sqlite3.Connection, wanted: MetricRange) -> Mapping[int, Mapping[str, Aggregate]]:
    """Return what a metric got by period and unit."""
    number = _number(connection, wanted.key)
    if number is None:
        return {}
    found: dict[int, dict[str, Aggregate]] = {}
    selected = connection.execute(
        "SELECT at, unit, samples, total, least, most, spread FROM points"
        " WHERE metric = ? AND tier = ? AND at >= ? AND at < ? AND (? IS NULL OR unit = ?) ORDER BY at, unit",
        (number, wanted.tier, wanted.start, wanted.end, wanted.unit, wanted.unit),
    )
    for at, unit, *columns in selected:
        units = found.setdefault(at - (at - wanted.start) % wanted.period, {})
        aggregate = _aggregate(*columns)
        units[unit] = units[unit].joined(aggregate) if unit in units else aggregate
    return found


def metrics(
    connection: sqlite3.Connection, account_id: str, region: str, namespace: str, name: str
) -> list[KnownMetric]:
    """Return the metrics of an account and Region that are listed, by key."""
    found = connection.execute(
        "SELECT namespace, name, dimensions, put_at FROM metrics WHERE account = ? AND region = ?"
        " AND (? = '' OR namespace = ?) AND (? = '' OR name = ?) ORDER BY namespace, name, dimensions",
        (account_id, region, namespace, namespace, name, name),
    )
    return [
        KnownMetric(MetricKey(account_id, region, space, metric, _dimensions(dimensions)), put_at)
        for space, metric, dimensions, put_at in found
    ]


def _dimensions(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in orjson.loads(text))


def expire(connection: sqlite3.Connection, now: int) -> bool:
    """Delete some of what is past its time; say whether there is more."""
    deleted = 0
    for tier, seconds in RETENTION_S.items():
        deleted += connection.execute(
            "DELETE FROM points WHERE (metric, tier, at, unit) IN"
            " (SELECT metric, tier, at, unit FROM points WHERE tier = ? AND at < ? LIMIT ?)",
            (tier, now - seconds, EXPIRED_AT_A_TIME),
        ).rowcount
    if deleted:
        return True
    oldest = (date(1970, 1, 1) + timedelta(seconds=now) - timedelta(days=CURSOR_DAYS)).isoformat()
    connection.execute("DELETE FROM cursors WHERE day < ? AND moved_at < ?", (oldest, now - CURSOR_DAYS * 86_400))
    connection.execute(
        "DELETE FROM metrics WHERE put_at < ? AND NOT EXISTS (SELECT 1 FROM points WHERE metric = number)",
        (now - LISTED_S,),
    )
    return False
