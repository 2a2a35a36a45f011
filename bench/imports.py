"""Import: log files of a folder to committed, deduplicated, flushed rows, against what others make of the same files.

``python -m bench.imports [--events N] [--rounds N] [--others PYTHON]``. The sides take turns over the same gz log files
of 2,000 events: gunzip and orjson alone, in two processes that were started beforehand; ``opentrail import`` (the
command's own code, in this process and its workers) into a new home; DuckDB's read_json into a table; and, where
``--others`` names a Python that has them (``pip install chdb trailscraper``), chDB into a MergeTree and the part of
trailscraper that reads files. Printed: events/s, processor time an event, and the ratios to the first. Every side is
asserted to have every event.
"""

import argparse
import asyncio
import gzip
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from bench.lake_events import an_event
from bench.lake_ingest import parse, write_files
from opentrail.home import Home
from opentrail.pipeline.import_job import BATCH_OBJECTS
from opentrail.settings import Settings
from opentrail.wiring.imports import import_commands

PROCESSES = 2
FLOOR, OWN, DUCKDB, CHDB, TRAILSCRAPER = "gunzip + orjson", "opentrail import", "DuckDB", "chDB", "trailscraper"

_CHDB = """
import sys, tempfile
from chdb import session
with tempfile.TemporaryDirectory() as folder:
    chdb = session.Session(folder)
    chdb.query("CREATE DATABASE IF NOT EXISTS d")
    chdb.query("CREATE TABLE d.t (time String, id String, name String, raw String) ENGINE = MergeTree ORDER BY time")
    chdb.query(f\"\"\"INSERT INTO d.t SELECT JSONExtractString(r, 'eventTime'), JSONExtractString(r, 'eventID'),
        JSONExtractString(r, 'eventName'), r FROM (SELECT arrayJoin(JSONExtractArrayRaw(line, 'Records')) AS r
        FROM file('{sys.argv[1]}/*.json.gz', 'LineAsString', 'line String'))\"\"\")
    print(str(chdb.query("SELECT uniqExact(id) FROM d.t")).strip())
"""
_TRAILSCRAPER = """
import pathlib, sys
from trailscraper.cloudtrail import LogFile
paths = map(str, pathlib.Path(sys.argv[1]).iterdir())
print(len({record.raw_source["eventID"] for path in paths for record in LogFile(path).records()}))
"""


def write_warming(folder: Path, events: int, now: datetime) -> None:
    """Write so many files of further events that they are two batches large enough for a worker each."""
    for number in range(2 * BATCH_OBJECTS):
        record = an_event(number, now, events).replace(b'"eventID":"', b'"eventID":"w', 1)
        (folder / f"{number:09d}.json.gz").write_bytes(gzip.compress(b'{"Records":[' + record + b"]}"))


def processor_seconds() -> float:
    """Return the processor time of this process, of its children that run, and of those that ended."""
    ticks = 0
    for child in active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK") + ended.ru_utime + ended.ru_stime


def measured(work: Callable[[], int]) -> tuple[int, float, float]:
    """Return what ``work`` answers, its wall time and its processor time."""
    processor, wall = processor_seconds(), time.perf_counter()
    count = work()
    return count, time.perf_counter() - wall, processor_seconds() - processor


async def own_import(folder: Path, home: Path) -> tuple[int, float, float]:
    """Import the folder into a new home; the home is open, and its workers are there, before the time is taken."""
    async with import_commands(Home(home), Settings()) as commands:

        async def imported(source: Path) -> dict[str, Any]:
            standing = await commands["begin_import"](uri=str(source))
            while not standing["is_final"]:
                standing = await commands["import_progress"](import_id=standing["id"], wait_seconds=5)
            assert standing["status"] == "COMPLETED", standing
            return standing

        await imported(folder / "warm")
        processor, wall = processor_seconds(), time.perf_counter()
        standing = await imported(folder / "logs")
        took = time.perf_counter() - wall, processor_seconds() - processor
        again = await imported(folder / "logs")
        assert again["statistics"]["events_completed"] == 0, again
        return int(standing["statistics"]["events_completed"]), *took


def duckdb_import(logs: Path, database: Path) -> int:
    """Read the files into a table of DuckDB, as wide as it sees them; return its distinct events."""
    import duckdb

    connection = duckdb.connect(str(database))
    connection.execute(f"SET threads = {PROCESSES}")
    connection.execute(
        "CREATE TABLE t AS SELECT unnest(Records, recursive := false) AS r "
        f"FROM read_json('{logs}/*.json.gz', maximum_object_size = 268435456)"
    )
    found = connection.execute("SELECT count(DISTINCT r.eventID) FROM t").fetchone()
    connection.close()
    assert found is not None
    return int(found[0])


def other(python: str, program: str, logs: Path) -> int:
    """Run a program of another Python over the files; return the events that it counts."""
    done = subprocess.run([python, "-c", program, str(logs)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def sides_of(
    folder: Path, pool: ProcessPoolExecutor, paths: list[Path], number: int, python: str
) -> dict[str, Callable[[], tuple[int, float, float]]]:
    """Return what each side does in one round."""
    shares = [paths[at::PROCESSES] for at in range(PROCESSES)]
    logs = folder / "logs"
    sides: dict[str, Callable[[], tuple[int, float, float]]] = {
        FLOOR: lambda: measured(lambda: sum(pool.map(parse, shares))),
        OWN: lambda: asyncio.run(own_import(folder, folder / f"home-{number}")),
        DUCKDB: lambda: measured(lambda: duckdb_import(logs, folder / f"{number}.duckdb")),
    }
    if python:
        sides[CHDB] = lambda: measured(lambda: other(python, _CHDB, logs))
        sides[TRAILSCRAPER] = lambda: measured(lambda: other(python, _TRAILSCRAPER, logs))
    return sides


def main() -> None:
    """Run all sides, turn about, and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others", default="")
    options = parser.parse_args()
    import_module("duckdb")  # before the time is taken, and not by the processes, which load this module too
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("logs", "warm"):
            (folder / part).mkdir()
        now = datetime.now(UTC)
        paths = write_files(folder / "logs", options.events, now)
        write_warming(folder / "warm", options.events, now)
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            list(pool.map(parse, [paths[:1]] * PROCESSES))
            for number in range(options.rounds):
                for side, run in sides_of(folder, pool, paths, number, options.others).items():
                    count, wall, processor = run()
                    assert count == options.events, (side, count)
                    taken.setdefault(side, []).append((count / wall, processor / count * 1e6))
    rates = {side: statistics.median(rate for rate, _ in found) for side, found in taken.items()}
    costs = {side: statistics.median(cost for _, cost in found) for side, found in taken.items()}
    for side, rate in rates.items():
        cost = costs[side]
        ratios = f"{rate / rates[FLOOR]:.2f}x by wall, {costs[FLOOR] / cost:.2f}x by processor"
        print(f"{side:18} {rate:10,.0f} events/s  {cost:7.1f} us of processor an event  {ratios}")


if __name__ == "__main__":
    main()
