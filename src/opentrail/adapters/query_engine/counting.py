"""Counting what rules pick of an event data store: DuckDB reads in processes of their own, narrowed by columns.

A child gets a frame with its job and one with the rows that are in no file yet, as a query's process does. It answers
lines of JSON: ``{"passed": n}``... then ``{"counted": ...}`` or ``{"error": text}``.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from opentrail.adapters.query_engine.frames import HEADER, Kind, described_keys
from opentrail.ports import Unavailable
from opentrail.ports.query_engine import EngineTable
from opentrail.ports.replay import Counted, CountingFailed, CountingJob, Progress

PROCESSES = 2
"""Processes of one count; a machine with fewer cores gets fewer."""

MEMORY_BYTES = 512 << 20
"""What the engine of one process may take; what rules count is beside it."""

SPILL_BYTES = 4 << 30
MAX_ANSWER_BYTES = 256 << 20
"""What one process says at most, on one line."""

_WORKER = "opentrail.adapters.query_engine.counting_worker"
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""All that a child gets of this process's environment: no setting, and no key."""


class DuckDbCounting:
    """Implements CountableLake; ``folder`` holds what counting spills, each in a folder that goes with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def count(self, table: EngineTable, job: CountingJob, on_progress: Progress) -> Counted:
        files = _shares(table.files)
        passed: dict[int, tuple[int, int]] = {}

        def note(child: int, said: dict[str, Any]) -> None:
            passed[child] = said["passed"], said["total"]
            on_progress(sum(count for count, _ in passed.values()), sum(total for _, total in passed.values()))

        rows = await asyncio.to_thread(stream_bytes, table.fresh) if table.fresh is not None else b""
        tasks = [
            asyncio.create_task(self._run_child(number, table, share, b"" if number else rows, job, note))
            for number, share in enumerate(files)
        ]
        try:
            parts = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Counted([part["counted"] for part in parts], sum(part["events"] for part in parts), parts[0]["method"])

    async def _run_child(
        self, number: int, table: EngineTable, files: Sequence[str], rows: bytes, job: CountingJob, note: "_Note"
    ) -> dict[str, Any]:
        self._count += 1
        spill = self._folder / f"count-{os.getpid()}-{self._count}"
        await asyncio.to_thread(spill.mkdir, parents=True, exist_ok=True)
        request = {
            "job": job.to_wire(),
            "files": files,
            "file_keys": described_keys(files, table.file_keys),
            "columns": table.columns,
            "column_types": table.column_types,
            "settings": {
                "TimeZone": "UTC",
                "threads": max(1, (os.cpu_count() or 1) // PROCESSES),
                "memory_limit": f"{MEMORY_BYTES}B",
                "temp_directory": str(spill),
                "max_temp_directory_size": f"{0 if table.is_encrypted else SPILL_BYTES}B",
                "preserve_insertion_order": False,
            },
        }
        frames = [(Kind.QUERY, orjson.dumps(request)), (Kind.ROWS, rows)]
        try:
            return await _talk(await _started(spill), frames, lambda said: note(number, said))
        finally:
            shutil.rmtree(spill, ignore_errors=True)


_Note = Callable[[int, dict[str, Any]], None]


def _shares(files: Sequence[str]) -> list[list[str]]:
    count = max(1, min(PROCESSES, os.cpu_count() or 1, len(files)))
    return [list(files[number::count]) for number in range(count)]


async def _started(folder: Path) -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", _WORKER,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, cwd=folder, limit=MAX_ANSWER_BYTES, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"a process that counts cannot be started: {error}") from error


async def _talk(
    process: asyncio.subprocess.Process, frames: Sequence[tuple[Kind, bytes]], note: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(ConnectionError):
            for kind, content in frames:
                process.stdin.write(HEADER.pack(kind.value, len(content)) + content)
                await process.stdin.drain()
        while line := await process.stdout.readline():
            said: dict[str, Any] = orjson.loads(line)
            if "error" in said:
                raise CountingFailed(said["error"])
            note(said)
            if "counted" in said:
                return said
        raise CountingFailed("a process that counted ended; it may have run out of memory")
    except ValueError as error:
        raise CountingFailed("what was counted is too much to be told") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())


def stream_bytes(rows: Any) -> bytes:
    """Return rows in Arrow's stream format."""
    import pyarrow as pa

    reader = pa.RecordBatchReader.from_stream(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return bytes(sink.getvalue())
