"""What time does to keys."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.envelope import new_material
from opentrail.event.encoding import decode_event
from opentrail.pipeline.key_upkeep import KeyUpkeep
from opentrail.pipeline.regions import EnabledRegions
from opentrail.policy.context import request_principal
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry
from opentrail.ports.key_ring import KeyCaller
from opentrail.resource.key import Key, KeyAlias, KeyState
from tests.builders import ACCOUNT, NOON, REGION, CountedIdentifiers, HandClock, a_root
from tests.memory.journal import InMemoryJournal
from tests.memory.key_store import InMemoryKeyStore

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
DAY = 86_400
POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}'
ROOT = KeyCaller(request_principal(a_root()))


class World:
    """A key store, a journal and the upkeep between them."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.keys = InMemoryKeyStore(self.clock)
        self.journal = InMemoryJournal()
        self.regions = EnabledRegions(self.journal)
        self.ring = LocalKeyRing(self.keys)
        self.upkeep = KeyUpkeep(self.keys, self.journal, self.regions, self.clock, CountedIdentifiers())

    async def add(self, key_id: str = ONE, **changes: Any) -> Key:
        key = replace(Key(key_id, ACCOUNT, REGION, NOON, POLICY), **changes)
        await self.keys.add(key, new_material())
        return key

    def events(self) -> list[dict[str, Any]]:
        return [decode_event(entry.event) for entry in self.journal.entries() if isinstance(entry, EventEntry)]


async def test_a_key_is_rotated_when_it_is_due_and_then_after_each_period() -> None:
    world = World()
    key = await world.add(rotation_period_days=90, next_rotation_at=NOON + timedelta(days=90))
    sealed = await world.ring.generate_data_key(key.arn, {}, ROOT)

    await world.upkeep.catch_up()
    assert world.events() == []
    for _ in range(2):
        world.clock.advance(90 * DAY)
        await world.upkeep.catch_up()

    assert await world.ring.decrypt(sealed.blob, {}, ROOT) == sealed.plaintext
    rotations = await world.keys.rotations(ONE)
    assert [each.rotated_at for each in rotations] == [NOON + timedelta(days=days) for days in (0, 90, 180)]
    assert not any(each.is_on_demand for each in rotations)
    last = world.events()[-1]
    assert (last["eventName"], last["eventType"], last["awsRegion"]) == ("RotateKey", "AwsServiceEvent", REGION)
    assert last["resources"] == [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key.arn}]
    assert last["serviceEventDetails"]["currentKeyMaterialId"] == rotations[-1].material_id
    assert last["serviceEventDetails"]["previousKeyMaterialId"] == rotations[-2].material_id


async def test_rotations_missed_while_nothing_ran_are_made_up_for_by_one() -> None:
    world = World()
    await world.add(rotation_period_days=90, next_rotation_at=NOON + timedelta(days=90))
    world.clock.advance(1000 * DAY)

    await world.upkeep.catch_up()

    key = await world.keys.find_by_id(ONE)
    assert key is not None
    assert (key.version, key.next_rotation_at) == (2, NOON + timedelta(days=1090))


async def test_a_key_is_destroyed_with_its_aliases_after_it_is_on_record() -> None:
    world = World()
    key = await world.add(state=KeyState.PENDING_DELETION, deletion_at=NOON + timedelta(days=7))
    await world.add(TWO)
    await world.keys.add_alias(KeyAlias("alias/old", ACCOUNT, REGION, ONE, NOON, NOON))
    world.clock.advance(7 * DAY)

    await world.upkeep.catch_up()

    assert [event["eventName"] for event in world.events()] == ["DeleteKey"]
    assert world.events()[0]["serviceEventDetails"] == {"keyId": ONE}
    assert world.events()[0]["resources"][0]["ARN"] == key.arn
    assert await world.keys.material(ONE, 1) is None
    assert await world.keys.alias(ACCOUNT, REGION, "alias/old") is None
    assert await world.keys.material(TWO, 1) is not None
    assert REGION in world.regions.names()


async def test_a_key_whose_end_cannot_be_recorded_is_not_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.add(state=KeyState.PENDING_DELETION, deletion_at=NOON)

    async def fail(_: object) -> Any:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(world.journal, "append", fail)
    with pytest.raises(Unavailable):
        await world.upkeep.catch_up()

    assert await world.keys.material(ONE, 1) is not None


async def test_a_disabled_key_is_not_rotated_until_it_is_enabled() -> None:
    world = World()
    key = await world.add(rotation_period_days=90, next_rotation_at=NOON, state=KeyState.DISABLED)

    await world.upkeep.catch_up()
    assert len(await world.keys.rotations(ONE)) == 1
    await world.keys.change(key, replace(key, state=KeyState.ENABLED))
    await world.upkeep.catch_up()
    assert len(await world.keys.rotations(ONE)) == 2
