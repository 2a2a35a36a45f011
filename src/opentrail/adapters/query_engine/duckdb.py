"""DuckDB, one process for each running query.

A process of its own because a query that takes too much memory, or meets a defect of the engine, must not take the
recorder with it; because killing it stops a query at once wherever it is; and because the server stays small: neither
DuckDB nor its memory is ever in it.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from opentrail.adapters.query_engine.bloom_filters import BloomFilters
from opentrail.adapters.query_engine.frames import HEADER, MAX_FRAME_BYTES, Kind, described_keys
from opentrail.adapters.query_engine.processes import EngineProcess, Processes
from opentrail.ports.query_engine import (
    EngineStatistics,
    EngineTable,
    KeepPage,
    QueryFailed,
    QueryTimedOut,
)

_READERS_PER_THREAD = 1
"""Threads that wait for the disk, for each that computes. Without any a query of many files took a third longer; the
engine's own measure of four brought nothing more, and starting them cost a needle a seventh."""

_FEW_FILES = 32
"""When filters leave no more of the files, one thread reads what little is of interest in them: a second one would
take a fifth more of the processors' time."""

_WORKER = "opentrail.adapters.query_engine.worker"


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What one query may take, and how many run at a time.

    ``memory_bytes`` is what the engine manages; lists and texts in the making, which it does not count, are held by the
    process's own limit, ``unmanaged_bytes`` above it.
    """

    memory_bytes: int = 512 << 20
    unmanaged_bytes: int = 1 << 30
    spill_bytes: int = 4 << 30
    seconds: float = 3600.0
    threads: int = 2
    at_once: int = 2

    def without_spill(self) -> "EngineLimits":
        """Return what a query may take whose rows must not be written to the disk: twice the memory instead."""
        return replace(self, memory_bytes=2 * self.memory_bytes, spill_bytes=0)


class DuckDbEngine:
    """Implements QueryEngine; ``folder`` holds what queries spill, each in a folder that goes with it.

    For ``spare_seconds`` after a query the host of its process waits for the next one, which then starts some tenths of
    a second earlier.
    """

    def __init__(self, folder: Path, limits: EngineLimits | None = None, *, spare_seconds: float = 0.0) -> None:
        self._folder = folder
        self._processes = Processes(_WORKER, spare_seconds)
        self._limits = limits or EngineLimits()
        self._places = asyncio.Semaphore(self._limits.at_once)
        self._count = 0
        self._filters = BloomFilters()
        for left in folder.glob("spill-*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)

    async def run(
        self,
        sql: str,
        tables: Sequence[EngineTable],
        keep_page: KeepPage,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> EngineStatistics:
        async with self._places:
            if on_start is not None:
                on_start()
            self._count += 1
            spill = self._folder / f"spill-{os.getpid()}-{self._count}"
            spill.mkdir(parents=True, exist_ok=True)  # here: a thread could make it after a cancel has cleared it away
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await self._run_process(sql, tables, keep_page, on_progress, spill)
            except TimeoutError as error:
                raise QueryTimedOut(f"Query exceeded the run time limit of {self._limits.seconds:g} seconds") from error
            finally:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, spill, ignore_errors=True))

    async def close(self) -> None:
        await self._processes.close()

    async def _run_process(
        self,
        sql: str,
        tables: Sequence[EngineTable],
        keep_page: KeepPage,
        on_progress: Callable[[float], None] | None,
        spill: Path,
    ) -> EngineStatistics:
        fresh = {
            table.name: await asyncio.to_thread(_stream_bytes, table.fresh)
            for table in tables
            if table.fresh is not None
        }
        narrowed = [await self._narrowed(table) for table in tables]
        limits = self._limits.without_spill() if any(map(_is_secret, tables)) else self._limits
        if _is_little(tables, narrowed):
            limits = replace(limits, threads=1)
        tables = narrowed
        request = orjson.dumps(
            {
                "sql": sql,
                "settings": _settings(limits, spill),
                "tables": [_described(table) for table in tables],
                "fresh": list(fresh),
                "process_bytes": limits.memory_bytes + limits.unmanaged_bytes,
            }
        )
        starting = self._processes.take()
        try:
            process = await asyncio.shield(starting)
            frames = [(Kind.QUERY, request), *((Kind.ROWS, rows) for rows in fresh.values())]
            return await self._talk(process, frames, keep_page, on_progress)
        finally:
            await asyncio.shield(self._processes.end(starting))

    async def _narrowed(self, table: EngineTable) -> EngineTable:
        """Return a table without files that cannot have what its needles say."""
        if not table.needles:
            return table
        plain = [file for file in table.files if file not in table.file_keys]  # only those have filters
        possible = await asyncio.to_thread(self._filters.possible, plain, table.needles)
        return replace(table, files=(*possible, *(file for file in table.files if file in table.file_keys)))

    async def _talk(
        self,
        process: EngineProcess,
        frames: list[tuple[Kind, bytes]],
        keep_page: KeepPage,
        on_progress: Callable[[float], None] | None,
    ) -> EngineStatistics:
        with contextlib.suppress(ConnectionError):
            for kind, content in frames:
                process.writer.write(HEADER.pack(kind.value, len(content)) + content)
                await process.writer.drain()
        while True:
            try:
                kind, content = await _read_frame(process.reader)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise QueryFailed("Query exceeded the memory that one query may use") from error
            if kind is Kind.FAILED:
                raise QueryFailed(content.decode(errors="replace"))
            if kind is Kind.DONE:
                return EngineStatistics(**orjson.loads(content))
            if kind is Kind.PROGRESS:
                if on_progress is not None:
                    on_progress(orjson.loads(content))
                continue
            await keep_page(content[4:], int.from_bytes(content[:4], "big"))


def _is_little(tables: Sequence[EngineTable], narrowed: Sequence[EngineTable]) -> bool:
    """Say whether filters left few files of each of the tables."""
    pairs = zip(tables, narrowed, strict=True)
    is_narrowed = all(len(left.files) < len(table.files) for table, left in pairs)
    return bool(tables) and is_narrowed and sum(len(table.files) for table in narrowed) <= _FEW_FILES


def _settings(limits: EngineLimits, spill: Path) -> dict[str, Any]:
    readers = {"async_threads": _READERS_PER_THREAD * limits.threads} if limits.threads > 1 else {}
    return {
        "threads": limits.threads,
        **readers,
        "memory_limit": f"{limits.memory_bytes}B",
        "temp_directory": str(spill),
        "max_temp_directory_size": f"{limits.spill_bytes}B",
    }


async def _read_frame(stream: asyncio.StreamReader) -> tuple[Kind, bytes]:
    kind, length = HEADER.unpack(await stream.readexactly(HEADER.size))
    if length > MAX_FRAME_BYTES:
        raise QueryFailed("A page of the result is too large")
    return Kind(kind), await stream.readexactly(length)


def _is_secret(table: EngineTable) -> bool:
    """Say whether a table's rows are kept in encrypted form. What they spill DuckDB (2.0) encrypts with a module only
    that is not in it, and fails without: so they spill nothing."""
    return table.is_encrypted or any(source.data_keys for source in table.sources)


def _described(table: EngineTable) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": table.columns,
        "column_types": table.column_types,
        "files": table.files,
        "sources": [asdict(source) for source in table.sources],
        "file_keys": described_keys(table.files, table.file_keys),
    }


def _stream_bytes(rows: Any) -> bytes:
    import pyarrow as pa

    reader = pa.RecordBatchReader.from_stream(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return bytes(sink.getvalue())
