"""Kills a process that loads a journal, again and again, and holds the journal to everything it promised."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opentrail.adapters.journal.local import LocalJournal
from opentrail.ports.journal import START, CallId, EventEntry, Position

ROOT = Path(__file__).parents[2]
LIVES = 3
"""Processes killed one after another on the same folder."""


@dataclass
class Promises:
    """What processes were promised before they were killed."""

    appended: dict[str, tuple[int, Position]] = field(default_factory=dict)
    opened: dict[str, CallId] = field(default_factory=dict)
    closing: set[str] = field(default_factory=set)
    closed: dict[str, Position] = field(default_factory=dict)

    def note(self, line: str) -> None:
        match line.split(" "):
            case ["appended", name, size, position]:
                self.appended[name] = (int(size), Position(position))
            case ["opened", name, call]:
                self.opened[name] = CallId(call)
            case ["closing", name]:
                self.closing.add(name)
            case ["closed", name, position]:
                self.closed[name] = Position(position)
            case _:
                raise AssertionError(line)


def load_and_kill(folder: Path, life: int, seed: random.Random, promises: Promises) -> None:
    """Run one process and kill it at a moment drawn from ``seed``."""
    segment_bytes = seed.choice((30_000, 300_000, 1 << 30))
    command = [sys.executable, "-m", "tests.simulation.journal_load", str(folder), str(life), str(segment_bytes)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    lines_before = seed.randrange(400)
    said = [process.stdout.readline() for _ in range(lines_before)]
    time.sleep(seed.random() * 0.01)
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    assert process.wait() == -signal.SIGKILL
    for line in said:
        if line.endswith(b"\n"):
            promises.note(line.decode().strip())


async def check(folder: Path, promises: Promises) -> None:
    journal = await LocalJournal.open(folder)
    try:
        assert not journal.was_clean_shutdown()
        stored = [item async for page in journal.read(START, until=journal.head()) for item in page]
        abandoned = {call.event.decode(): call.id for call in await journal.abandoned_calls()}
    finally:
        await journal.close()
    names = [entry.event.split(b" ")[0].decode() for _, entry in stored if isinstance(entry, EventEntry)]
    assert len(names) == len(stored)
    check_entries(names, [position for position, _ in stored], promises)
    check_calls(Counter(names), abandoned, promises)


def check_entries(names: list[str], positions: list[Position], promises: Promises) -> None:
    assert positions == sorted(set(positions))
    assert max(Counter(names).values(), default=1) == 1
    where = {name: index for index, name in enumerate(names)}
    for name, (size, position) in promises.appended.items():
        end = where[f"{name}.{size - 1}"]
        assert names[end - size + 1 : end + 1] == [f"{name}.{n}" for n in range(size)]
        assert positions[end] == position
    for name, position in promises.closed.items():
        assert positions[where[f"{name}.0"]] == position
    by_caller: dict[str, list[int]] = {}
    for name in names:
        caller, _, number = name.split(".")[0].rpartition("-")
        by_caller.setdefault(caller, []).append(int(number))
    assert all(numbers == sorted(numbers) for numbers in by_caller.values())


def check_calls(stored: Counter[str], abandoned: dict[str, CallId], promises: Promises) -> None:
    for name, call in promises.opened.items():
        is_stored = stored[f"{name}.0"] == 1
        if name in promises.closed:
            assert is_stored
            assert name not in abandoned
        elif name in promises.closing:
            assert is_stored != (name in abandoned)
        else:
            assert not is_stored
            assert abandoned[name] == call


async def run(folder: Path, seed_number: int) -> Promises:
    seed = random.Random(seed_number)
    promises = Promises()
    for life in range(LIVES):
        await asyncio.to_thread(load_and_kill, folder, life, seed, promises)
        await check(folder, promises)
    return promises


@pytest.mark.parametrize("seed", range(2))
async def test_killing_the_owner_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    promises = await run(tmp_path / "journal", seed)

    assert promises.appended
    assert promises.opened


@pytest.mark.simulate
@pytest.mark.parametrize("seed", range(100, 140))
async def test_killing_the_owner_many_times_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    await run(tmp_path / "journal", seed)
