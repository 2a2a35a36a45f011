"""What every key store promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opentrail.envelope import material_id, new_material
from opentrail.ports.key_store import AliasExists, AliasNotFound, KeyNotFound
from opentrail.resource.key import Key, KeyAlias, KeyState
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, OTHER_ACCOUNT = "123456789012", "222222222222"
REGION, OTHER_REGION = "us-east-1", "eu-west-1"
CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_key(key_id: str = ONE, account_id: str = ACCOUNT, region: str = REGION, **changes: Any) -> Key:
    return Key(key_id, account_id, region, CREATED, '{"Statement":[]}', **changes)


def an_alias(name: str = "alias/logs", key_id: str = ONE, **changes: Any) -> KeyAlias:
    return replace(KeyAlias(name, ACCOUNT, REGION, key_id, CREATED, CREATED), **changes)


async def add_key(stores: MetadataStores, key: Key | None = None) -> Key:
    material = new_material()
    await stores.keys.add(key or a_key(), material)
    return replace(key or a_key(), material_id=material_id(material))


async def test_a_key_comes_back_whole_by_every_name(stores: MetadataStores) -> None:
    added = await add_key(stores, a_key(description="ledger", tags={"b": "2", "a": "ä"}))
    await stores.keys.add_alias(an_alias())
    key = replace(added, aliases=("alias/logs",))

    assert await stores.keys.find(ONE, ACCOUNT, REGION) == key
    assert await stores.keys.find("alias/logs", ACCOUNT, REGION) == key
    assert await stores.keys.find(key.arn) == key
    assert await stores.keys.find(an_alias().arn) == key
    assert await stores.keys.find_by_id(ONE) == key
    assert list(key.tags) == list((await stores.keys.find(key.arn) or key).tags)


@pytest.mark.parametrize(
    ("name", "account", "region"),
    [
        (ONE, OTHER_ACCOUNT, REGION),
        (ONE, ACCOUNT, OTHER_REGION),
        (ONE, "", ""),
        ("alias/logs", OTHER_ACCOUNT, REGION),
        ("alias/log", ACCOUNT, REGION),
        (TWO, ACCOUNT, REGION),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{TWO}", ACCOUNT, REGION),
        (f"arn:aws:kms:{REGION}:{ACCOUNT}:{ONE}", ACCOUNT, REGION),
        (f"arn:aws:s3:{REGION}:{ACCOUNT}:key/{ONE}", ACCOUNT, REGION),
        ("nonsense", ACCOUNT, REGION),
        ("", ACCOUNT, REGION),
    ],
)
async def test_other_names_find_no_key(stores: MetadataStores, name: str, account: str, region: str) -> None:
    await add_key(stores)
    await stores.keys.add_alias(an_alias())

    assert await stores.keys.find(name, account, region) is None


async def test_keys_are_listed_by_account_and_region_in_pages(stores: MetadataStores) -> None:
    one, two = await add_key(stores), await add_key(stores, a_key(TWO))
    await add_key(stores, a_key("33333333-3333-4333-8333-333333333333", OTHER_ACCOUNT))
    await add_key(stores, a_key("44444444-4444-4444-8444-444444444444", region=OTHER_REGION))

    assert list(await stores.keys.keys(ACCOUNT, REGION)) == [one, two]
    assert list(await stores.keys.keys(ACCOUNT, REGION, limit=1)) == [one]
    assert list(await stores.keys.keys(ACCOUNT, REGION, after=ONE)) == [two]
    assert await stores.keys.count(ACCOUNT, REGION) == 2


async def test_a_change_writes_what_differs_and_nothing_else(stores: MetadataStores) -> None:
    read = await add_key(stores)
    await stores.keys.change(read, replace(read, description="meanwhile"))

    await stores.keys.change(read, replace(read, state=KeyState.DISABLED, tags={"team": "audit"}))

    expected = replace(read, description="meanwhile", state=KeyState.DISABLED, tags={"team": "audit"})
    assert await stores.keys.find_by_id(ONE) == expected


async def test_a_key_that_is_not_there_can_be_neither_changed_nor_rotated(stores: MetadataStores) -> None:
    with pytest.raises(KeyNotFound):
        await stores.keys.change(a_key(), replace(a_key(), description="x"))
    with pytest.raises(KeyNotFound):
        await stores.keys.rotate(ONE, new_material(), CREATED, is_on_demand=True)


async def test_old_material_stays_when_a_key_is_rotated(stores: MetadataStores) -> None:
    first, second = new_material(), new_material()
    await stores.keys.add(a_key(), first)
    later, next_time = CREATED + timedelta(days=1), CREATED + timedelta(days=366)

    await stores.keys.rotate(ONE, second, later, is_on_demand=True, next_at=next_time)

    key = await stores.keys.find_by_id(ONE)
    assert key is not None
    assert (key.version, key.material_id, key.next_rotation_at) == (2, material_id(second), next_time)
    await stores.keys.rotate(ONE, second, later, is_on_demand=True)
    again = await stores.keys.find_by_id(ONE)
    assert again is not None
    assert (again.version, again.next_rotation_at) == (3, next_time)
    found = [await stores.keys.material(ONE, version) for version in (1, 2)]
    assert [material.secret for material in found if material] == [first, second]
    assert await stores.keys.material(ONE, 4) is None
    rotations = (await stores.keys.rotations(ONE))[:2]
    assert [(each.version, each.rotated_at, each.is_on_demand) for each in rotations] == [
        (1, CREATED, False),
        (2, later, True),
    ]


async def test_a_key_is_gone_when_its_time_has_come_and_destroyed_then_only(stores: MetadataStores) -> None:
    key, now = await add_key(stores), stores.clock.now()
    await stores.keys.add_alias(an_alias())
    pending = replace(key, state=KeyState.PENDING_DELETION, deletion_at=now + timedelta(days=7))
    await stores.keys.change(key, pending)
    assert await stores.keys.find(key.arn) is not None
    assert not await stores.keys.destroy(ONE, now)

    stores.clock.turn(7 * 86_400)

    assert await stores.keys.find(key.arn) is None
    assert await stores.keys.find(an_alias().arn) is None
    assert list(await stores.keys.keys(ACCOUNT, REGION)) == []
    assert await stores.keys.count(ACCOUNT, REGION) == 0
    assert [due.key_id for due in await stores.keys.due(stores.clock.now())] == [ONE]
    assert await stores.keys.destroy(ONE, stores.clock.now())
    assert not await stores.keys.destroy(ONE, stores.clock.now())
    assert await stores.keys.material(ONE, 1) is None
    assert await stores.keys.alias(ACCOUNT, REGION, "alias/logs") is None


async def test_a_rotation_is_due_at_its_time_while_the_key_is_enabled(stores: MetadataStores) -> None:
    key, now = await add_key(stores), stores.clock.now()
    rotating = replace(key, rotation_period_days=90, next_rotation_at=now)
    await stores.keys.change(key, rotating)

    assert list(await stores.keys.due(now)) == [rotating]
    assert list(await stores.keys.due(now - timedelta(seconds=1))) == []
    for change in ({"state": KeyState.DISABLED}, {"rotation_period_days": 0}):
        await stores.keys.change(rotating, replace(rotating, **change))
        assert list(await stores.keys.due(now)) == []
        await stores.keys.change(replace(rotating, **change), rotating)


async def test_an_alias_is_unique_in_its_account_and_region(stores: MetadataStores) -> None:
    await add_key(stores)
    await add_key(stores, a_key(TWO, OTHER_ACCOUNT))
    await stores.keys.add_alias(an_alias())

    with pytest.raises(AliasExists):
        await stores.keys.add_alias(an_alias())
    await stores.keys.add_alias(an_alias(key_id=TWO, account_id=OTHER_ACCOUNT))

    assert await stores.keys.alias(ACCOUNT, REGION, "alias/logs") == an_alias()


@pytest.mark.parametrize("change", [{"key_id": TWO}, {"account_id": OTHER_ACCOUNT}, {"region": OTHER_REGION}])
async def test_an_alias_names_a_key_of_its_account_and_region(stores: MetadataStores, change: dict[str, str]) -> None:
    await add_key(stores)

    with pytest.raises(KeyNotFound):
        await stores.keys.add_alias(an_alias(**change))


async def test_an_alias_is_pointed_at_another_key_and_deleted(stores: MetadataStores) -> None:
    await add_key(stores)
    await add_key(stores, a_key(TWO))
    await stores.keys.add_alias(an_alias())
    later = CREATED + timedelta(hours=1)

    await stores.keys.point_alias(an_alias(key_id=TWO, created_at=later, updated_at=later))

    assert await stores.keys.alias(ACCOUNT, REGION, "alias/logs") == an_alias(key_id=TWO, updated_at=later)
    await stores.keys.delete_alias(ACCOUNT, REGION, "alias/logs")
    assert await stores.keys.alias(ACCOUNT, REGION, "alias/logs") is None
    with pytest.raises(AliasNotFound):
        await stores.keys.delete_alias(ACCOUNT, REGION, "alias/logs")
    with pytest.raises(AliasNotFound):
        await stores.keys.point_alias(an_alias())


async def test_aliases_are_listed_by_name_in_pages_and_by_key(stores: MetadataStores) -> None:
    await add_key(stores)
    await add_key(stores, a_key(TWO))
    aliases = [an_alias("alias/B"), an_alias("alias/a", TWO), an_alias("alias/b")]
    for alias in reversed(aliases):
        await stores.keys.add_alias(alias)

    assert list(await stores.keys.aliases(ACCOUNT, REGION)) == aliases
    assert list(await stores.keys.aliases(ACCOUNT, REGION, after="alias/B", limit=1)) == aliases[1:2]
    assert list(await stores.keys.aliases(ACCOUNT, REGION, ONE)) == [aliases[0], aliases[2]]
    assert list(await stores.keys.aliases(OTHER_ACCOUNT, REGION)) == []
