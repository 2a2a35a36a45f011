"""Logs Insights queries on the real engine, over events in the real log store."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb
import orjson

from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.adapters.query_engine.duckdb import DuckDbEngine
from opentrail.adapters.query_engine.row_sources import teach_log_functions
from opentrail.logsql.compilation import COLUMNS, TABLE, compile_query
from opentrail.logsql.scope import Origin
from opentrail.ports.log_store import LogEvent, LogRange
from opentrail.ports.query_engine import EngineStatistics, EngineTable

GROUP, STREAM = "group-1", "stream-1"
ORIGIN = Origin("123456789012", "us-east-1")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = {STREAM: "first", "stream-2": "second"}

Row = dict[str, str]


class LogEngine:
    """A log store with one group, and queries over all of it."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalLogStore(folder / "log-groups")
        self._engine = DuckDbEngine(folder / "log-queries")
        self.statistics = EngineStatistics(0, 0)

    async def put(self, events: Sequence[tuple[int, str]], stream: str = STREAM) -> None:
        """Store events: (timestamp in ms, message) each."""
        await self.store.append(GROUP, [LogEvent(stream, at, at + 5, message) for at, message in events])

    async def rows(self, query: str, limit: int = 10_000) -> list[Row]:
        """Return the rows of a query as GetQueryResults has them, without ``@ptr``."""
        compiled = compile_query(query, ORIGIN, NOW, limit)
        rows: list[list[str | None]] = []

        async def keep(page: bytes, count: int) -> None:
            rows.extend(orjson.loads(page))

        source = await self.store.rows(LogRange(GROUP), (GROUP, f"{ORIGIN.account_id}:app"), NAMES)
        names, kinds = tuple(name for name, _ in COLUMNS), tuple(kind for _, kind in COLUMNS)
        table = EngineTable(TABLE, names, kinds, (), None, (source,))
        self.statistics = await self._engine.run(compiled.sql, [table], keep)
        labels = [column.label for column in compiled.columns]
        return [
            {label: value for label, value in zip(labels, row, strict=True) if value is not None and label != "@ptr"}
            for row in rows
        ]


def ask(folder: Path, events: Sequence[tuple[int, str]], *queries: str) -> list[list[Row]]:
    """Return the rows of each query over ``events``, all in one stream."""

    async def run() -> list[list[Row]]:
        engine = LogEngine(folder)
        try:
            await engine.put(events)
            return [await engine.rows(query) for query in queries]
        finally:
            await engine.store.close()

    return asyncio.run(run())


@cache
def _taught_engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
    teach_log_functions(connection)
    return connection


def evaluate(events: Sequence[tuple[int, str]], query: str, limit: int = 10_000) -> list[Row]:
    """Return a query's rows from an engine in this process that is taught as the one of its own is."""
    compiled = compile_query(query, ORIGIN, NOW, limit)
    connection = _taught_engine()
    rows = [
        (GROUP, f"{ORIGIN.account_id}:app", "first", at, number, at + 5, message)
        for number, (at, message) in enumerate(events, 1)
    ]
    kinds = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
    connection.execute(f"CREATE OR REPLACE TABLE {TABLE} ({kinds})")
    for first in range(0, len(rows), 500):
        part = rows[first : first + 500]
        marks = ", ".join(["(" + ", ".join("?" * len(COLUMNS)) + ")"] * len(part))
        connection.execute(f"INSERT INTO {TABLE} VALUES {marks}", [value for row in part for value in row])
    found = connection.execute(compiled.sql).fetchall()
    labels = [column.label for column in compiled.columns]
    return [
        {label: value for label, value in zip(labels, row, strict=True) if value is not None and label != "@ptr"}
        for row in found
    ]
