"""Lookups in Event history while a writer ingests, warm and page-cold, against what is promised.

Run through ``python -m bench.lookup --events N --ingest [EVENTS/S]``. The writer does in the same process what the
history's feeder does: decode, draw the attributes, store, seal, join. Page-cold means that before each lookup no page
of any segment is in memory: unmapped, then dropped from the system's cache with posix_fadvise, which needs no rights.
The bytes read from disk for each lookup are printed, so that a cache which was not dropped shows.
"""

import asyncio
import mmap
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from bench.lookup import BATCH_EVENTS, Draw, Kinds, percentile, timed, turn_to_page
from bench.lookup_events import Generator
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.segment import Segment
from opentrail.event.encoding import decode_event, encode_event
from opentrail.pipeline.history import _EVENTS_PER_TURN, history_event
from opentrail.ports import Unavailable
from opentrail.ports.event_history import HistoryEvent, LookupPage, LookupQuery
from opentrail.ports.journal import Position
from opentrail.wiring.interpreter import tune_interpreter

WARM_MUST_MS, COLD_MUST_MS = 10.0, 75.0
WRITER_BATCHES_A_SECOND = 10
PREPARED_EVENTS = 50_000
"""Events made before the measuring, stored again and again under new ids."""

END = datetime(2024, 6, 1, tzinfo=UTC)


async def build(history: LocalEventHistory, events: Iterator[HistoryEvent]) -> float:
    """Store every event past the history's cursor; return the events a second, sealing and joining included."""
    cursor = await history.cursor()
    if cursor:  # an earlier run was interrupted: the stream is the same every time
        next(event for event in events if event.event_id == cursor)
    seconds, count = 0.0, 0
    while batch := list(islice(events, BATCH_EVENTS)):
        started = time.perf_counter()
        await store(history, batch)
        seconds += time.perf_counter() - started
        count += len(batch)
    started = time.perf_counter()
    await history.settle()
    return count / (seconds + time.perf_counter() - started)


async def store(history: LocalEventHistory, batch: Sequence[HistoryEvent]) -> None:
    """Store a batch, as often as it takes: a history that has no room is asked again, as its feeder does."""
    while True:
        try:
            return await history.store(batch, Position(batch[-1].event_id))
        except Unavailable:
            await asyncio.sleep(0.1)


@dataclass
class Writer:
    """Ingests at a steady rate until it is stopped; ``stored`` counts, ``behind`` is how late it ended up, in s."""

    history: LocalEventHistory
    rate: int
    prepared: list[bytes]
    stored: int = 0
    behind: float = 0.0
    longest_stall_ms: float = 0.0
    _rng: random.Random = field(default_factory=lambda: random.Random(3))

    async def run(self) -> None:
        batch_size = max(1, self.rate // WRITER_BATCHES_A_SECOND)
        due = time.perf_counter()
        while True:
            batch = []
            for number in range(batch_size):
                batch.append(self._next())
                if number % _EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)
            await store(self.history, batch)
            self.stored += batch_size
            due += batch_size / self.rate
            self.behind = time.perf_counter() - due
            await asyncio.sleep(max(0.0, -self.behind))

    def _next(self) -> HistoryEvent:
        event = decode_event(self.prepared[self.stored % len(self.prepared)])
        event["eventID"] = f"{self._rng.getrandbits(128):032x}"
        return history_event(event)

    async def watch(self) -> None:
        """Measure by how much the event loop is late at most."""
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest_stall_ms = max(self.longest_stall_ms, (time.perf_counter() - started) * 1000 - 1)


def drop_pages(segments: Sequence[Segment], folder: Path) -> None:
    """Put every page of the segments out of memory."""
    for segment in segments:
        segment._mapped.madvise(mmap.MADV_DONTNEED)
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # joined meanwhile
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def read_pages(folder: Path) -> None:
    """Put every page of the segments into the system's cache."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError), path.open("rb") as file:
            while file.read(1 << 20):
                pass


class ProcessorTime:
    """Milliseconds of processor time of each lookup of a history, in the thread that does it."""

    def __init__(self, history: LocalEventHistory) -> None:
        self.taken: list[float] = []
        self._lookup = history._store.lookup
        history._store.lookup = self._measured  # type: ignore[method-assign]

    def _measured(self, query: LookupQuery) -> LookupPage:
        started = time.thread_time()
        try:
            return self._lookup(query)
        finally:
            self.taken.append((time.thread_time() - started) * 1000)


def bytes_read() -> int:
    """Return what this process had read from the disk itself so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["read_bytes"])


