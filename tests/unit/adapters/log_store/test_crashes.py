"""What the log store answered for is there after a kill, once, whatever the process was doing."""

import signal
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from opentrail.adapters.log_store import day_file
from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.ports.log_store import LogEvent, LogRange

KILLS = 5
NOON_MS = 1_795_176_000_000
"""Of 20 November 2026."""
ACKNOWLEDGED_BEFORE_A_KILL = 12

WRITER = """
import asyncio, json, sys
from pathlib import Path
from opentrail.adapters.log_store.local import LocalLogStore
from opentrail.ports.journal import Position
from opentrail.ports.log_store import LogEvent

DAY = 86_400_000

async def write(folder, first):
    store = LocalLogStore(Path(folder))
    number = first
    while True:
        # As a delivery does: what may or may not have been stored is handed in again, over two days at a time.
        events = [
            LogEvent("s", 20_000 * DAY + DAY * (each % 2), 0, str(each), Position(f"{each:09d}"))
            for each in range(max(0, number - 20), number + 10)
        ]
        await store.append("g", events, reader="trail")
        number += 10
        print(json.dumps(number), flush=True)

asyncio.run(write(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.slow
async def test_every_acknowledged_event_is_there_once_after_each_kill(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(KILLS):
        acknowledged = _write_until_killed(tmp_path, acknowledged)

        store = LocalLogStore(tmp_path)
        stored = [int(event.message) for event in await store.read(LogRange("g"), 10_000)]
        figures = await store.figures("g")
        await store.close()

        assert len(stored) == len(set(stored))
        assert set(range(acknowledged)) <= set(stored)
        assert figures["s"].stored_bytes == sum(len(str(number)) + 26 for number in stored)


async def test_day_that_a_kill_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    for suffix in ("", "-wal"):
        (tmp_path / "g" / f"2026-11-20.sqlite.new{suffix}").write_bytes(b"half a file")
    store = LocalLogStore(tmp_path)

    before = await store.days("g")
    await store.append("g", [LogEvent("s", NOON_MS, NOON_MS, "one")])
    stored = await store.read(LogRange("g"), 10)
    after = await store.days("g")
    await store.close()

    assert (list(before), list(after)) == ([], [date(2026, 11, 20)])
    assert [event.message for event in stored] == ["one"]
    assert not list((tmp_path / "g").glob("*.new*"))


async def test_nothing_of_an_expired_day_comes_back_with_the_next_file_of_it(tmp_path: Path) -> None:
    """A kill in the middle of expiring leaves the WAL, which SQLite would read into whatever has the file's name."""
    first, day = LocalLogStore(tmp_path), tmp_path / "g" / "2026-11-20.sqlite"
    await first.append("g", [LogEvent("s", NOON_MS, NOON_MS, str(number)) for number in range(50)])
    wal = day.with_name(day.name + "-wal").read_bytes()
    await first.close()
    day.unlink()
    day.with_name(day.name + "-wal").write_bytes(wal)

    store = LocalLogStore(tmp_path)
    await store.append("g", [LogEvent("s", NOON_MS, NOON_MS, "new")])
    stored = await store.read(LogRange("g"), 100)
    await store.close()

    assert len(wal) > 0
    assert [event.message for event in stored] == ["new"]


async def test_day_is_found_once_it_has_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    upgraded = day_file._upgraded

    def noting(path: Path) -> sqlite3.Connection:
        found.append(sorted(each.name for each in path.parent.glob("*.sqlite")))
        connection = upgraded(path)
        found.append(sorted(each.name for each in path.parent.glob("*.sqlite")))
        return connection

    monkeypatch.setattr(day_file, "_upgraded", noting)
    store = LocalLogStore(tmp_path)
    await store.append("g", [LogEvent("s", NOON_MS, NOON_MS, "one")])
    await store.close()

    day = ["2026-11-20.sqlite"]
    assert found == [[], [], day, day]


async def test_what_a_kill_left_half_made_goes_with_what_expires(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    for suffix in ("", "-wal"):
        (tmp_path / "g" / f"2026-11-20.sqlite.new{suffix}").write_bytes(b"half a file")
    store = LocalLogStore(tmp_path)

    await store.expire("g", date(2026, 11, 1))
    await store.close()

    assert not list((tmp_path / "g").iterdir())


def _write_until_killed(folder: Path, first: int) -> int:
    """Have a process write from ``first`` on and kill it; return what it was told to be stored."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = first
        for _ in range(ACKNOWLEDGED_BEFORE_A_KILL):
            told = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
    return max([told, *(int(line) for line in rest if line.isdigit())])
