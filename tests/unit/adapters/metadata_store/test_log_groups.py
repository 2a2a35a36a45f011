"""What every batch of log events asks for is read once, and anew after every change."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opentrail.adapters.metadata_store import Database, SqlLogGroups, open_database
from opentrail.resource.log_group import METRIC_FILTER, LogFilter, LogGroup, LogStream
from tests.builders import ACCOUNT, NOON, REGION
from tests.support.metadata import Reads

GROUP = LogGroup("g1", ACCOUNT, REGION, "audit", NOON)
STREAM = LogStream("s1", "one", NOON)
FILTER = LogFilter(METRIC_FILTER, "root", NOON, {"filterPattern": "root"})


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    yield opened
    await opened.close()


async def ask(groups: SqlLogGroups) -> tuple[object, ...]:
    return (
        await groups.group(ACCOUNT, REGION, "audit"),
        await groups.group_of("g1"),
        await groups.stream("g1", "one"),
        list(await groups.filters("g1", METRIC_FILTER)),
    )


async def test_batch_reads_nothing_that_the_last_one_read(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, reads = SqlLogGroups(database, lambda: 0.0), Reads(database, monkeypatch)
    await groups.create(GROUP)
    await groups.create_stream("g1", STREAM)
    await groups.put_filter("g1", FILTER)

    found = [await ask(groups) for _ in range(3)]

    assert found == [(GROUP, GROUP, STREAM, [FILTER])] * 3
    assert reads.count == 4


async def test_each_change_is_seen_by_the_next_batch(database: Database) -> None:
    groups = SqlLogGroups(database)
    found = [await ask(groups)]
    await groups.create(GROUP)
    found.append(await ask(groups))
    await groups.create_stream("g1", STREAM)
    found.append(await ask(groups))
    await groups.put_filter("g1", FILTER)
    found.append(await ask(groups))
    await groups.delete_filter("g1", METRIC_FILTER, "root")
    await groups.delete_stream("g1", "one")
    found.append(await ask(groups))
    await groups.delete("g1")
    found.append(await ask(groups))

    assert found == [
        (None, None, None, []),
        (GROUP, GROUP, None, []),
        (GROUP, GROUP, STREAM, []),
        (GROUP, GROUP, STREAM, [FILTER]),
        (GROUP, GROUP, None, []),
        (None, None, None, []),
    ]
