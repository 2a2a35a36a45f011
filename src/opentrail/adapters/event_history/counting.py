"""Counting what rules pick of a history's events: processes beside this one, each with a share of the segments.

    parent                                      child
    u64 length, request as JSON   ──stdin──>    rules, span (no job: columns only), segments as open descriptors
    u64 length, tail records      ──stdin──>    (``join_block``; one child gets them)
                                  <─stdout──    lines of JSON: {"passed": n}... then {"counted": ...} or {"error": text}

A child has its segments as descriptors, so that one which is joined or expired meanwhile is still read. The children
together pass every event of the span that was stored when the count began, each once.
"""

import asyncio
import os
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from opentrail.adapters.event_history.segment import OpenSegment, join_block
from opentrail.ports import Unavailable
from opentrail.ports.replay import Counted, CountingFailed, CountingJob, Progress

PROCESSES = 2
"""Processes of one count; a machine with fewer cores gets fewer."""

MAX_ANSWER_BYTES = 256 << 20
"""What one child says at most, on one line."""

_WORKER = "opentrail.adapters.event_history.counting_worker"
_length = struct.Struct("<Q")
_ROOT = Path(__file__).parents[3]
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""All that a child gets of this process's environment: no setting, and no key."""

_Note = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Share:
    """What one child reads: descriptors of segments, and records."""

    segments: Sequence["OpenSegment"]
    tail: Sequence[bytes]


async def count_history(
    segments: Sequence[OpenSegment],
    tail: Sequence[bytes],
    job: CountingJob,
    on_progress: Progress,
    columns_folder: Path | None = None,
) -> Counted:
    """Count over segments, whose descriptors are closed here, and tail records.

    Columns of segments are read from ``columns_folder``, and kept there. Raises CountingFailed, Unavailable.
    """
    total = sum(segment.rows for segment in segments) + len(tail)
    passed: dict[int, int] = {}

    def note(child: int, count: int) -> None:
        passed[child] = count
        on_progress(min(sum(passed.values()), total), total)

    shares = _shares(segments, tail)
    tasks = [
        asyncio.create_task(_run_child(number, share, job, columns_folder, note)) for number, share in enumerate(shares)
    ]
    try:
        parts = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for segment in segments:
            os.close(segment.descriptor)
    return Counted([part["counted"] for part in parts], sum(part["events"] for part in parts), parts[0]["method"])


async def make_columns(segments: Sequence[OpenSegment], columns_folder: Path) -> None:
    """Have the columns of segments, whose descriptors are closed here, made by a process that goes after all others.

    Raises CountingFailed, Unavailable.
    """
    try:
        await _run_child(0, _Share(segments, ()), None, columns_folder, lambda _, __: None)
    finally:
        for segment in segments:
            os.close(segment.descriptor)


def _shares(segments: Sequence[OpenSegment], tail: Sequence[bytes]) -> list[_Share]:
    """Deal the segments out, the largest first, each to whom has least; each reads the newest first."""
    count = max(1, min(PROCESSES, os.cpu_count() or 1, len(segments)))
    piles: list[list[OpenSegment]] = [[] for _ in range(count)]
    rows = [0] * count
    for segment in sorted(segments, key=lambda one: -one.rows):
        least = rows.index(min(rows))
        piles[least].append(segment)
        rows[least] += segment.rows
    for pile in piles:
        pile.sort(key=lambda one: one.name, reverse=True)
    return [_Share(pile, tail if number == 0 else ()) for number, pile in enumerate(piles)]


async def _run_child(
    number: int, share: _Share, job: CountingJob | None, columns_folder: Path | None, note: _Note
) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _WORKER,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, pass_fds=[one.descriptor for one in share.segments], limit=MAX_ANSWER_BYTES,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"a process that counts cannot be started: {error}") from error
    try:
        request = orjson.dumps(
            {
                "job": job.to_wire() if job else None,
                "segments": [(segment.descriptor, segment.name) for segment in share.segments],
                "columns": str(columns_folder or ""),
            }
        )
        return await _talk(process, (request, join_block(share.tail)), lambda count: note(number, count))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())


async def _talk(
    process: asyncio.subprocess.Process, parts: Sequence[bytes], note: Callable[[int], None]
) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        for part in parts:
            process.stdin.write(_length.pack(len(part)) + part)
            await process.stdin.drain()
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError as error:
            raise CountingFailed("what was counted is too much to be told") from error
        if not line:
            raise CountingFailed("a process that counted ended; it may have run out of memory")
        said: dict[str, Any] = orjson.loads(line)
        if "error" in said:
            raise CountingFailed(said["error"])
        note(said["passed"])
        if "counted" in said:
            return said
