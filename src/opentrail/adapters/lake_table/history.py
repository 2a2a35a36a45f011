"""Event history as Parquet files for the length of one query: the same columns as an event data store's files.

A sealed segment never changes, so its file is made once, by a process beside this one, and kept in a cache of bounded
size; what is not sealed yet is written for each query anew. Each query has its files as links in a folder of its own,
so that the cache may lose them meanwhile. Layout: docs/formats/lake-queries.md.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from pathlib import Path

import orjson

from opentrail.ports import Unavailable
from opentrail.ports.lake_table import LakeFile
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import stored_columns

MAX_CACHE_BYTES = 4 << 30
"""What is kept between queries; what was used longest ago goes first. Ten million events take about 2 GB."""

PROCESSES = 2
"""Processes that write, for one query at a time; a machine with fewer cores gets fewer."""

CACHE = "history-cache"
_PARTIAL = ".part"
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")

OpenSegments = Callable[[int, int], Awaitable[tuple[list[tuple[str, int]], set[str], list[bytes]]]]
"""``LocalEventHistory.open_segments``: for two seconds since 1970 (name, descriptor) of each segment between them, the
names of all segments, and the records that no segment has yet."""


@dataclass(frozen=True, slots=True)
class _Share:
    """What one process writes: (descriptor, where to), and the tail where ``tail`` is not empty."""

    segments: Sequence[tuple[int, Path]]
    tail: bytes


class HistoryFiles:
    """Implements HistoryTable. ``worker`` names the module of the process; files go below ``folder``."""

    def __init__(
        self,
        open_segments: OpenSegments,
        join_records: Callable[[Sequence[bytes]], bytes],
        worker: str,
        folder: Path,
        max_cache_bytes: int = MAX_CACHE_BYTES,
    ) -> None:
        self._open_segments = open_segments
        self._join_records = join_records
        self._worker = worker
        self._folder = folder
        # Named by the columns, so that files of another release are not taken for ours.
        self._version = hashlib.sha256(repr(stored_columns(EventDataStoreKind.CLOUDTRAIL)).encode()).hexdigest()[:12]
        self._max_cache_bytes = max_cache_bytes
        self._in_turn = asyncio.Lock()
        self._count = 0

    @asynccontextmanager
    async def files(self, account_id: str, since: datetime, until: datetime) -> AsyncIterator[tuple[LakeFile, ...]]:
        self._count += 1
        place = self._folder / f"spill-history-{os.getpid()}-{self._count}"
        opened, names, tail = await self._open_segments(floor(since.timestamp()), ceil(until.timestamp()))
        try:
            place.mkdir(mode=0o700, parents=True)
            async with self._in_turn:
                await self._prepare(account_id, opened, tail, place)
                await asyncio.to_thread(self._tidy, names)
            yield await asyncio.to_thread(_listed, place)
        except OSError as error:
            raise Unavailable(f"Event history cannot be written out: {error.strerror or error}") from error
        finally:
            for _, descriptor in opened:
                os.close(descriptor)
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, place, ignore_errors=True))

    async def forget(self) -> None:
        """Remove from the cache what Event history has no more. Raises Unavailable."""
        opened, names, _ = await self._open_segments(0, -1)
        for _, descriptor in opened:
            os.close(descriptor)
        async with self._in_turn:
            await asyncio.to_thread(self._tidy, names)

    async def _prepare(
        self, account_id: str, opened: Sequence[tuple[str, int]], tail: Sequence[bytes], place: Path
    ) -> None:
        """Have every file in ``place``: linked from the cache, or made, kept there and linked."""
        assert account_id.isalnum()
        cache = self._folder / CACHE / self._version / account_id
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {path.name.rpartition(".segment.")[0] + ".segment": path for path in cache.glob("*.segment.*.parquet")}
        missing = []
        for name, descriptor in opened:
            if name in kept:
                os.utime(kept[name])
                _link(kept[name], place)
            else:
                missing.append((descriptor, cache / f"{name}{_PARTIAL}"))
        joined = self._join_records(tail) if tail else b""
        if missing or joined:
            shares = _shares(missing, joined)
            tasks = [asyncio.create_task(self._write(account_id, share, place)) for share in shares]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, account_id: str, share: _Share, place: Path) -> None:
        tail = place / "tail.parquet"
        request = {"account": account_id, "segments": [(one, str(path)) for one, path in share.segments]}
        line = orjson.dumps({**request, "tail": str(tail), "tail_bytes": len(share.tail)})
        starting = self._start([descriptor for descriptor, _ in share.segments])
        try:
            process = await asyncio.shield(starting)
            await self._follow(process, line + b"\n" + share.tail, place, len(share.segments) + bool(share.tail))
        finally:
            await asyncio.shield(_end(starting))

    def _start(self, descriptors: Sequence[int]) -> asyncio.Task[asyncio.subprocess.Process]:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        return asyncio.create_task(
            asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", self._worker,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=environment, pass_fds=descriptors, start_new_session=True,
            )
        )  # fmt: skip

    async def _follow(self, process: asyncio.subprocess.Process, request: bytes, place: Path, expected: int) -> None:
        """Take the files over as they are done. Raises Unavailable when not all of them come."""
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):
            process.stdin.write(request)
            await process.stdin.drain()
        while line := await process.stdout.readline():
            done = orjson.loads(line)
            path, rows = Path(done["path"]), int(done["rows"])
            expected -= 1
            if path.parent == place:
                path.rename(place / f"tail.{rows}.parquet")
                continue
            whole = path.with_name(f"{path.name.removesuffix(_PARTIAL)}.{rows}.parquet")
            path.rename(whole)
            _link(whole, place)
        if expected:
            raise Unavailable("the process that writes Event history out ended by itself")

    def _tidy(self, names: set[str]) -> None:
        """Remove what was left half done, what history has no more, other releases' files, and what is too much."""
        cache = self._folder / CACHE
        for other in cache.glob("*"):
            if other.name != self._version:
                shutil.rmtree(other, ignore_errors=True)
        kept = []
        for path in cache.glob("*/*/*"):
            if path.name.rpartition(".segment")[0] + ".segment" not in names or path.suffix == _PARTIAL:
                path.unlink(missing_ok=True)
            else:
                kept.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self._max_cache_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def _shares(missing: Sequence[tuple[int, Path]], tail: bytes) -> list[_Share]:
    """Deal the segments out, the largest first, each to whom has least; the tail goes to the first."""
    count = max(1, min(PROCESSES, os.cpu_count() or 1, len(missing)))
    piles: list[list[tuple[int, Path]]] = [[] for _ in range(count)]
    sizes = [0] * count
    for size, descriptor, path in sorted(((os.fstat(one).st_size, one, path) for one, path in missing), reverse=True):
        least = sizes.index(min(sizes))
        piles[least].append((descriptor, path))
        sizes[least] += size
    return [_Share(pile, tail if number == 0 else b"") for number, pile in enumerate(piles)]


def _link(path: Path, place: Path) -> None:
    (place / path.name).hardlink_to(path)


def _listed(place: Path) -> tuple[LakeFile, ...]:
    """Return the files of a query that have rows; their number is in the name."""
    today = datetime.now(UTC).date()
    found = [(path, int(path.name.split(".")[-2])) for path in sorted(place.glob("*.parquet"))]
    return tuple(LakeFile(str(path), path.stat().st_size, rows, today) for path, rows in found if rows)


async def _end(starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
    """Kill a process, also one whose start was not waited for, and see it gone."""
    process = await starting
    if process.returncode is None:
        with suppress(ProcessLookupError):
            # Not process.kill(): where the process has just ended, it takes the exit status that asyncio waits for.
            os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    while await process.stdout.read(1 << 20):
        pass
    await process.wait()
