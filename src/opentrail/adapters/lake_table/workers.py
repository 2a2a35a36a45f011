"""Processes in which the rows of batches are made, so that the server's own has its time and memory for its callers."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any, Protocol

import pyarrow as pa

from opentrail.adapters.lake_table.appending import BatchRows, ReadBatch, WrittenFile
from opentrail.ports import Unavailable
from opentrail.ports.lake_table import LoadedBatch
from opentrail.resource.event_data_store import EventDataStoreKind

IDLE_SECONDS = 30.0
"""A process ends, and gives its memory back, after so long without work."""

MIN_ROWS = 2_000
"""Fewer are made in the caller's thread: that takes less than to pass them on."""

_RECORD_BYTES = 1_000
"""About what a record has."""

_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_TOP_PAD_": "16777216"}
"""Keeps the memory of one batch for the next one: page faults were a fifth of the time."""


_starting = Lock()

_FROZEN_AFTER = 2
"""Messages after which no more is loaded: a batch is read with one, and written with the next."""


class RowMaker(Protocol):
    """What BatchRows does, here or in another process."""

    def read(
        self, kind: EventDataStoreKind, load: Callable[[], LoadedBatch], oldest: datetime, newest: datetime
    ) -> ReadBatch: ...

    def read_entries(
        self, kind: EventDataStoreKind, events: Sequence[bytes], oldest: datetime, newest: datetime
    ) -> ReadBatch: ...

    def write(
        self, root: Path, number: int, new: Mapping[date, pa.Array | None], data_key: bytes = b""
    ) -> list[WrittenFile]: ...


class Workers:
    """At most ``processes`` at a time, each started when it is needed; 0: the work is done in the caller's thread."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for _ in range(processes):
            self._idle.put(_Worker())

    @contextmanager
    def lease(self, rows: int = MIN_ROWS) -> Iterator[RowMaker]:
        """Give a worker for one batch; blocks while all are busy. Never to be asked for by who holds a table's lock."""
        if not self._processes or rows < MIN_ROWS:
            yield BatchRows()
            return
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def lease_for(self, size_bytes: int | None) -> AbstractContextManager[RowMaker]:
        """Give a worker for a batch whose records have so many bytes, None: it is not known."""
        return self.lease() if size_bytes is None else self.lease(size_bytes // _RECORD_BYTES)

    def close(self) -> None:
        """End the processes, once what they do is done."""
        for _ in range(self._processes):
            self._idle.get().close()


class _Worker:
    """One process, started with the first work, and again where it ended."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def read(
        self, kind: EventDataStoreKind, load: Callable[[], LoadedBatch], oldest: datetime, newest: datetime
    ) -> ReadBatch:
        return self._read("read", kind, load, oldest, newest)

    def read_entries(
        self, kind: EventDataStoreKind, events: Sequence[bytes], oldest: datetime, newest: datetime
    ) -> ReadBatch:
        return self._read("read_entries", kind, events, oldest, newest)

    def _read(self, *message: Any) -> ReadBatch:
        if self._process is None or not self._process.is_alive():
            self._start()
        found: ReadBatch = self._ask(*message)
        return found

    def write(
        self, root: Path, number: int, new: Mapping[date, pa.Array | None], data_key: bytes = b""
    ) -> list[WrittenFile]:
        written: list[WrittenFile] = self._ask("write", root, number, new, data_key)
        return written

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join()

    def _start(self) -> None:
        self.close()
        # A fresh interpreter: Arrow's and Delta's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="lake rows", daemon=True)
        with theirs, _environment(_MALLOC):
            process.start()
            self._process = process

    def _ask(self, *message: Any) -> Any:
        assert self._connection is not None
        try:
            self._connection.send(message)
            has_worked, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise Unavailable("the process that makes the rows of a batch ended by itself") from error
        if not has_worked:
            raise answer
        return answer


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have some environment variables for a while; processes that start at the same time wait for one another."""
    with _starting:
        kept = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in kept.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _serve(connection: Connection) -> None:
    """Do what is asked until nothing is for IDLE_SECONDS, or nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    rows = BatchRows()
    try:
        for served in count():
            if not connection.poll(None if rows.has_rows else IDLE_SECONDS):
                return
            connection.send(_done(rows, connection.recv()))
            gc.collect()
            if served < _FROZEN_AFTER:
                # What the modules made, those too that the first batch loads, stays: looking at it again after each
                # batch would take a tenth of the batch's time.
                gc.freeze()
    except (EOFError, OSError):
        return


def _done(rows: BatchRows, message: tuple[Any, ...]) -> tuple[bool, Any]:
    name, *arguments = message
    try:
        return True, getattr(rows, name)(*arguments)
    except Exception as error:  # the edge of a process: the caller raises it
        return False, error
