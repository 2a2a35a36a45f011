"""Lake ingest: gz log files to committed, deduplicated, flushed Delta rows, against gunzip and parse of the same files.

``python -m bench.lake_ingest [--events N] [--processes N] [--rounds N]``. Both sides read the same log files of 2,000
events each, turn about, in as many processes, started beforehand: one only inflates and parses them (isal and orjson,
garbage collector off), the other brings them into a new table with ``LakeTable.append``. Afterwards the same events go
in as the journal brings them (``LakeTable.commit``, 10,000 at a time, one thread). Printed: rates, processor time an
event, ratios, bytes a row; every event is asserted to be in each table once.
"""

import argparse
import asyncio
import gc
import gzip
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import msgspec
import orjson
import pyarrow.parquet as pq
from isal import isal_zlib

from bench.lake_events import an_event
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import Batch, LakeTable, LoadedBatch
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn

FILE_EVENTS = 2_000
BATCH_FILES = 20
COMMIT_EVENTS = 10_000
WAITING = 2
"""Batches that an import has beside those in its processes: one that is committed, one that is next."""

ACCOUNT = "123456789012"
_GZIP = isal_zlib.MAX_WBITS | 16


class LogFile(msgspec.Struct):
    """A log file whose records stay JSON."""

    Records: list[msgspec.Raw]


def load(paths: Sequence[Path]) -> LoadedBatch:
    """Read log files as an import of well-formed ones does."""
    decode = msgspec.json.Decoder(LogFile).decode
    files = (decode(isal_zlib.decompress(path.read_bytes(), _GZIP)) for path in paths)
    return LoadedBatch(bytes(record) for file in files for record in file.Records)


def parse(paths: Sequence[Path]) -> int:
    """Inflate and parse log files; return how many events they have."""
    gc.disable()
    return sum(len(orjson.loads(isal_zlib.decompress(path.read_bytes(), _GZIP))["Records"]) for path in paths)


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that run."""
    ticks = 0
    for child in active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def write_files(folder: Path, events: int, now: datetime) -> list[Path]:
    """Write log files in the order of time and return them."""
    paths = []
    for start in range(0, events, FILE_EVENTS):
        records = [an_event(number, now, events) for number in range(start, min(start + FILE_EVENTS, events))]
        paths.append(folder / f"{start:09d}.json.gz")
        paths[-1].write_bytes(gzip.compress(b'{"Records":[' + b",".join(records) + b"]}", 6))
    return paths


def groups_of(paths: Sequence[Path], size: int = BATCH_FILES) -> list[Sequence[Path]]:
    """Return the files of each batch."""
    return [paths[start : start + size] for start in range(0, len(paths), size)]


async def parse_all(paths: Sequence[Path], processes: int) -> tuple[int, float, float]:
    """Return events, seconds and processor seconds of parsing alone."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(parse, [paths[:1]] * processes * 2))
        began, began_cpu = time.perf_counter(), processor_seconds()
        counts = list(pool.map(parse, groups_of(paths)))
        return sum(counts), time.perf_counter() - began, processor_seconds() - began_cpu


async def append_all(
    table: LakeTable, paths: Sequence[Path], now: datetime, processes: int, batch_files: int = BATCH_FILES
) -> tuple[int, float]:
    """Return rows and seconds of bringing all files into a table."""
    oldest, newest = now - timedelta(days=7), now + timedelta(days=1)
    waiting = iter(enumerate(groups_of(paths, batch_files)))

    async def work() -> int:
        rows = 0
        for number, files in waiting:
            batch = Batch(f"bench/{number}", tuple(map(str, files)), partial(load, files))
            rows += (await table.append(batch, oldest, newest)).rows
        return rows

    began = time.perf_counter()
    rows = sum(await asyncio.gather(*(work() for _ in range(processes + WAITING))))
    return rows, time.perf_counter() - began


