"""What every store of archived events, and of replays, promises, whatever it is built on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.event_archive import local
from opentrail.adapters.event_archive.local import LocalEventArchives
from opentrail.ports import Unavailable
from opentrail.ports.event_archives import ArchivedEvent, ArchiveSize, EventArchiveStore
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.event_archive import EventArchive, EventReplay, ReplayState, event_archive_arn, event_replay_arn
from opentrail.resource.event_bus import event_bus_arn
from tests.builders import NOON
from tests.memory.event_archives import InMemoryEventArchives
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"


def an_archive(name: str = "a", **changes: Any) -> EventArchive:
    bus = event_bus_arn(REGION, ACCOUNT, "orders")
    made = EventArchive(event_archive_arn(REGION, ACCOUNT, name), name, ACCOUNT, REGION, f"id-{name}", bus, NOON)
    return replace(made, **changes)


def a_replay(name: str = "r", **changes: Any) -> EventReplay:
    archive = an_archive()
    made = EventReplay(
        event_replay_arn(REGION, ACCOUNT, name),
        name,
        ACCOUNT,
        REGION,
        archive.arn,
        archive.archive_id,
        archive.bus_arn,
        NOON - timedelta(hours=1),
        NOON,
        NOON,
    )
    return replace(made, **changes)


def an_event(number: int, at: int = 100, **changes: Any) -> ArchivedEvent:
    return replace(ArchivedEvent(f"e{number}", at, 1000 + number, b'{"number":%d}' % number), **changes)


@pytest.fixture(params=["memory", "local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventArchiveStore]:
    if request.param == "memory":
        yield InMemoryEventArchives()
        return
    opened = LocalEventArchives(tmp_path / "archives")
    yield opened
    await opened.close()


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


async def numbers(store: EventArchiveStore, start: int = 0, end: int = 1000, limit: int = 99) -> list[bytes]:
    return [event for _, event in await store.read("a", start, end, None, limit)]


async def test_events_are_read_by_time_then_arrival_a_page_after_the_other(store: EventArchiveStore) -> None:
    for number, at in ((1, 200), (2, 100), (3, 100), (4, 300)):
        await store.keep("a", an_event(number, at))

    first = await store.read("a", 100, 300, None, 2)
    rest = await store.read("a", 100, 300, first[-1][0], 2)

    assert [event for _, event in [*first, *rest]] == [b'{"number":2}', b'{"number":3}', b'{"number":1}']
    assert await numbers(store, 300, 301) == [b'{"number":4}']
    assert await numbers(store, 101, 200) == []
    assert await store.read("b", 0, 1000, None, 9) == []


async def test_an_event_that_comes_again_is_kept_once(store: EventArchiveStore) -> None:
    await asyncio.gather(*(store.keep("a", an_event(number % 3)) for number in range(9)))

    assert len(await numbers(store)) == 3
    assert await store.size("a") == ArchiveSize(3, 3 * len(b'{"number":0}'))
    assert await store.size("b") == ArchiveSize()


async def test_what_is_past_its_time_is_dropped(store: EventArchiveStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "EXPIRED_AT_A_TIME", 2)
    for number in range(7):
        await store.keep("a", an_event(number))

    await store.expire("a", 1005)
    await store.expire("b", 1005)

    assert await numbers(store) == [b'{"number":5}', b'{"number":6}']
    assert (await store.size("a")).events == 2


async def test_a_deleted_archive_is_empty_and_leaves_the_others(store: EventArchiveStore) -> None:
    for archive in "ab":
        await store.keep(archive, an_event(1))

    await store.delete("b")
    await store.delete("never")

    assert (await store.size("b"), (await store.size("a")).events) == (ArchiveSize(), 1)
    assert await store.unchanged_since(datetime.now(UTC) + timedelta(hours=1)) == ["a"]
    assert await store.unchanged_since(datetime.fromtimestamp(0, UTC)) == []


async def test_what_was_kept_is_there_after_a_new_start(tmp_path: Path) -> None:
    before = LocalEventArchives(tmp_path)
    await before.keep("a", an_event(1))
    await before.close()

    after = LocalEventArchives(tmp_path)
    await after.keep("a", an_event(1))
    assert len(await numbers(after)) == 1
    await after.close()
    with pytest.raises(Unavailable):
        await after.keep("a", an_event(2))


async def test_more_archives_than_files_may_be_open_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_OPEN", 2)
    store = LocalEventArchives(tmp_path)
    for number in range(12):
        await store.keep(f"a{number % 4}", an_event(number))

    assert [(await store.size(f"a{number}")).events for number in range(4)] == [3] * 4
    await store.close()


async def test_a_file_that_is_none_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database" * 1000)
    store = LocalEventArchives(tmp_path)

    for asked in (store.keep("a", an_event(1)), store.size("a"), store.expire("a", 9)):
        with pytest.raises(Unavailable, match="failed"):
            await asked
    await store.close()


async def test_applied_archives_show_by_name_and_place(stores: MetadataStores) -> None:
    far = an_archive("far", region="eu-west-1", arn=event_archive_arn("eu-west-1", ACCOUNT, "far"))
    shown = [an_archive("b", pattern='{"source":["a"]}', retention_days=7), an_archive("a"), far]
    for number, archive in enumerate(shown):
        await stores.trails.apply(Position(f"{number}"), SettingsEntry(archive.arn, archive.to_json()))

    assert await stores.event_rules.event_archives(ACCOUNT, REGION) == [shown[1], shown[0]]
    assert await stores.event_rules.event_archive(far.arn) == far
    assert len(await stores.event_rules.all_event_archives()) == 3
    await stores.trails.apply(Position("9"), SettingsEntry(far.arn, None))
    assert await stores.event_rules.event_archive(far.arn) is None


async def test_replays_show_until_they_are_forgotten(stores: MetadataStores) -> None:
    woken: list[bool] = []
    stores.event_replays.watch(lambda: woken.append(True))
    ended = a_replay("a", state=ReplayState.COMPLETED, ended_at=NOON, through=(5, 7), rules=("x",))
    for replay in (a_replay("b"), ended):
        await stores.event_replays.put(replay)

    assert await stores.event_replays.all(ACCOUNT, REGION) == [ended, a_replay("b")]
    assert await stores.event_replays.under_way() == [a_replay("b")]
    assert await stores.event_replays.get(ended.arn) == ended
    assert woken == [True, True]
    await stores.event_replays.forget(NOON)
    assert await stores.event_replays.get(ended.arn) == ended
    await stores.event_replays.forget(NOON + timedelta(seconds=1))
    assert await stores.event_replays.all(ACCOUNT, REGION) == [a_replay("b")]


async def test_a_replay_that_was_changed_meanwhile_does_not_advance(stores: MetadataStores) -> None:
    await stores.event_replays.put(a_replay())
    moved = a_replay(state=ReplayState.RUNNING, through=(5, 7))

    assert await stores.event_replays.advance(a_replay(), moved)
    assert not await stores.event_replays.advance(a_replay(), a_replay(state=ReplayState.COMPLETED, ended_at=NOON))
    assert not await stores.event_replays.advance(a_replay("none"), moved)

    assert await stores.event_replays.get(a_replay().arn) == moved
