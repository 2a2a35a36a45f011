"""What every key ring promises, whatever it is built on. Whom it lets use a key is each one's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.envelope import new_material
from opentrail.policy.context import request_principal
from opentrail.ports.key_ring import BlobInvalid, KeyCaller, KeyDisabled, KeyNotFound, KeyRing, delivery_caller
from opentrail.resource.key import Key, KeyAlias, KeyState
from tests.builders import ACCOUNT, NOON, REGION, a_root, a_trail
from tests.memory.key_ring import InMemoryKeyRing
from tests.support.metadata import DATABASES, metadata_stores

OPEN_POLICY = """{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*",
    "Service": "cloudtrail.amazonaws.com"}, "Action": "kms:*", "Resource": "*"}}"""
KEY = Key("11111111-1111-4111-8111-111111111111", ACCOUNT, REGION, NOON, OPEN_POLICY)
ALIAS = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/logs"
CONTEXT = {"aws:cloudtrail:arn": a_trail().arn, "ä": ""}
ROOT = KeyCaller(request_principal(a_root()))
CALLERS = (ROOT, delivery_caller(a_trail().arn))


@dataclass(frozen=True)
class Ring:
    """A ring with KEY in it, named alias/logs, and what a test does to that key."""

    ring: KeyRing
    set_state: Callable[[KeyState], Awaitable[None]]
    remove: Callable[[], Awaitable[None]]


@pytest.fixture(params=("memory", *DATABASES))
async def world(request: pytest.FixtureRequest) -> AsyncIterator[Ring]:
    if request.param == "memory":
        yield _in_memory()
        return
    async with metadata_stores(request) as stores:
        await stores.keys.add(KEY, new_material())
        await stores.keys.add_alias(KeyAlias("alias/logs", ACCOUNT, REGION, KEY.key_id, NOON, NOON))

        async def change(**changes: Any) -> None:
            key = await stores.keys.find_by_id(KEY.key_id)
            assert key is not None
            await stores.keys.change(key, replace(key, **changes))

        async def set_state(state: KeyState) -> None:
            await change(state=state)

        async def remove() -> None:
            await change(deletion_at=stores.clock.now())

        yield Ring(LocalKeyRing(stores.keys), set_state, remove)


def _in_memory() -> Ring:
    ring = InMemoryKeyRing()
    ring.add(KEY, "alias/logs")

    async def set_state(state: KeyState) -> None:
        ring.set_state(KEY.arn, state)

    async def remove() -> None:
        ring.remove(KEY.arn)

    return Ring(ring, set_state, remove)


async def test_a_key_is_described_by_each_of_its_names(world: Ring) -> None:
    for name in (KEY.arn, ALIAS, KEY.key_id, "alias/logs"):
        key = await world.ring.describe(name, ACCOUNT, REGION)
        assert (key.arn, key.state) == (KEY.arn, KeyState.ENABLED)
    for name in (KEY.arn, ALIAS):
        assert (await world.ring.describe(name)).arn == KEY.arn


@pytest.mark.parametrize("name", ["", "alias/none", "alias/log", KEY.arn + "0", KEY.key_id[:-1], ALIAS + "s"])
async def test_no_other_name_finds_it(world: Ring, name: str) -> None:
    with pytest.raises(KeyNotFound):
        await world.ring.describe(name, ACCOUNT, REGION)


async def test_a_bare_name_is_of_its_account_and_region_alone(world: Ring) -> None:
    for name in (KEY.key_id, "alias/logs"):
        for account, region in (("222222222222", REGION), (ACCOUNT, "eu-west-1"), ("", "")):
            with pytest.raises(KeyNotFound):
                await world.ring.describe(name, account, region)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", [KEY.arn, ALIAS])
async def test_a_data_key_comes_back_for_its_context(world: Ring, caller: KeyCaller, name: str) -> None:
    made = await world.ring.generate_data_key(name, CONTEXT, caller)

    assert (len(made.plaintext), made.key_arn) == (32, KEY.arn)
    assert made.plaintext not in made.blob
    assert await world.ring.decrypt(made.blob, dict(reversed(CONTEXT.items())), caller) == made.plaintext
    for context in ({}, {**CONTEXT, "more": ""}, {**CONTEXT, "ä": "x"}):
        with pytest.raises(BlobInvalid):
            await world.ring.decrypt(made.blob, context, caller)


async def test_no_two_data_keys_are_equal(world: Ring) -> None:
    made = [await world.ring.generate_data_key(KEY.arn, {}, ROOT) for _ in range(3)]

    assert len({each.plaintext for each in made} | {each.blob for each in made}) == 6


@pytest.mark.parametrize("blob", [b"", b"nonsense", b"OTK\x01" + bytes(200)])
async def test_what_is_no_blob_opens_nothing(world: Ring, blob: bytes) -> None:
    with pytest.raises((BlobInvalid, KeyNotFound)):
        await world.ring.decrypt(blob, {}, ROOT)


@pytest.mark.parametrize("state", [KeyState.DISABLED, KeyState.PENDING_DELETION])
async def test_a_key_that_is_not_enabled_does_nothing_until_it_is(world: Ring, state: KeyState) -> None:
    made = await world.ring.generate_data_key(KEY.arn, {}, ROOT)
    await world.set_state(state)

    with pytest.raises(KeyDisabled):
        await world.ring.generate_data_key(KEY.arn, {}, ROOT)
    with pytest.raises(KeyDisabled):
        await world.ring.decrypt(made.blob, {}, ROOT)
    assert (await world.ring.describe(KEY.arn)).state is state
    await world.set_state(KeyState.ENABLED)
    assert await world.ring.decrypt(made.blob, {}, ROOT) == made.plaintext


async def test_what_was_altered_is_told_from_what_is_refused_whatever_the_keys_state(world: Ring) -> None:
    made = await world.ring.generate_data_key(KEY.arn, CONTEXT, ROOT)

    for state in (KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION):
        await world.set_state(state)
        assert not await world.ring.is_altered(made.blob, CONTEXT, KEY.arn)
        assert await world.ring.is_altered(made.blob, {}, KEY.arn)
        assert await world.ring.is_altered(made.blob, CONTEXT, KEY.arn.replace("1111", "2222"))
        for place in range(len(made.blob)):
            blob = made.blob[:place] + bytes([made.blob[place] ^ 4]) + made.blob[place + 1 :]
            assert await world.ring.is_altered(blob, CONTEXT, KEY.arn), place


async def test_a_key_that_is_gone_is_not_found(world: Ring) -> None:
    made = await world.ring.generate_data_key(KEY.arn, {}, ROOT)
    await world.remove()

    with pytest.raises(KeyNotFound):
        await world.ring.describe(KEY.arn)
    with pytest.raises(KeyNotFound):
        await world.ring.generate_data_key(ALIAS, {}, ROOT)
    with pytest.raises(KeyNotFound):
        await world.ring.decrypt(made.blob, {}, ROOT)
    assert not await world.ring.is_altered(made.blob, {}, KEY.arn)
