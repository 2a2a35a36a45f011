from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from opentrail.pipeline.lake_reader import MAX_FRESH_EVENTS, MAX_LAG_ENTRIES
from opentrail.ports.journal import LIVE, EventEntry, EventsEntry, Position, SettingsEntry
from opentrail.ports.lake_table import TableNotFound
from opentrail.resource.event_data_store import EventDataStore, Status, event_data_store_arn
from tests.builders import ACCOUNT, NOON, REGION, World
from tests.memory.lake_table import InMemoryLakeTable, Rows

ID = "11111111-1111-4111-8111-111111111111"


def a_store(**changes: Any) -> EventDataStore:
    return replace(
        EventDataStore(
            arn=event_data_store_arn(REGION, ACCOUNT, ID),
            name="audit",
            account_id=ACCOUNT,
            home_region=REGION,
            created_at=NOON,
            updated_at=NOON,
        ),
        **changes,
    )


async def put_store(world: World, store: EventDataStore | None, arn: str = "") -> None:
    entry = SettingsEntry(store.arn if store else arn, store.to_json() if store else None)
    await world.trails.apply(await world.journal.append([entry]), entry)


async def record(world: World, event_id: str, audience: str = LIVE, **changes: Any) -> Position:
    event = {
        "eventTime": world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventID": event_id,
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    return await world.journal.append([EventEntry(orjson.dumps(event | changes), audience)])


def kept(world: World, store: EventDataStore | None = None) -> list[str]:
    table = world.tables.tables.get((store or a_store()).arn, InMemoryLakeTable())
    return [orjson.loads(one)["eventID"] for one in table.records]


async def seen(world: World) -> list[str]:
    """Return the ids that a query sees: those committed, and those that are not yet."""
    snapshot = await world.lake.snapshot(a_store().arn)
    fresh = snapshot.fresh.records if isinstance(snapshot.fresh, Rows) else []
    assert len(fresh) == snapshot.fresh_rows
    return kept(world) + [orjson.loads(one)["eventID"] for one in fresh]


async def test_store_keeps_what_its_selectors_pick_from_its_creation_on() -> None:
    world = World()
    await record(world, "before")
    await put_store(world, a_store())
    await record(world, "management")
    await record(world, "data", eventCategory="Data")
    await record(world, "elsewhere", awsRegion="eu-west-1")
    await record(world, "stranger", recipientAccountId="999999999999")

    await world.lake.flush()

    assert kept(world) == ["management", "elsewhere"]


async def test_store_of_one_region_keeps_that_regions_events() -> None:
    world = World()
    await put_store(world, a_store(is_multi_region=False))
    await record(world, "here")
    await record(world, "elsewhere", awsRegion="eu-west-1")

    await world.lake.flush()

    assert kept(world) == ["here"]


async def test_event_for_one_store_alone_is_kept_whatever_its_selectors_say() -> None:
    world = World()
    other = a_store(arn=event_data_store_arn(REGION, ACCOUNT, ID[:-1] + "2"))
    await put_store(world, a_store())
    await put_store(world, other)
    await record(world, "mine", a_store().arn, eventCategory="ActivityAuditLog")

    await world.lake.flush()

    assert (kept(world), kept(world, other)) == (["mine"], [])


async def test_stopped_store_keeps_nothing_until_it_is_started() -> None:
    world = World()
    await put_store(world, a_store())
    await record(world, "first")
    await put_store(world, a_store(status=Status.STOPPED_INGESTION))
    await record(world, "second")
    await put_store(world, a_store())
    await record(world, "third")

    await world.lake.flush()

    assert kept(world) == ["first", "third"]


async def test_events_are_seen_before_they_are_committed_and_once_after() -> None:
    world = World()
    await put_store(world, a_store())
    await record(world, "first")

    await world.lake.tick(world.clock.now())
    assert kept(world) == []
    assert await seen(world) == ["first"]

    world.clock.advance(11)
    await world.lake.tick(world.clock.now())
    assert kept(world) == await seen(world) == ["first"]


async def test_commit_is_due_when_enough_events_wait() -> None:
    world = World()
    await put_store(world, a_store())
    for number in range(MAX_FRESH_EVENTS + 1):
        await record(world, str(number))

    await world.lake.tick(world.clock.now())

    assert len(kept(world)) == MAX_FRESH_EVENTS


async def record_audit(world: World, event_ids: list[str], audience: str) -> None:
    now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    events = [{"eventTime": now, "eventID": event_id} for event_id in event_ids]
    await world.journal.append([EventsEntry(b"\n".join(map(orjson.dumps, events)), audience)])


async def test_events_of_one_entry_are_kept_each_by_the_store_that_it_names() -> None:
    world = World()
    other = a_store(arn=event_data_store_arn(REGION, ACCOUNT, ID[:-1] + "2"))
    await put_store(world, a_store())
    await put_store(world, other)
    await record_audit(world, ["first", "second"], a_store().arn)
    await record_audit(world, ["third"], other.arn)

    assert await seen(world) == ["first", "second"]
    await world.lake.flush()

    assert (kept(world), kept(world, other)) == (["first", "second"], ["third"])


async def test_events_of_one_entry_are_never_in_two_commits() -> None:
    world = World()
    await put_store(world, a_store())
    for number in range(102):
        await record_audit(world, [f"{number}-{at}" for at in range(99)], a_store().arn)

    await world.lake.tick(world.clock.now())

    assert len(kept(world)) == MAX_FRESH_EVENTS // 99 * 99
    assert len(await seen(world)) == 102 * 99


async def test_store_lets_go_of_the_many_events_that_are_in_few_entries_of_another() -> None:
    world = World()
    await put_store(world, a_store())
    other, lines = event_data_store_arn(REGION, ACCOUNT, ID[:-1] + "2"), b"x" * (1024 * 1024)
    for _ in range(MAX_LAG_ENTRIES // 1024 + 1):
        last = await world.journal.append([EventsEntry(lines, other)])

    for _ in range(3):
        await world.lake.tick(world.clock.now())

    assert world.lake.holds() == last


async def test_journal_is_held_until_what_a_store_wants_is_committed() -> None:
    world = World()
    await put_store(world, a_store())
    before = world.journal.head()
    last = await record(world, "first")

    for _ in range(3):
        await world.lake.tick(world.clock.now())
    assert world.lake.holds() == before

    world.clock.advance(11)
    await world.lake.tick(world.clock.now())
    assert world.lake.holds() == last


async def test_event_outside_the_retention_is_set_aside() -> None:
    world = World()
    await put_store(world, a_store(retention_days=7))
    old = world.clock.now() - timedelta(days=8)
    await record(world, "old", eventTime=old.strftime("%Y-%m-%dT%H:%M:%SZ"))
    await record(world, "new")

    await world.lake.flush()

    assert kept(world) == ["new"]
    assert len(world.tables.tables[a_store().arn].aside) == 1


async def test_store_that_is_gone_leaves_no_table() -> None:
    world = World()
    await put_store(world, a_store())
    await record(world, "first")
    await world.lake.flush()

    await put_store(world, None, a_store().arn)
    await world.lake.tick(world.clock.now())

    assert world.tables.tables == {}
    assert list(await world.event_data_stores.lake_readers()) == []
    with pytest.raises(TableNotFound):
        await world.lake.snapshot(a_store().arn)
