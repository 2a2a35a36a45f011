from datetime import timedelta

import orjson

from opentrail.pipeline.lake_upkeep import LakeUpkeep
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import EventEntry
from opentrail.resource.event_data_store import Status
from tests.builders import REGION, World
from tests.unit.pipeline.test_lake_delivery import a_store, kept, put_store, record


def an_upkeep(world: World) -> LakeUpkeep:
    view = SettingsView(world.journal, world.trails)
    return LakeUpkeep(
        world.lake,
        world.event_data_stores,
        world.journal,
        world.signer,
        world.clock,
        world.identifiers,
        view.catch_up,
    )


def names(world: World) -> list[str]:
    events = [orjson.loads(entry.event) for entry in world.journal.entries() if isinstance(entry, EventEntry)]
    return [event["eventName"] for event in events if "eventName" in event]


async def test_days_past_the_retention_are_dropped_with_a_signed_tombstone() -> None:
    world = World()
    await put_store(world, a_store(retention_days=7))
    await record(world, "old")
    await world.lake.flush()
    world.clock.advance(timedelta(days=9).total_seconds())
    await record(world, "new")
    await world.lake.flush()

    await an_upkeep(world).catch_up()
    await an_upkeep(world).catch_up()

    assert kept(world) == ["new"]
    (tombstone,) = world.tables.tables[a_store().arn].tombstones
    said = orjson.loads(tombstone["statement"])
    assert said["eventDataStore"] == a_store().arn
    assert [day["count"] for day in said["days"].values()] == [1]
    key = await world.signer.current_key(REGION, world.clock.now())
    assert tombstone["fingerprint"] == key.fingerprint
    assert await world.signer.sign(REGION, key.fingerprint, tombstone["statement"].encode()) == tombstone["signature"]
    assert names(world) == ["EventDataStoreDaysExpired"]


async def test_a_table_that_is_not_open_yet_is_looked_at_again_soon() -> None:
    world = World()
    await put_store(world, a_store(retention_days=7))

    assert await an_upkeep(world).catch_up() is False
    await world.lake.flush()
    assert await an_upkeep(world).catch_up() is True


async def test_days_within_the_retention_stay() -> None:
    world = World()
    await put_store(world, a_store(retention_days=7))
    await record(world, "first")
    await world.lake.flush()
    world.clock.advance(timedelta(days=7).total_seconds())

    await an_upkeep(world).catch_up()

    assert kept(world) == ["first"]


async def test_deleted_store_ends_when_its_days_are_over() -> None:
    world = World()
    ending = a_store(status=Status.PENDING_DELETION, deletion_at=world.clock.now() + timedelta(days=7))
    await put_store(world, a_store())
    await record(world, "first")
    await world.lake.flush()
    await put_store(world, ending)

    await an_upkeep(world).catch_up()
    await world.lake.tick(world.clock.now())
    assert kept(world) == ["first"]

    world.clock.advance(timedelta(days=7).total_seconds())
    await an_upkeep(world).catch_up()
    await world.lake.tick(world.clock.now())
    assert world.tables.tables == {}
    assert list(await world.event_data_stores.event_data_stores()) == []
    assert names(world) == ["EventDataStoreRemoved"]
