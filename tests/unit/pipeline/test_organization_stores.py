"""Whose events an organization's event data store keeps, and from when on."""

from typing import Any

import orjson

from opentrail.pipeline.organization_stores import EVENT_NAME, settle_organization_stores
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import EventEntry
from opentrail.resource.event_data_store import event_data_store_arn, with_organization_of
from opentrail.resource.organization import Organization
from tests.builders import AUDIT, DEV, MANAGEMENT, REGION, World, an_organization
from tests.unit.pipeline.test_lake_delivery import ID, a_store, kept, put_store, record

LATER = "444444444444"
STORE = with_organization_of(
    a_store(arn=event_data_store_arn(REGION, MANAGEMENT, ID), account_id=MANAGEMENT), an_organization()
)


async def settle(world: World, organization: Organization | None) -> list[str]:
    changed = await settle_organization_stores(
        world.journal, world.event_data_stores, organization, world.clock, world.identifiers
    )
    await SettingsView(world.journal, world.trails).catch_up()
    return list(changed)


async def record_everywhere(world: World, prefix: str) -> None:
    for account in (MANAGEMENT, AUDIT, DEV, LATER):
        await record(world, f"{prefix} {account}", recipientAccountId=account)


async def test_store_keeps_each_accounts_events_for_as_long_as_it_is_a_member() -> None:
    world = World()
    await put_store(world, STORE)
    await record_everywhere(world, "before")

    assert await settle(world, an_organization(AUDIT, LATER)) == [STORE.arn]
    await record_everywhere(world, "after")
    await world.lake.flush()

    assert [name for name in kept(world, STORE) if name.startswith(("before", "after"))] == [
        f"before {MANAGEMENT}",
        f"before {AUDIT}",
        f"before {DEV}",
        f"after {MANAGEMENT}",
        f"after {AUDIT}",
        f"after {LATER}",
    ]
    (event,) = [event for event in events(world) if event.get("eventName") == EVENT_NAME]
    assert event["serviceEventDetails"]["addedAccounts"] == [LATER]
    assert event["serviceEventDetails"]["removedAccounts"] == [DEV]


def events(world: World) -> list[dict[str, Any]]:
    return [orjson.loads(entry.event) for entry in world.journal.entries() if isinstance(entry, EventEntry)]


async def test_store_of_an_unchanged_organization_stays_as_it_is() -> None:
    world = World()
    await put_store(world, STORE)
    await put_store(world, a_store())

    assert await settle(world, an_organization()) == []


async def test_store_whose_organization_is_gone_keeps_its_own_accounts_events() -> None:
    world = World()
    await put_store(world, STORE)

    assert await settle(world, None) == [STORE.arn]
    await record_everywhere(world, "after")
    await world.lake.flush()

    assert [name for name in kept(world, STORE) if name.startswith("after")] == [f"after {MANAGEMENT}"]
