"""The other side of ``bench.lookup``: every event and every (key, value) of it in one SQLite file.

One row of ``entry`` for each value, clustered by value and order, so that a lookup reads it newest first and joins
further attributes by position: the usual flat index, with durable batches as Event history has them.
"""

import base64
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from opentrail.event.encoding import encode_event
from opentrail.ports.event_history import HistoryEvent, LookupKey, LookupPage, LookupQuery

_SCHEMA = """
CREATE TABLE event (position INTEGER PRIMARY KEY, json BLOB NOT NULL);
CREATE TABLE entry (
    value TEXT NOT NULL, negative_time INTEGER NOT NULL, event_id TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (value, negative_time, event_id)
) WITHOUT ROWID;
"""
_FIRST = (-(1 << 40), "")


class FlatIndex:
    """A flat SQLite index, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA cache_size=-65536")
        self._connection.executescript(_SCHEMA)
        self._position = 0

    def store(self, events: Sequence[HistoryEvent]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for event in events:
            self._position += 1
            connection.execute("INSERT INTO event VALUES (?, ?)", (self._position, encode_event(event.event)))
            time = -int(event.event_time.timestamp())
            values = {_value(event, key, value) for key, value in event.attributes}
            values |= {f"{event.account_id}\0{event.region}", _value(event, LookupKey.EVENT_ID, event.event_id)}
            connection.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?)",
                ((value, time, event.event_id, self._position) for value in values),
            )
        connection.execute("COMMIT")

    def finish(self) -> None:
        """Bring the write-ahead log into the file and learn the shape of the index."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("ANALYZE")

    def after(self, query: LookupQuery) -> tuple[int, str]:
        """Return the place a page token of Event history stands for."""
        if not query.page_token:
            return _FIRST
        place = base64.urlsafe_b64decode(query.page_token)[16:]
        return int.from_bytes(place[:8], "little", signed=True), place[8:].decode()

    def lookup(self, query: LookupQuery, after: tuple[int, str]) -> LookupPage:
        values = [_value(query, key, value) for key, value in query.attributes]
        values = values or [f"{query.account_id}\0{query.region}"]
        joins = "".join(
            f" JOIN entry e{number} ON e{number}.value = ? AND e{number}.negative_time = e0.negative_time"
            f" AND e{number}.event_id = e0.event_id"
            for number in range(1, len(values))
        )
        first = -(1 << 40) if query.end_time is None else -int(query.end_time.timestamp() // 1)
        last = 1 << 40 if query.start_time is None else int(-query.start_time.timestamp() // 1)
        found = self._connection.execute(
            f"SELECT event.json FROM entry e0{joins} JOIN event ON event.position = e0.position"
            " WHERE e0.value = ? AND (e0.negative_time, e0.event_id) > (?, ?)"
            " AND e0.negative_time BETWEEN ? AND ? ORDER BY e0.negative_time, e0.event_id LIMIT ?",
            (*values[1:], values[0], *after, max(first, after[0]), last, query.max_results),
        )
        return LookupPage(tuple(json for (json,) in found), "")

    def close(self) -> None:
        self._connection.close()


def _value(scope: HistoryEvent | LookupQuery, key: LookupKey, value: str) -> str:
    return f"{scope.account_id}\0{scope.region}\0{key}\0{value}"
