"""The metric store as one SQLite file of the home. Format: docs/formats/metrics.md.

One thread writes; puts that wait for it are committed together. What comes is added to every tier at once, so that no
later roll-up is needed and a tier ends by deleting its old rows.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from opentrail.adapters.metric_store import rows
from opentrail.metric.aggregate import Aggregate
from opentrail.metric.key import MetricKey
from opentrail.ports import Unavailable
from opentrail.ports.metric_store import KnownMetric, LogCursor, Measurement, MetricRange

MAX_WAITING = 1_000
"""Puts, and reads, that wait for a thread; more are refused as Unavailable."""

READER_THREADS = 2

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Put:
    measurements: Sequence[Measurement]
    now: int
    cursor: LogCursor | None
    done: "Future[None]"


class LocalMetricStore:
    """Implements MetricStore in the file ``path``, made with the first use; one process owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "metric-writer")
        self._readers = ThreadPoolExecutor(READER_THREADS, "metric-reader")
        self._connection: sqlite3.Connection | None = None
        self._of_thread = threading.local()
        self._read_by: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._waiting: list[_Put] = []
        self._work = 0
        self._on_stored: Callable[[Collection[MetricKey]], None] = lambda _: None

    def watch(self, on_stored: Callable[[Collection[MetricKey]], None]) -> None:
        self._on_stored = on_stored

    async def put(self, measurements: Sequence[Measurement], now: int) -> None:
        await self._store(measurements, now, None)

    async def publish(self, cursor: LogCursor, measurements: Sequence[Measurement], now: int) -> None:
        await self._store(measurements, now, cursor)

    async def cursor(self, group_id: str, day: date) -> int:
        return await self._reading(lambda connection: rows.cursor(connection, group_id, day), 0)

    async def read(self, wanted: MetricRange) -> Mapping[int, Mapping[str, Aggregate]]:
        return await self._reading(lambda connection: rows.read(connection, wanted), {})

    async def metrics(self, account_id: str, region: str, namespace: str, name: str) -> Sequence[KnownMetric]:
        return await self._reading(lambda connection: rows.metrics(connection, account_id, region, namespace, name), [])

    async def expire(self, now: int) -> None:
        # In small transactions, so that puts come in between.
        while self._path.exists():
            if not await self._submitted(lambda: rows.expire(self._open(), now)):
                return

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in (self._connection, *self._read_by):
            if connection is not None:
                connection.close()

    async def _store(self, measurements: Sequence[Measurement], now: int, cursor: LogCursor | None) -> None:
        put = _Put(measurements, now, cursor, Future())
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise Unavailable("too many metric data wait to be stored")
            self._waiting.append(put)
        self._submit(self._store_waiting)
        await asyncio.wrap_future(put.done)
        if measurements:
            self._on_stored({each.key for each in measurements})

    def _store_waiting(self) -> None:
        """Store everything that waits, in one transaction; in the writer's thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        puts = [put for put in waiting if put.done.set_running_or_notify_cancel()]
        if not puts:
            return
        try:
            rows.store(self._open(), [(put.cursor, put.measurements, put.now) for put in puts])
        except (sqlite3.Error, OSError) as error:
            for put in puts:
                put.done.set_exception(_unavailable(error))
            return
        for put in puts:
            put.done.set_result(None)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = rows.open_for_writing(self._path)
        return self._connection

    async def _reading(self, work: Callable[[sqlite3.Connection], _Result], nothing: _Result) -> _Result:
        with self._counted():
            try:
                reading = asyncio.get_running_loop().run_in_executor(self._readers, lambda: self._read(work, nothing))
            except RuntimeError as error:
                raise Unavailable("the metric store is closed") from error
            return await reading

    def _read(self, work: Callable[[sqlite3.Connection], _Result], nothing: _Result) -> _Result:
        try:
            connection = self._reading_connection()
            return nothing if connection is None else work(connection)
        except (sqlite3.Error, OSError) as error:
            self._forget_reading_connection()
            raise _unavailable(error) from error

    def _reading_connection(self) -> sqlite3.Connection | None:
        """Return the connection of this reader's thread, None while the file has no tables yet."""
        held: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if held is None and self._path.exists():
            opened = rows.open_for_reading(self._path)
            if not rows.is_made(opened):
                opened.close()
                return None
            self._of_thread.connection = held = opened
            self._read_by.append(opened)
        return held

    def _forget_reading_connection(self) -> None:
        held: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if held is not None:
            self._of_thread.connection = None
            self._read_by.remove(held)
            held.close()

    @contextmanager
    def _counted(self) -> Any:
        if self._work >= MAX_WAITING:
            raise Unavailable("too many requests wait for the metric store")
        self._work += 1
        try:
            yield
        finally:
            self._work -= 1

    async def _submitted(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await asyncio.wrap_future(self._submit(work))
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(error) from error

    def _submit(self, work: Callable[[], _Result]) -> "Future[_Result]":
        try:
            return self._writer.submit(work)
        except RuntimeError as error:
            raise Unavailable("the metric store is closed") from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the metric store failed: {error}")
