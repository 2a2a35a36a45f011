"""The asynchronous side: sealing goes on beside storing and looking up, and refuses rather than grows."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.event_history import local
from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.segment_making import SegmentMaker
from opentrail.ports import Unavailable
from opentrail.ports.event_history import HistoryEvent, LookupKey, LookupQuery
from opentrail.ports.journal import Position

START = datetime(2024, 5, 10, tzinfo=UTC)
QUERY = LookupQuery("1", "r", ((LookupKey.READ_ONLY, "true"),), max_results=100_000)


def some_events(numbers: range) -> list[HistoryEvent]:
    return [
        HistoryEvent(
            event={"eventID": f"id-{number:06}"},
            account_id="1",
            region="r",
            event_id=f"id-{number:06}",
            event_time=START + timedelta(seconds=number),
            attributes=((LookupKey.READ_ONLY, "true"),),
        )
        for number in numbers
    ]


async def test_lookups_beside_sealing_and_joining_see_each_event_exactly_once(tmp_path: Path) -> None:
    history = await LocalEventHistory.open(tmp_path, seal_events=40, segment_rows=400)
    stored = 0
    is_done = False

    async def look() -> int:
        lookups = 0
        while not is_done:
            at_least = stored
            page = await history.lookup(QUERY)
            found = [orjson.loads(event)["eventID"] for event in page.events]
            assert found == [f"id-{number:06}" for number in reversed(range(len(found)))]
            assert len(found) >= at_least
            lookups += 1
        return lookups

    looking = asyncio.create_task(look())
    for start in range(0, 2_000, 20):
        await history.store(some_events(range(start, start + 20)), Position(f"{start:06}"))
        stored = start + 20
    await history.settle()
    is_done = True

    assert await looking > 1
    assert len((await history.lookup(QUERY)).events) == 2_000
    await history.close()


async def test_a_history_that_cannot_seal_refuses_events_instead_of_growing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(local, "_RETRY_SEALING_SECONDS", 0.0)
    history = await LocalEventHistory.open(tmp_path, seal_events=10)
    with monkeypatch.context() as patched:
        patched.setattr(SegmentMaker, "_make", refuse)
        for start in range(0, 40, 10):
            await history.store(some_events(range(start, start + 10)), Position("1"))
        with pytest.raises(Unavailable):
            await history.store(some_events(range(40, 50)), Position("2"))

    await history.store(some_events(range(40, 50)), Position("2"))

    assert len((await history.lookup(QUERY)).events) == 50
    assert await history.cursor() == "2"
    await history.close()


async def test_a_damaged_segment_makes_lookups_unavailable(tmp_path: Path) -> None:
    history = await LocalEventHistory.open(tmp_path, seal_events=10)
    await history.store(some_events(range(10)), Position("1"))
    await history.settle()
    await history.close()
    (path,) = (tmp_path / "segments").iterdir()
    data = bytearray(path.read_bytes())
    data[120] ^= 0xFF
    path.write_bytes(data)
    history = await LocalEventHistory.open(tmp_path)

    with pytest.raises(Unavailable, match=path.name):
        await history.lookup(QUERY)
    await history.close()


async def test_events_and_cursor_are_there_after_opening_again(tmp_path: Path) -> None:
    history = await LocalEventHistory.open(tmp_path)
    await history.store(some_events(range(5)), Position("p5"))
    await history.close()

    history = await LocalEventHistory.open(tmp_path)

    assert await history.cursor() == "p5"
    assert len((await history.lookup(QUERY)).events) == 5
    await history.close()
