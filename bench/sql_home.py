"""Homes for ``bench.sql``: log files imported as ``opentrail import`` does, and the same events in Event history.

Events come at a steady rate of a third of a million a day, so a home that grows has more days, as a real one has.
"""

import gzip
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import orjson

from bench.lake_events import an_event
from opentrail.adapters.event_history.layout import DAY_SECONDS, segment_name
from opentrail.adapters.event_history.rows import make_row
from opentrail.adapters.event_history.segment import Segment
from opentrail.adapters.event_history.segment_format import MAX_SEGMENT_ROWS
from opentrail.adapters.event_history.segment_writer import train_dictionary, write_segment
from opentrail.adapters.event_history.store import HistoryStore
from opentrail.event.encoding import decode_event
from opentrail.home import Home
from opentrail.pipeline.history import history_event
from opentrail.settings import Settings
from opentrail.wiring.imports import import_commands

MOST_EVENTS, DAYS = 10_000_000, 30
"""The ``MOST_EVENTS``-th event is now, the first one ``DAYS`` ago."""

FILE_EVENTS = 2_000
PROCESSES = 2


def beginning(folder: Path) -> datetime:
    """Return the "now" that the folder's events end at: the one of an earlier run in it, whose log files then serve
    again, or this moment."""
    kept = folder / "now"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(datetime.now(UTC).isoformat())
    return datetime.fromisoformat(kept.read_text())


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
    if path.exists():
        return path
    records = [event(number, now) for number in range(start, start + FILE_EVENTS)]
    partial = path.with_suffix(".part")
    partial.write_bytes(gzip.compress(b'{"Records":[' + b",".join(records) + b"]}", 3))
    return partial.replace(path)


async def import_logs(home: Path, folder: Path) -> float:
    """Import a folder of log files into the home; return the events a second."""
    async with import_commands(Home(home), Settings()) as commands:
        began = time.perf_counter()
        standing = await commands["begin_import"](uri=str(folder))
        while not standing["is_final"]:
            standing = await commands["import_progress"](import_id=standing["id"], wait_seconds=5)
        assert standing["status"] == "COMPLETED", standing
        return int(standing["statistics"]["events_completed"]) / (time.perf_counter() - began)


def build_history(home: Path, numbers: range, now: datetime) -> None:
    """Have the home's Event history hold events, too, in finished segments of a day each, as sealing and joining leave
    them: recording them one batch after the other would take hours."""
    folder = Home(home).history
    store = HistoryStore(folder)
    taken = len(list((folder / "segments").iterdir()))
    parts = [(folder / "segments", part, now, taken + at) for at, part in enumerate(_days(numbers, now), 1)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        names = list(pool.map(_write_segment, *zip(*parts, strict=True)))
    store._publish([Segment(folder / "segments" / name) for name in names], (), ())
    store.close()


def _days(numbers: range, now: datetime) -> list[range]:
    """Return the events of each day, and of at most MAX_SEGMENT_ROWS."""
    found, start = list[range](), numbers.start
    while start < numbers.stop:
        day, least, most = _day(start, now), start, min(start + MAX_SEGMENT_ROWS, numbers.stop)
        while most - least > 1:  # the last event of that day, halving
            middle = (least + most) // 2
            least, most = (middle, most) if _day(middle, now) == day else (least, middle)
        found.append(range(start, most))
        start = most
    return found


def _day(number: int, now: datetime) -> int:
    return int(datetime.fromisoformat(orjson.loads(event(number, now))["eventTime"]).timestamp()) // DAY_SECONDS


def _write_segment(segments: Path, numbers: range, now: datetime, number: int) -> str:
    rows = sorted(make_row(history_event(decode_event(event(at, now)))) for at in numbers)
    day = _day(numbers.start, now)
    name = segment_name(day, number)
    write_segment(segments / name, day, rows, train_dictionary([row.record for row in rows]))
    return name
