"""Homes for ``bench.sql``: log files imported as ``opentrail import`` does, and the same events in Event history.

Events come at a steady rate of a third of a million a day, so a home that grows has more days, as a real one has.
"""

import asyncio
import gzip
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from bench.lake_events import an_event
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.event.encoding import decode_event
from opentrail.home import Home
from opentrail.pipeline.history import history_event
from opentrail.ports import Unavailable
from opentrail.ports.event_history import HistoryEvent
from opentrail.ports.journal import Position
from opentrail.settings import Settings
from opentrail.wiring.imports import import_commands

MOST_EVENTS, DAYS = 10_000_000, 30
"""The ``MOST_EVENTS``-th event is now, the first one ``DAYS`` ago."""

FILE_EVENTS = 2_000
PROCESSES = 2


def event(number: int, now: datetime) -> bytes:
    """Return the ``number``-th event of all."""
    return an_event(number, now, MOST_EVENTS, DAYS * 86_400)


def write_logs(folder: Path, numbers: range, now: datetime) -> list[Path]:
    """Write log files of FILE_EVENTS events each, by as many processes as there are cores; return them."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = numbers[::FILE_EVENTS]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        return list(pool.map(_write_log, [folder] * len(starts), starts, [now] * len(starts), chunksize=8))


def _write_log(folder: Path, start: int, now: datetime) -> Path:
    path = folder / f"{start:09d}.json.gz"
    records = [event(number, now) for number in range(start, start + FILE_EVENTS)]
    path.write_bytes(gzip.compress(b'{"Records":[' + b",".join(records) + b"]}", 3))
    return path


async def import_logs(home: Path, folder: Path) -> float:
    """Import a folder of log files into the home; return the events a second."""
    async with import_commands(Home(home), Settings()) as commands:
        began = time.perf_counter()
        standing = await commands["begin_import"](uri=str(folder))
        while not standing["is_final"]:
            standing = await commands["import_progress"](import_id=standing["id"], wait_seconds=5)
        assert standing["status"] == "COMPLETED", standing
        return int(standing["statistics"]["events_completed"]) / (time.perf_counter() - began)


async def store_history(home: Path, numbers: range, now: datetime) -> float:
    """Store events in the home's Event history, sealed and joined; return the events a second."""
    history = await LocalEventHistory.open(Home(home).history)
    try:
        seconds, events = 0.0, _history_events(numbers, now)
        while batch := list(islice(events, 1_000)):
            began = time.perf_counter()
            await _store(history, batch)
            seconds += time.perf_counter() - began
        began = time.perf_counter()
        await history.settle()
        return len(numbers) / (seconds + time.perf_counter() - began)
    finally:
        await history.close()


def _history_events(numbers: range, now: datetime) -> Iterator[HistoryEvent]:
    return (history_event(decode_event(event(number, now))) for number in numbers)


async def _store(history: LocalEventHistory, batch: Sequence[HistoryEvent]) -> None:
    while True:
        try:
            return await history.store(batch, Position(batch[-1].event_id))
        except Unavailable:  # until sealing has made room, as the history's feeder waits
            await asyncio.sleep(0.1)