async def measure(
    history: LocalEventHistory, kinds: dict[str, Draw], rounds: int, cold_folder: Path | None
) -> dict[str, tuple[list[float], list[int], list[float]]]:
    """Return milliseconds, bytes read and processor time of each kind's lookups; with ``cold_folder`` each begins
    page-cold."""
    found: dict[str, tuple[list[float], list[int], list[float]]] = {kind: ([], [], []) for kind in kinds}
    processor = ProcessorTime(history)
    for _ in range(rounds):
        for kind, draw in kinds.items():
            query = await turn_to_page(history, draw(), 20 if kind == "page 20" else 1)
            if cold_folder is not None:
                segments = history._store._contents.segments()
                await asyncio.to_thread(drop_pages, segments, cold_folder)
            before = bytes_read()
            milliseconds, _ = await timed(lambda query=query: history.lookup(query))  # type: ignore[misc]
            found[kind][0].append(milliseconds)
            found[kind][1].append(bytes_read() - before)
            found[kind][2].append(processor.taken[-1])
    return found


def report(label: str, found: dict[str, tuple[list[float], list[int], list[float]]], must_ms: float) -> None:
    print(f"\n{label:30}{'p50 ms':>10}{'p99 ms':>10}{'longest':>10}{'CPU p50':>10}{'CPU p99':>10}{'kB read':>10}")
    times = [value for kind, _, _ in found.values() for value in kind]
    read = [value for _, kind, _ in found.values() for value in kind]
    whole = (times, read, [value for _, _, kind in found.values() for value in kind])
    for name, (mine, sizes, processor) in [*found.items(), (f"all ({len(times)} lookups)", whole)]:
        figures = [percentile(mine, 0.5), percentile(mine, 0.99), max(mine)]
        figures += [percentile(processor, 0.5), percentile(processor, 0.99)]
        print(
            f"{name:30}" + "".join(f"{figure:10.2f}" for figure in figures) + f"{sum(sizes) / len(sizes) / 1024:10.0f}"
        )
    p99 = percentile(times, 0.99)
    print(f"p99 {p99:.2f} ms, must {must_ms:g} ms: {'held' if p99 <= must_ms else 'MISSED'} ({p99 / must_ms:.2f}x)")


def remembered(generator: Generator, path: Path) -> None:
    """Keep what the generator remembers to ask for, or take it up again from an earlier run."""
    if path.exists():
        kept = orjson.loads(path.read_bytes())
        generator.some_ids, generator.some_resources = kept["ids"], kept["resources"]
    else:
        path.write_bytes(orjson.dumps({"ids": generator.some_ids, "resources": generator.some_resources}))


def prepared_events(seed: int) -> list[bytes]:
    """Return events of the last minute of the stream, as the journal would hold them."""
    generator = Generator(PREPARED_EVENTS, END, seed)
    generator.first = END
    return [encode_event(event.event) for event in generator.events()]


async def run(event_count: int, rounds: int, folder: Path, ingest_rate: int) -> None:
    """Build in ``folder`` unless an earlier run did, then measure, with the interpreter tuned as the server's is."""
    tune_interpreter()
    generator = Generator(event_count, END, seed=7)
    history = await LocalEventHistory.open(folder / "history")
    asked = folder / f"asked-{event_count}.json"
    if not asked.exists():
        rate = await build(history, generator.events())
        print(f"{event_count:,} events, built at {rate:,.0f} events/s")
    remembered(generator, asked)
    segments = folder / "history" / "segments"
    size = sum(path.stat().st_size for path in segments.iterdir())
    print(f"{len(list(segments.iterdir()))} segments, {size >> 20:,} MB")
    writer = Writer(history, ingest_rate, prepared_events(seed=11))
    tasks = [asyncio.create_task(writer.run()), asyncio.create_task(writer.watch())]
    try:
        for number, label, cold in ((7, "first asked", None), (7, "warm", None), (8, "page-cold", segments)):
            kinds = Kinds(generator, random.Random(number)).all()
            if label == "warm":
                await asyncio.to_thread(read_pages, segments)
            stored, started = writer.stored, time.perf_counter()
            found = await measure(history, kinds, rounds, cold)
            report(label, found, COLD_MUST_MS if cold else WARM_MUST_MS)
            ingested = (writer.stored - stored) / (time.perf_counter() - started)
            print(f"meanwhile {ingested:,.0f} events/s were ingested; longest stall of the event loop"
                  f" {writer.longest_stall_ms:.1f} ms; writer behind by {max(0.0, writer.behind):.2f} s")  # fmt: skip
            writer.longest_stall_ms = 0.0
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await history.close()
