"""KMS keys of event data stores: how they are named, shown and refused."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from opentrail.aws.cloudtrail import SERVICE, errors
from opentrail.errors import AwsError
from opentrail.resource.key import KeyState
from tests.builders import World, a_key

SERVICE_ONLY = orjson.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudtrail.amazonaws.com"},
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": "*",
            }
        ],
    }
).decode()
KEY = a_key(policy=SERVICE_ONLY)
ROLE = "arn:aws:iam::123456789012:role/import"


@pytest.fixture
async def world() -> World:
    world = World()
    await world.add_key(KEY, "alias/lake")
    return world


async def run(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    call = world.call(operation, parameters)
    outcome = await SERVICE.handlers[operation].run(world.ports, call)
    await world.carry_out(outcome)
    return dict(outcome.output)


async def make_store(world: World, name: str = "lake", **parameters: Any) -> dict[str, Any]:
    return await run(world, "CreateEventDataStore", Name=name, TerminationProtectionEnabled=False, **parameters)


@pytest.mark.parametrize("given", ["alias/lake", KEY.key_id, KEY.arn, "arn:aws:kms:us-east-1:123456789012:alias/lake"])
async def test_a_key_is_shown_by_its_arn_however_it_was_named(world: World, given: str) -> None:
    made = await make_store(world, KmsKeyId=given)
    arn = made["EventDataStoreArn"]
    shown = [
        made,
        await run(world, "GetEventDataStore", EventDataStore=arn),
        await run(world, "UpdateEventDataStore", EventDataStore=arn, Name="audit"),
    ]
    await run(world, "DeleteEventDataStore", EventDataStore=arn)
    shown.append(await run(world, "RestoreEventDataStore", EventDataStore=arn))

    assert {one["KmsKeyId"] for one in shown} == {KEY.arn}


async def test_a_store_without_a_key_shows_none(world: World) -> None:
    assert "KmsKeyId" not in await make_store(world)


async def test_no_operation_shows_the_data_key(world: World) -> None:
    made = await make_store(world, KmsKeyId="alias/lake")
    store = await world.event_data_stores.event_data_store(made["EventDataStoreArn"])
    assert store is not None

    shown = await run(world, "GetEventDataStore", EventDataStore=store.arn)

    assert len(store.sealed_data_key) > 100
    assert store.sealed_data_key not in str(shown) + str(made)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("lake", errors.InvalidKmsKeyIdException),
        ("alias/other", errors.KmsKeyNotFoundException),
        ("arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-4333-8444-555555555555", errors.KmsKeyNotFoundException),
    ],
)
async def test_a_wrong_key_is_refused_by_both_operations(world: World, given: str, expected: type[AwsError]) -> None:
    await world.add_key(a_key("22222222-2222-4333-8444-555555555555", region="eu-west-1", policy=SERVICE_ONLY))
    arn = (await make_store(world))["EventDataStoreArn"]

    with pytest.raises(expected):
        await make_store(world, "other", KmsKeyId=given)
    with pytest.raises(expected):
        await run(world, "UpdateEventDataStore", EventDataStore=arn, KmsKeyId=given)


@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
async def test_a_policy_that_lets_cloudtrail_do_half_is_refused(world: World, action: str) -> None:
    half = SERVICE_ONLY.replace('["kms:GenerateDataKey","kms:Decrypt"]', f'"{action}"')
    await world.keys.change(KEY, replace(KEY, policy=half))

    with pytest.raises(errors.InsufficientEncryptionPolicyException):
        await make_store(world, KmsKeyId="alias/lake")


@pytest.mark.parametrize("state", [KeyState.DISABLED, KeyState.PENDING_DELETION])
async def test_a_key_that_is_not_enabled_is_refused(world: World, state: KeyState) -> None:
    await world.keys.change(KEY, replace(KEY, state=state))

    with pytest.raises(errors.KmsException, match="disabled or pending deletion"):
        await make_store(world, KmsKeyId="alias/lake")


async def test_a_store_keeps_its_key_for_good(world: World) -> None:
    other = a_key("22222222-2222-4333-8444-555555555555", policy=SERVICE_ONLY)
    await world.add_key(other)
    arn = (await make_store(world, KmsKeyId="alias/lake"))["EventDataStoreArn"]

    before = await world.event_data_stores.event_data_store(arn)
    again = await run(world, "UpdateEventDataStore", EventDataStore=arn, KmsKeyId="alias/lake")
    after = await world.event_data_stores.event_data_store(arn)
    with pytest.raises(errors.KmsException, match="cannot be changed"):
        await run(world, "UpdateEventDataStore", EventDataStore=arn, KmsKeyId=other.arn)

    assert again["KmsKeyId"] == KEY.arn
    assert before is not None
    assert after is not None
    assert before.sealed_data_key == after.sealed_data_key


async def test_who_queries_must_be_let_decrypt_by_the_key(world: World) -> None:
    arn = (await make_store(world, KmsKeyId="alias/lake"))["EventDataStoreArn"]

    with pytest.raises(errors.InsufficientEncryptionPolicyException, match=KEY.arn):
        await run(world, "StartQuery", QueryStatement=f"SELECT eventID FROM {arn.rpartition('/')[2]}")


async def test_nothing_is_imported_under_a_key_that_cannot_be_used(world: World) -> None:
    arn = (await make_store(world, KmsKeyId="alias/lake"))["EventDataStoreArn"]
    await world.keys.change(KEY, replace(KEY, state=KeyState.DISABLED))
    location = {"S3LocationUri": "s3://logs/AWSLogs/", "S3BucketRegion": "us-east-1", "S3BucketAccessRoleArn": ROLE}

    with pytest.raises(errors.InsufficientEncryptionPolicyException):
        await run(world, "StartImport", Destinations=[arn], ImportSource={"S3": location})
