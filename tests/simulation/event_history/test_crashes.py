"""SIGKILL at any step of feeding, sealing, joining and expiring loses no event of the history and doubles none."""

import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.ports.event_history import LookupQuery
from opentrail.ports.journal import START, EventEntry
from tests.simulation.event_history.stream import (
    ACCOUNT,
    EVENTS,
    REGION,
    SEAL_EVENTS,
    SEGMENT_ROWS,
    event_id,
    filled_journal,
)

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).parent / "feeding_child.py"
KEPT_FROM = datetime(2024, 5, 8, tzinfo=UTC)
"""The child expires what is older at its end, so that a crash may fall before or after it."""


def run_child(folder: Path, kill_at: int) -> int:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, str(CHILD), str(folder), str(kill_at)],
        env=environment,
        cwd=ROOT,
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert child.returncode in (0, -signal.SIGKILL), child.stderr
    return child.returncode


async def stored(folder: Path) -> tuple[list[str], int]:
    """Return the ids of all events kept for good in the history, and how many journal entries its cursor passed."""
    history = await LocalEventHistory.open(folder, seal_events=SEAL_EVENTS, segment_rows=SEGMENT_ROWS)
    query = LookupQuery(ACCOUNT, REGION, max_results=2 * EVENTS, start_time=KEPT_FROM)
    page = await history.lookup(query)
    cursor = await history.cursor()
    await history.close()
    journal = await filled_journal()
    passed = 0
    async for entries in journal.read(START, until=journal.head()):
        passed += sum(position <= cursor for position, _ in entries)
    return [orjson.loads(event)["eventID"] for event in page.events], passed


async def expected(count: int) -> list[str]:
    """Return the ids that a history holds, sorted, once it has read ``count`` entries."""
    journal = await filled_journal()
    events = [orjson.loads(entry.event) for entry in journal.entries()[:count] if isinstance(entry, EventEntry)]
    return sorted(event["eventID"] for event in events if event["eventTime"] >= "2024-05-08")


async def crash_and_check(tmp_path: Path, seed: int, kills: int) -> None:
    """Kill ``kills`` processes and check after each; a process that ends before its step hands on to a new folder."""
    rng = random.Random(seed)
    killed = folders = 0
    while killed < kills:
        folder = tmp_path / f"history-{folders}"
        folders += 1
        while killed < kills and run_child(folder, rng.randrange(1, 300)) != 0:
            killed += 1
            found, passed = await stored(folder)
            assert sorted(found) == await expected(passed), f"after kill {killed} of seed {seed}"
        assert run_child(folder, 0) == 0
        found, passed = await stored(folder)
        assert passed == EVENTS
        assert sorted(found) == await expected(EVENTS)
        assert event_id(EVENTS - 1) in found


async def test_killed_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    await crash_and_check(tmp_path, seed=0, kills=4)


@pytest.mark.simulate
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1, 41))
async def test_two_hundred_killed_processes_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    await crash_and_check(tmp_path, seed, kills=5)
