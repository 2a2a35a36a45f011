"""Lookups in Event history while a writer ingests, warm and page-cold, against what is promised.

Run through ``python -m bench.lookup --events N --ingest [EVENTS/S]``. The writer is the history's own feeder in the
same process: it decodes, draws the attributes, stores, seals, joins. Page-cold means that before each lookup no page
of any segment is in memory: unmapped, then dropped from the system's cache with posix_fadvise, which needs no rights.
The bytes read from disk for each lookup are printed, so that a cache which was not dropped shows.
"""

import asyncio
import mmap
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from bench.host import Host
from bench.lookup import BATCH_EVENTS, Draw, Kinds, percentile, timed, turn_to_page
from bench.lookup_events import Generator
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.segment import Segment
from opentrail.adapters.journal.pages import PAGE_ENTRIES
from opentrail.event.encoding import encode_event
from opentrail.pipeline.history import HistoryFeeder
from opentrail.ports import Unavailable
from opentrail.ports.event_history import HistoryEvent, LookupPage, LookupQuery
from opentrail.ports.journal import EventEntry, Position, Positioned
from opentrail.wiring.interpreter import tune_interpreter

WARM_MUST_MS, COLD_MUST_MS = 10.0, 75.0
PREPARED_EVENTS = 50_000
"""Events made before the measuring, stored again and again under new ids."""

END = datetime(2024, 6, 1, tzinfo=UTC)

Prepared = tuple[bytes, bytes]
"""An event's JSON before and behind its id."""


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


class SteadyJournal:
    """Stands for the journal: what the history's feeder reads of it are events that come at a steady rate.

    A page is what has come since the last one, as it is of a journal that every call is written to. Ids are never those
    of another run in the same folder: what a history holds already is not stored again.
    """

    def __init__(self, rate: int, prepared: Sequence[Prepared], at: Position) -> None:
        self._started = 0.0
        self._read_events = 0
        self._rate = rate
        self._prepared = prepared
        self._at = at
        self._rng = random.SystemRandom()

    def head(self) -> Position:
        return self._at

    def due_events(self) -> int:
        """Return how many events have come since the first read."""
        return int((time.perf_counter() - self._started) * self._rate) if self._started else 0

    async def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        self._started = self._started or time.perf_counter()
        while True:
            due = self.due_events() - self._read_events
            if due:
                yield [self._next() for _ in range(min(due, PAGE_ENTRIES))]
            await asyncio.sleep(1 / self._rate)

    def _next(self) -> Positioned:
        before, after = self._prepared[self._read_events % len(self._prepared)]
        self._read_events += 1
        event_id = f"{self._rng.getrandbits(128):032x}"
        self._at = Position(event_id)
        return self._at, EventEntry(before + event_id.encode() + after)


class AtEnd:
    """The clock of the stream's last moment."""

    def now(self) -> datetime:
        return END


class Writer:
    """Feeds the history at a steady rate while ``run`` runs; ``stored`` counts, ``behind`` is what has come since."""

    def __init__(self, history: LocalEventHistory, rate: int, prepared: Sequence[Prepared]) -> None:
        self._journal = SteadyJournal(rate, prepared, history._store.cursor)
        self._feeder = HistoryFeeder(self._journal, history, AtEnd(), self._count)  # type: ignore[arg-type]
        self.stored = 0
        self.longest_stall_ms = 0.0

    @property
    def behind(self) -> int:
        """Events that are due and not stored."""
        return self._journal.due_events() - self.stored

    async def run(self) -> None:
        await self._feeder.run()

    def _count(self, _: bytes) -> None:
        self.stored += 1

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


def report(label: str, found: dict[str, tuple[list[float], list[int], list[float]]], must_ms: float | None) -> None:
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
    if must_ms is None:
        return
    p99 = percentile(times, 0.99)
    print(f"p99 {p99:.2f} ms, must {must_ms:g} ms: {'held' if p99 <= must_ms else 'MISSED'} ({p99 / must_ms:.2f}x)")


def remembered(generator: Generator, path: Path) -> None:
    """Keep what the generator remembers to ask for, or take it up again from an earlier run."""
    if path.exists():
        kept = orjson.loads(path.read_bytes())
        generator.some_ids, generator.some_resources = kept["ids"], kept["resources"]
    else:
        path.write_bytes(orjson.dumps({"ids": generator.some_ids, "resources": generator.some_resources}))


def prepared_events(seed: int) -> list[Prepared]:
    """Return events of the last minute of the stream, as the journal would hold them."""
    generator = Generator(PREPARED_EVENTS, END, seed)
    generator.first = END
    return [_around_id(event) for event in generator.events()]


def _around_id(event: HistoryEvent) -> Prepared:
    before, _, after = encode_event(event.event).partition(event.event_id.encode())
    return before, after


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
        for number, label, must_ms in (
            (7, "first asked", None),
            (7, "warm", WARM_MUST_MS),
            (8, "page-cold", COLD_MUST_MS),
        ):
            kinds = Kinds(generator, random.Random(number)).all()
            if label == "warm":
                await asyncio.to_thread(read_pages, segments)
            stored, started = writer.stored, time.perf_counter()
            host = Host()
            found = await measure(history, kinds, rounds, segments if label == "page-cold" else None)
            report(label, found, must_ms)
            ingested = (writer.stored - stored) / (time.perf_counter() - started)
            print(f"meanwhile {ingested:,.0f} events/s were ingested; longest stall of the event loop"
                  f" {writer.longest_stall_ms:.1f} ms; writer behind by {writer.behind:,} events")  # fmt: skip
            print(host.report())
            writer.longest_stall_ms = 0.0
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await history.close()
