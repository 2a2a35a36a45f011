from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from opentrail.admin.lake_holds import LakeHolds
from opentrail.aws.cloudtrail.errors import OperationNotPermittedException
from opentrail.aws.cloudtrail.event_data_stores import delete_event_data_store, restore_event_data_store
from opentrail.errors import OperatorError
from opentrail.pipeline.settings_view import SettingsView
from opentrail.resource.event_data_store import EventDataStore, Status
from tests.builders import World
from tests.unit.pipeline.test_lake_delivery import a_store, kept, put_store, record
from tests.unit.pipeline.test_lake_upkeep import an_upkeep, names


@asynccontextmanager
async def alone() -> AsyncIterator[None]:
    yield


def holds(world: World) -> LakeHolds:
    view = SettingsView(world.journal, world.trails)
    return LakeHolds(world.event_data_stores, world.journal, world.clock, world.identifiers, alone, view.catch_up)


async def the_store(world: World) -> EventDataStore:
    store = await world.event_data_stores.event_data_store(a_store().arn)
    assert store is not None
    return store


async def test_no_day_ends_under_a_legal_hold_and_all_past_the_retention_end_after_it() -> None:
    world = World()
    await put_store(world, a_store(retention_days=7))
    await record(world, "old")
    await world.lake.flush()
    await holds(world).hold_event_data_store("audit", "case 4711")
    world.clock.advance(timedelta(days=30).total_seconds())

    await an_upkeep(world).catch_up()
    await world.lake.flush()
    assert "old" in kept(world)

    await holds(world).release_event_data_store("audit")
    await an_upkeep(world).catch_up()
    assert "old" not in kept(world)
    assert names(world) == [
        "EventDataStoreLegalHoldPlaced",
        "EventDataStoreLegalHoldLifted",
        "EventDataStoreDaysExpired",
    ]


async def test_store_under_a_legal_hold_cannot_be_deleted() -> None:
    world = World()
    await put_store(world, a_store(is_termination_protected=False))
    await holds(world).hold_event_data_store(a_store().id, "case 4711")

    with pytest.raises(OperationNotPermittedException, match="legal hold"):
        await delete_event_data_store(
            world.ports, world.call("DeleteEventDataStore", {"EventDataStore": a_store().arn})
        )


async def test_deleted_store_stays_past_its_seven_days_and_can_be_restored_for_seven_more_after_the_hold() -> None:
    world = World()
    now = world.clock.now()
    await put_store(world, a_store(status=Status.PENDING_DELETION, deletion_at=now + timedelta(days=7)))
    await holds(world).hold_event_data_store("audit", "case 4711")
    world.clock.advance(timedelta(days=30).total_seconds())

    await an_upkeep(world).catch_up()
    assert (await the_store(world)).is_held

    await holds(world).release_event_data_store("audit")
    assert (await the_store(world)).deletion_at == world.clock.now() + timedelta(days=7)
    outcome = await restore_event_data_store(
        world.ports, world.call("RestoreEventDataStore", {"EventDataStore": a_store().arn})
    )
    assert outcome.output is not None
    assert outcome.output["Status"] == "ENABLED"

    world.clock.advance(timedelta(days=7).total_seconds())
    await an_upkeep(world).catch_up()
    assert await world.event_data_stores.event_data_store(a_store().arn) is None


async def test_hold_that_is_placed_again_goes_on_from_its_beginning() -> None:
    world = World()
    await put_store(world, a_store())
    first = await holds(world).hold_event_data_store("audit", "case 4711")
    world.clock.advance(3600)

    again = await holds(world).hold_event_data_store("audit", "case 4712")

    assert again["legal_hold_since"] == first["legal_hold_since"]
    assert (await the_store(world)).legal_hold_reason == "case 4712"


@pytest.mark.parametrize(("name", "reason"), [("nothing", "case"), ("audit", " "), ("audit", "x" * 1025)])
async def test_hold_on_nothing_or_for_no_reason_is_refused(name: str, reason: str) -> None:
    world = World()
    await put_store(world, a_store())

    with pytest.raises(OperatorError):
        await holds(world).hold_event_data_store(name, reason)
    with pytest.raises(OperatorError):
        await holds(world).release_event_data_store("audit")
