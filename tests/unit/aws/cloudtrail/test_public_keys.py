from datetime import timedelta

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.public_keys import list_public_keys
from tests.builders import World


async def fingerprints(world: World, **parameters: object) -> list[str]:
    output = (await list_public_keys(world.ports, world.call("ListPublicKeys", parameters))).output
    return [key["Fingerprint"] for key in output["PublicKeyList"]]


async def test_without_times_the_key_of_now_is_listed_and_made_if_need_be() -> None:
    world = World()

    listed = await fingerprints(world)

    key = await world.signer.current_key("us-east-1", world.clock.now())
    assert listed == [key.fingerprint]


async def test_key_is_listed_with_its_der_and_validity() -> None:
    world = World()

    output = (await list_public_keys(world.ports, world.call("ListPublicKeys"))).output

    key = await world.signer.current_key("us-east-1", world.clock.now())
    assert output["PublicKeyList"] == [
        {
            "Value": key.der,
            "ValidityStartTime": key.valid_from,
            "ValidityEndTime": key.valid_until,
            "Fingerprint": key.fingerprint,
        }
    ]


async def test_range_before_the_first_key_lists_nothing() -> None:
    world = World()
    await fingerprints(world)
    now = world.clock.now()

    listed = await fingerprints(world, StartTime=now - timedelta(days=400), EndTime=now - timedelta(days=399))

    assert listed == []


async def test_end_alone_asks_for_the_keys_of_that_time() -> None:
    world = World()

    assert len(await fingerprints(world, EndTime=world.clock.now())) == 1


async def test_start_after_end_and_tokens_are_refused() -> None:
    world = World()
    now = world.clock.now()

    with pytest.raises(errors.InvalidTimeRangeException):
        await fingerprints(world, StartTime=now, EndTime=now - timedelta(seconds=1))
    with pytest.raises(errors.InvalidTokenException):
        await fingerprints(world, NextToken="abcd")
