"""What PutAuditEvents asks for each time is read once, and anew after every change."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opentrail.adapters.metadata_store import Database, SqlEventDataStores, open_database
from opentrail.ports import Unavailable
from opentrail.ports.event_data_stores import LakeReaderState
from opentrail.ports.journal import Position
from tests.support.metadata import Reads

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:channel/22222222-2222-4222-8222-222222222222"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    yield opened
    await opened.close()


async def test_those_who_ask_at_once_share_one_read(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, reads = SqlEventDataStores(database, lambda: 0.0), Reads(database, monkeypatch)

    found = await asyncio.gather(*(stores.resource_policy(ARN) for _ in range(20)), stores.channel(ARN))

    assert found == [*[""] * 20, None]
    assert reads.count == 2


async def test_policy_is_read_anew_once_it_is_changed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, reads = SqlEventDataStores(database, lambda: 0.0), Reads(database, monkeypatch)

    asked = [asyncio.create_task(stores.resource_policy(ARN)) for _ in range(3)]
    await asyncio.sleep(0)
    await stores.set_resource_policy(ARN, '{"Version":"2012-10-17"}')

    assert await stores.resource_policy(ARN) == '{"Version":"2012-10-17"}'
    await asyncio.gather(*asked)
    assert await stores.resource_policy(ARN) == '{"Version":"2012-10-17"}'
    assert reads.count == 2


async def test_reader_that_moves_on_makes_nobody_read_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, reads = SqlEventDataStores(database, lambda: 0.0), Reads(database, monkeypatch)

    await stores.channel(ARN)
    await stores.move_reader(LakeReaderState(ARN, Position("1" * 16), None))
    await stores.channel(ARN)

    assert reads.count == 1


async def test_read_that_fails_fails_for_all_who_wait_and_is_tried_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, reads = SqlEventDataStores(database, lambda: 0.0), Reads(database, monkeypatch)

    reads.is_failing = True
    found = await asyncio.gather(*(stores.channel(ARN) for _ in range(3)), return_exceptions=True)
    reads.is_failing = False

    assert [type(one) for one in found] == [Unavailable] * 3
    assert await stores.channel(ARN) is None
    assert reads.count == 2
