"""Event history as Parquet files: its events within the times asked for, and nothing left behind."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from opentrail.adapters.lake_table import history as history_module
from opentrail.adapters.lake_table.history import HistoryFiles
from opentrail.pipeline.history import history_event
from opentrail.ports.journal import Position
from tests.builders import ACCOUNT, NOON, an_event
from tests.memory.event_history import InMemoryEventHistory

EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


async def a_history(count: int) -> InMemoryEventHistory:
    history = InMemoryEventHistory()
    events = []
    for at in range(count):
        region = ("us-east-1", "eu-west-1")[at % 2]
        when = (NOON + timedelta(minutes=at)).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = an_event(eventID=f"aaaaaaaa-bbbb-4ccc-8ddd-{at:012d}", awsRegion=region, eventTime=when)
        events.append(history_event(event))
    await history.store(events, Position("1"))
    return history


async def regions() -> Sequence[str]:
    return ["eu-west-1", "us-east-1", "us-west-2"]


async def test_all_regions_are_read_page_by_page_and_the_files_go(tmp_path: Path, monkeypatch: object) -> None:
    setattr(history_module, "PAGE_EVENTS", 7)  # noqa: B010
    table = HistoryFiles(await a_history(40), regions, tmp_path)

    async with table.files(ACCOUNT, *EVER) as files:
        ids = [row for file in files for row in pq.read_table(file.location)["eventid"].to_pylist()]
        rows = sum(file.rows for file in files)

    assert len(set(ids)) == rows == 40
    assert list(tmp_path.iterdir()) == []


async def test_only_the_times_asked_for_are_read(tmp_path: Path) -> None:
    table = HistoryFiles(await a_history(40), regions, tmp_path)

    async with table.files(ACCOUNT, NOON + timedelta(minutes=3), NOON + timedelta(minutes=5)) as files:
        assert sum(file.rows for file in files) == 3


async def test_another_account_has_no_file(tmp_path: Path) -> None:
    async with HistoryFiles(await a_history(4), regions, tmp_path).files("999999999999", *EVER) as files:
        assert files == ()
