"""Our own key ring: whom a key policy lets use a key, what rotation and states do, and blobs that do not open."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.envelope import new_material
from opentrail.policy.context import request_principal
from opentrail.policy.document import parse_policy
from opentrail.ports.key_ring import (
    BlobInvalid,
    KeyAccessRefused,
    KeyCaller,
    KeyDisabled,
    KeyNotFound,
    check_delivery_key,
    delivery_caller,
    delivery_context,
)
from opentrail.resource.key import Key, KeyAlias, KeyState
from tests.builders import ACCOUNT, NOON, REGION, HandClock, a_root, a_trail, a_user_principal
from tests.memory.key_store import InMemoryKeyStore

KEY_ID = "11111111-1111-4111-8111-111111111111"
TRAIL = a_trail().arn
OTHER = "222222222222"
ROOT_STATEMENT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
CLOUDTRAIL_STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudtrail.amazonaws.com"},
    "Action": ["kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "*",
    "Condition": {
        "StringEquals": {"aws:SourceArn": TRAIL},
        "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/*"},
    },
}


def policy(*statements: dict[str, Any]) -> str:
    return orjson.dumps({"Version": "2012-10-17", "Statement": list(statements)}).decode()


ROOT = KeyCaller(request_principal(a_root()))


class Ring:
    """A ring over a store in memory with one key."""

    def __init__(self, *statements: dict[str, Any], **changes: Any) -> None:
        self.clock = HandClock()
        self.store = InMemoryKeyStore(self.clock)
        self.ring = LocalKeyRing(self.store)
        self.key = Key(KEY_ID, ACCOUNT, REGION, NOON, policy(*(statements or (ROOT_STATEMENT,))), **changes)

    async def __aenter__(self) -> "Ring":
        await self.store.add(self.key, new_material())
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def change(self, **changes: Any) -> None:
        key = await self.ring.describe(self.key.arn)
        await self.store.change(key, replace(key, **changes))


async def test_a_data_key_comes_back_from_its_blob() -> None:
    async with Ring() as world:
        made = await world.ring.generate_data_key(world.key.arn, {"a": "b"}, ROOT)

        assert len(made.plaintext) == 32
        assert made.key_arn == world.key.arn
        assert await world.ring.decrypt(made.blob, {"a": "b"}, ROOT) == made.plaintext
        with pytest.raises(BlobInvalid):
            await world.ring.decrypt(made.blob, {}, ROOT)


async def test_old_blobs_open_after_rotations_and_new_ones_are_of_the_newest_material() -> None:
    async with Ring() as world:
        made = [await world.ring.generate_data_key(world.key.arn, {}, ROOT)]
        for _ in range(3):
            await world.store.rotate(KEY_ID, new_material(), NOON, is_on_demand=True)
            made.append(await world.ring.generate_data_key(world.key.arn, {}, ROOT))

        assert [await world.ring.decrypt(each.blob, {}, ROOT) for each in made] == [each.plaintext for each in made]
        assert [int.from_bytes(each.blob[20:24], "big") for each in made] == [1, 2, 3, 4]


async def test_a_trail_may_use_a_key_whose_policy_lets_cloudtrail() -> None:
    async with Ring(ROOT_STATEMENT, CLOUDTRAIL_STATEMENT) as world:
        await check_delivery_key(world.ring, world.key.arn, TRAIL, "arn:aws:s3:::logs/x.json.gz")

        made = await world.ring.generate_data_key(world.key.arn, delivery_context(TRAIL), delivery_caller(TRAIL))
        with pytest.raises(KeyAccessRefused):
            await world.ring.decrypt(made.blob, delivery_context(TRAIL), delivery_caller(TRAIL))
        assert await world.ring.decrypt(made.blob, delivery_context(TRAIL), ROOT) == made.plaintext


@pytest.mark.parametrize("trail", [a_trail("other").arn, a_trail(account_id=OTHER).arn])
async def test_another_trail_may_not(trail: str) -> None:
    async with Ring(ROOT_STATEMENT, CLOUDTRAIL_STATEMENT) as world:
        with pytest.raises(KeyAccessRefused, match=r"cloudtrail.amazonaws.com may not kms:GenerateDataKey"):
            await check_delivery_key(world.ring, world.key.arn, trail)


async def test_a_key_whose_policy_does_not_name_cloudtrail_refuses_it() -> None:
    async with Ring() as world:
        with pytest.raises(KeyAccessRefused):
            await check_delivery_key(world.ring, world.key.arn, TRAIL)


async def test_a_user_needs_the_key_policy_and_its_own() -> None:
    may_decrypt = parse_policy(policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}))
    user = request_principal(a_user_principal())
    async with Ring() as world:
        made = await world.ring.generate_data_key(world.key.arn, {}, ROOT)

        assert await world.ring.decrypt(made.blob, {}, KeyCaller(user, (may_decrypt,))) == made.plaintext
        with pytest.raises(KeyAccessRefused, match="no identity-based policy"):
            await world.ring.decrypt(made.blob, {}, KeyCaller(user))
        stranger = request_principal(a_user_principal(account_id=OTHER))
        with pytest.raises(KeyAccessRefused, match="no resource-based policy"):
            await world.ring.decrypt(made.blob, {}, KeyCaller(stranger, (may_decrypt,)))


async def test_a_key_policy_that_leaves_the_account_out_leaves_its_root_out() -> None:
    async with Ring(CLOUDTRAIL_STATEMENT) as world:
        with pytest.raises(KeyAccessRefused, match="no resource-based policy"):
            await world.ring.generate_data_key(world.key.arn, {}, ROOT)


async def test_a_disabled_or_dying_key_does_nothing_and_comes_back() -> None:
    async with Ring() as world:
        made = await world.ring.generate_data_key(world.key.arn, {}, ROOT)
        await world.change(state=KeyState.DISABLED)
        with pytest.raises(KeyDisabled, match="is disabled"):
            await world.ring.decrypt(made.blob, {}, ROOT)
        await world.change(state=KeyState.PENDING_DELETION, deletion_at=NOON + timedelta(days=7))
        with pytest.raises(KeyDisabled, match="is pending deletion"):
            await world.ring.generate_data_key(world.key.arn, {}, ROOT)
        await world.change(state=KeyState.ENABLED, deletion_at=None)
        assert await world.ring.decrypt(made.blob, {}, ROOT) == made.plaintext

        await world.change(state=KeyState.PENDING_DELETION, deletion_at=NOON + timedelta(days=7))
        world.clock.advance(7 * 86_400)
        with pytest.raises(KeyNotFound):
            await world.ring.decrypt(made.blob, {}, ROOT)


async def test_a_key_is_described_by_each_of_its_names() -> None:
    async with Ring() as world:
        await world.store.add_alias(KeyAlias("alias/logs", ACCOUNT, REGION, KEY_ID, NOON, NOON))

        names = (KEY_ID, world.key.arn, "alias/logs", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/logs")
        found = [await world.ring.describe(name, ACCOUNT, REGION) for name in names]
        assert {key.arn for key in found} == {world.key.arn}
        for name in ("alias/none", "", "logs", f"arn:aws:kms:{REGION}:{OTHER}:key/{KEY_ID}"):
            with pytest.raises(KeyNotFound):
                await world.ring.describe(name, ACCOUNT, REGION)


async def test_what_is_no_blob_of_ours_opens_nothing() -> None:
    async with Ring() as world:
        made = await world.ring.generate_data_key(world.key.arn, {}, ROOT)
        for blob in (b"", b"x" * 200, made.blob[:-1], made.blob[:20] + b"\0\0\0\x09" + made.blob[24:]):
            with pytest.raises(BlobInvalid):
                await world.ring.decrypt(blob, {}, ROOT)
        with pytest.raises(KeyNotFound):
            await world.ring.decrypt(made.blob[:4] + bytes(16) + made.blob[20:], {}, ROOT)
