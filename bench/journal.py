"""Appending to the journal against raw SQLite inserts of the same batches: python -m bench.journal

The journal: 32 callers append batches of 1.2 kB events and each waits until its batch survives a power cut. The other
side is SQLite with the same durability (WAL, synchronous=FULL) and the same bytes, one row a batch, from one thread:
once with a commit for every batch, once with 32 batches a commit, which is what 32 callers could share at best. Sides
alternate within one run; medians; both must have stored the same events.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import uvloop

from opentrail.adapters.journal.codec import decode_entries, encode_entries
from opentrail.adapters.journal.local import LocalJournal
from opentrail.ports.journal import START, EventEntry

CALLERS = 32
EVENT_BYTES = 1200

Batches = Sequence[Sequence[EventEntry]]
Side = Callable[[Path, Batches], float]


def make_batches(count: int, size: int) -> Batches:
    events = [EventEntry((b'{"n":%d,' % n).ljust(EVENT_BYTES, b"x")) for n in range(count * size)]
    return [events[n * size : (n + 1) * size] for n in range(count)]


async def load(folder: Path, batches: Batches) -> float:
    journal = await LocalJournal.open(folder)
    todo = iter(batches)

    async def caller() -> None:
        for batch in todo:
            await journal.append(batch)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    elapsed = time.perf_counter() - started
    stored = [entry async for page in journal.read(START, until=journal.head()) for _, entry in page]
    assert sorted(map(repr, stored)) == sorted(repr(entry) for batch in batches for entry in batch)
    await journal.close()
    return elapsed


def run_journal(folder: Path, batches: Batches) -> float:
    return uvloop.run(load(folder / "journal", batches))


def run_raw(folder: Path, batches: Batches, batches_a_commit: int) -> float:
    with closing(sqlite3.connect(folder / "raw.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE batch (last INTEGER PRIMARY KEY, body BLOB)")
        bodies = [encode_entries(batch) for batch in batches]
        started = time.perf_counter()
        for at in range(0, len(bodies), batches_a_commit):
            connection.execute("BEGIN")
            rows = [(body,) for body in bodies[at : at + batches_a_commit]]
            connection.executemany("INSERT INTO batch (body) VALUES (?)", rows)
            connection.execute("COMMIT")
        elapsed = time.perf_counter() - started
        stored = [entry for (body,) in connection.execute("SELECT body FROM batch") for entry in decode_entries(body)]
    assert stored == [entry for batch in batches for entry in batch]
    return elapsed


SIDES: dict[str, Side] = {
    "journal, 32 callers": run_journal,
    "raw, a commit a batch": lambda folder, batches: run_raw(folder, batches, 1),
    "raw, 32 batches a commit": lambda folder, batches: run_raw(folder, batches, CALLERS),
}


def compare(size: int, batches: Batches, rounds: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds):
        for name, side in SIDES.items():
            with tempfile.TemporaryDirectory() as folder:
                rates[name].append(len(batches) * size / side(Path(folder), batches))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    journal = medians["journal, 32 callers"]
    print(f"batches of {size}")
    for name, rate in medians.items():
        ratio = "" if rate == journal else f"   journal is {journal / rate:.2f}x"
        print(f"  {name:26} {rate:10,.0f} events/s{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="times the default number of batches")
    arguments = parser.parse_args()
    for size, count in ((1, 3000), (100, 400)):
        compare(size, make_batches(int(count * arguments.scale), size), arguments.rounds)


if __name__ == "__main__":
    main()
