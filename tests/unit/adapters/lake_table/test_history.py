"""Event history as Parquet files: its events, made once for each sealed segment, and nothing left behind."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.adapters.event_history.segment import join_block
from opentrail.adapters.lake_table.history import CACHE, HistoryFiles
from opentrail.pipeline.history import history_event
from opentrail.ports import Unavailable
from opentrail.ports.history_table import HistoryTable
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import LakeFile
from opentrail.wiring.querying import HISTORY_WORKER
from tests.builders import ACCOUNT, NOON, an_event

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
SEALED, DAYS = 30, 3


async def store(history: LocalEventHistory, numbers: range) -> None:
    """Store events, each a day after the one before, day after day of DAYS, in two Regions."""
    events = [
        history_event(
            an_event(
                eventID=f"aaaaaaaa-bbbb-4ccc-8ddd-{at:012d}",
                awsRegion=("us-east-1", "eu-west-1")[at % 2],
                eventTime=(NOON + timedelta(days=at % DAYS, minutes=at)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
        )
        for at in numbers
    ]
    await history.store(events, Position(f"{numbers.stop:03d}"))
    await history.settle()


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[LocalEventHistory]:
    """A history with a sealed segment for each of three days, and a tail of four events."""
    opened = await LocalEventHistory.open(tmp_path / "history", seal_events=SEALED)
    await store(opened, range(SEALED))
    await store(opened, range(SEALED, SEALED + 4))
    yield opened
    await opened.close()


def a_table(history: LocalEventHistory, folder: Path, max_cache_bytes: int = 1 << 30) -> HistoryFiles:
    return HistoryFiles(history.open_segments, join_block, HISTORY_WORKER, folder / "queries", max_cache_bytes)


async def ids_of(table: HistoryTable, account: str = ACCOUNT) -> list[str]:
    async with table.files(account, *EVER) as files:
        found = read(files)
        assert sum(file.rows for file in files) == len(found)
    return found


def read(files: Sequence[LakeFile]) -> list[str]:
    return [row for file in files for row in pq.read_table(file.location)["eventid"].to_pylist()]


def cached(folder: Path) -> dict[str, int]:
    """Return the files of the cache and when each was made."""
    return {path.name: path.stat().st_ctime_ns for path in (folder / "queries" / CACHE).rglob("*.parquet")}


async def test_every_event_is_there_once_and_what_is_sealed_is_made_once(
    tmp_path: Path, history: LocalEventHistory
) -> None:
    table = a_table(history, tmp_path)

    first = await ids_of(table)
    made = {name: (tmp_path / "queries" / CACHE).rglob(name).__next__().stat().st_ino for name in cached(tmp_path)}
    second = await ids_of(table)

    assert len(set(first)) == len(first) == SEALED + 4
    assert sorted(second) == sorted(first)
    assert len(made) == DAYS
    assert made == {name: next((tmp_path / "queries" / CACHE).rglob(name)).stat().st_ino for name in made}
    assert [path.name for path in (tmp_path / "queries").iterdir()] == [CACHE]


async def test_only_segments_of_the_times_asked_for_are_made(tmp_path: Path, history: LocalEventHistory) -> None:
    since = NOON + timedelta(days=1)

    async with a_table(history, tmp_path).files(ACCOUNT, since, since + timedelta(hours=2)) as files:
        sealed = [file for file in files if "tail" not in file.location]

    assert [file.rows for file in sealed] == [SEALED // DAYS]
    assert len(cached(tmp_path)) == 1


async def test_the_cache_keeps_to_its_bound_while_a_query_keeps_its_files(
    tmp_path: Path, history: LocalEventHistory
) -> None:
    async with a_table(history, tmp_path, max_cache_bytes=1).files(ACCOUNT, *EVER) as files:
        assert cached(tmp_path) == {}
        assert len(read(files)) == SEALED + 4


async def test_what_history_has_no_more_goes_from_the_cache(tmp_path: Path, history: LocalEventHistory) -> None:
    table = a_table(history, tmp_path)
    await ids_of(table)

    await history.expire(NOON + timedelta(days=1, hours=12))
    await table.forget()

    assert len(cached(tmp_path)) == DAYS - 2
    assert len(await ids_of(table)) < SEALED


async def test_another_account_has_no_event(tmp_path: Path, history: LocalEventHistory) -> None:
    assert await ids_of(a_table(history, tmp_path), "999999999999") == []


async def test_a_process_that_ends_by_itself_fails_the_query_and_leaves_nothing_half_done(
    tmp_path: Path, history: LocalEventHistory
) -> None:
    table = HistoryFiles(history.open_segments, join_block, "opentrail.wiring.absent", tmp_path / "queries")

    with pytest.raises(Unavailable, match="ended by itself"):
        await ids_of(table)

    assert cached(tmp_path) == {}
    assert [path.name for path in (tmp_path / "queries").iterdir()] == [CACHE]