def a_store(now: datetime, number: int) -> EventDataStore:
    """Return a store of CloudTrail events."""
    return EventDataStore(
        arn=event_data_store_arn("us-east-1", ACCOUNT, f"11111111-1111-4111-8111-{number:012d}"),
        name="bench",
        account_id=ACCOUNT,
        home_region="us-east-1",
        created_at=now,
        updated_at=now,
    )


def ids_of(files: Sequence[str]) -> int:
    """Return how many different event ids Parquet files have."""
    return len({one for file in files for one in pq.ParquetFile(file).read(columns=["eventid"])["eventid"].to_pylist()})


async def appended(
    folder: Path, paths: Sequence[Path], now: datetime, processes: int, events: int
) -> tuple[float, float, int]:
    """Return seconds, processor seconds and bytes of a table of all files, asserted to have each event once."""
    tables = DeltaLakeTables(folder, processes=processes)
    warm = await tables.open(a_store(now, 1))
    # One batch for each process, at the same time: each is then there, and has memory.
    await append_all(warm, paths[: processes * (BATCH_FILES // 2)], now, processes, BATCH_FILES // 2)
    table = await tables.open(a_store(now, 2))
    began_cpu = processor_seconds()
    rows, seconds = await append_all(table, paths, now, processes)
    used = processor_seconds() - began_cpu
    files = (await table.version()).files
    await tables.close()
    assert rows == sum(file.rows for file in files) == ids_of([file.location for file in files]) == events
    return seconds, used, sum(file.size_bytes for file in files)


async def committed(folder: Path, events: int, now: datetime) -> tuple[float, float, float]:
    """Return the seconds and processor seconds of commits from the journal, and processor seconds of parsing."""
    tables = DeltaLakeTables(folder)
    table = await tables.open(a_store(now, 3))
    writing = writing_cpu = parsing_cpu = 0.0
    for start in range(0, events, COMMIT_EVENTS):
        batch = [an_event(number, now, events) for number in range(start, min(start + COMMIT_EVENTS, events))]
        began_cpu = time.process_time()
        for data in batch:
            orjson.loads(data)
        began, parsed_cpu = time.perf_counter(), time.process_time()
        await table.commit(batch, Position(f"{start + len(batch):020d}"), now - timedelta(days=7), now)
        writing += time.perf_counter() - began
        parsing_cpu += parsed_cpu - began_cpu
        writing_cpu += time.process_time() - parsed_cpu
    assert sum(file.rows for file in (await table.version()).files) == events
    await tables.close()
    return writing, writing_cpu, parsing_cpu


async def main(events: int, processes: int, rounds: int) -> None:
    now = datetime.now(UTC)
    found = []
    with tempfile.TemporaryDirectory(prefix="lake-") as name:
        folder = Path(name)
        paths = write_files(folder, events, now)
        for number in range(rounds):
            count, parsing, parsing_cpu = await parse_all(paths, processes)
            assert count == events
            writing, writing_cpu, size = await appended(folder / str(number), paths, now, processes, events)
            found.append((parsing, writing, parsing_cpu, writing_cpu))
            print(
                f"round {number + 1}: parse alone {events / parsing:,.0f} events/s,"
                f" rows {events / writing:,.0f} events/s, {parsing / writing:.2f}x;"
                f" processor {parsing_cpu / events * 1e6:.1f} and"
                f" {writing_cpu / events * 1e6:.1f} us an event",
                flush=True,
            )
        commit, commit_cpu, parse_cpu = await committed(folder / "journal", min(events, 100_000), now)
    some = min(events, 100_000)
    ratio = statistics.median(one[0] / one[1] for one in found)
    used = statistics.median(one[2] / one[3] for one in found)
    print(f"\nmedian of {rounds} with {processes} processes: {ratio:.2f}x wall, {used:.2f}x processor time")
    print(f"{size / events:.0f} bytes a row")
    print(
        f"from the journal, one thread: {some / commit:,.0f} events/s, {commit_cpu / some * 1e6:.1f} us of processor"
        f" an event, {parse_cpu / commit_cpu:.2f}x of parsing alone"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.events, arguments.processes, arguments.rounds))
