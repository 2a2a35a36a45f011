"""Topics, keys and buckets that trails name."""

from dataclasses import replace
from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.trails import create_trail, prepare_create_trail, prepare_update_trail, update_trail
from opentrail.ports import Unavailable
from opentrail.ports.object_store import AccessRefused
from opentrail.resource.key import KeyState
from opentrail.resource.organization import Organization
from tests.builders import (
    ACCOUNT,
    AUDIT,
    DEV,
    OTHERS_KEY_POLICY,
    World,
    a_credential,
    a_key,
    a_root,
    a_trail,
    an_organization,
)
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores

TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:deliveries"
FOREIGN_TOPIC = "arn:aws:sns:eu-west-1:999999999999:deliveries"
KEY = a_key()
FOREIGN_KEY = "arn:aws:kms:eu-west-1:999999999999:key/99999999-9999-4999-8999-999999999999"
ALIAS_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/trails"


@pytest.fixture
async def world() -> World:
    """A world with two topics, and a key that lets CloudTrail in."""
    world = World()
    world.topics.topic_arns |= {TOPIC_ARN, FOREIGN_TOPIC}
    await world.add_key(KEY, "alias/trails")
    return world


async def create(world: World, **members: Any) -> dict[str, Any]:
    call = world.call("CreateTrail", {"Name": "main", "S3BucketName": "logs", **members})
    outcome = await create_trail(world.ports, await prepare_create_trail(world.ports, call))
    await world.carry_out(outcome)
    return outcome.output


async def update(world: World, **members: Any) -> dict[str, Any]:
    call = world.call("UpdateTrail", {"Name": "main", **members})
    outcome = await update_trail(world.ports, await prepare_update_trail(world.ports, call))
    await world.carry_out(outcome)
    return outcome.output


@pytest.mark.parametrize(
    ("given", "arn"), [("deliveries", TOPIC_ARN), (TOPIC_ARN, TOPIC_ARN), (FOREIGN_TOPIC, FOREIGN_TOPIC)]
)
async def test_topic_is_kept_as_it_was_named_and_with_its_arn(world: World, given: str, arn: str) -> None:
    output = await create(world, SnsTopicName=given)

    assert (output["SnsTopicName"], output["SnsTopicARN"]) == (given, arn)


async def test_topic_that_is_not_there_or_refuses_cloudtrail_is_refused(world: World) -> None:
    world.topics.refusing.add(TOPIC_ARN)

    for topic in ("deliveries", "elsewhere"):
        with pytest.raises(errors.InsufficientSnsTopicPolicyException) as refused:
            await create(world, SnsTopicName=topic)
        assert str(refused.value) == "SNS Topic does not exist or the topic policy is incorrect!"
    assert world.bucket.puts == []


@pytest.mark.parametrize("name", ["a b", "x" * 257, "deliveries.fifo", "arn:aws:s3:::logs", f"{TOPIC_ARN}.fifo"])
async def test_text_that_names_no_standard_topic_is_refused(world: World, name: str) -> None:
    with pytest.raises(errors.InvalidSnsTopicNameException):
        await create(world, SnsTopicName=name)


async def test_topics_that_cannot_be_asked_now_are_no_fault_of_the_caller(world: World) -> None:
    world.topics.failure = Unavailable("no answer")

    with pytest.raises(Unavailable):
        await create(world, SnsTopicName="deliveries")


async def test_empty_topic_in_an_update_removes_it(world: World) -> None:
    await create(world, SnsTopicName="deliveries")

    output = await update(world, SnsTopicName="")

    trail = await world.trails.trail(a_trail().arn)
    assert trail is not None
    assert (trail.sns_topic_name, trail.sns_topic_arn) == ("", "")
    assert (output["SnsTopicName"], output["SnsTopicARN"]) == ("", "")


async def test_topic_is_asked_again_only_when_it_is_given(world: World) -> None:
    await create(world, SnsTopicName="deliveries")
    world.topics.refusing.add(TOPIC_ARN)

    output = await update(world, IsMultiRegionTrail=True)

    assert output["SnsTopicARN"] == TOPIC_ARN
    with pytest.raises(errors.InsufficientSnsTopicPolicyException):
        await update(world, SnsTopicName="deliveries")


@pytest.mark.parametrize("given", [KEY.key_id, KEY.arn, "alias/trails", ALIAS_ARN])
async def test_key_is_kept_by_its_arn_however_it_was_named(world: World, given: str) -> None:
    output = await create(world, KmsKeyId=given)

    assert output["KmsKeyId"] == KEY.arn


@pytest.mark.parametrize(
    "given",
    [
        "alias/missing",
        "99999999-9999-4999-8999-999999999999",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/99999999-9999-4999-8999-999999999999",
    ],
)
async def test_key_that_is_not_there_is_refused(world: World, given: str) -> None:
    with pytest.raises(errors.KmsKeyNotFoundException):
        await create(world, KmsKeyId=given)


async def test_key_of_another_region_than_the_buckets_is_refused(world: World) -> None:
    elsewhere = a_key("22222222-2222-4333-8444-555555555555", region="eu-west-1")
    await world.add_key(elsewhere)

    with pytest.raises(errors.KmsKeyNotFoundException):
        await create(world, KmsKeyId=elsewhere.arn)


async def test_key_that_is_disabled_is_refused(world: World) -> None:
    await world.keys.change(KEY, replace(KEY, state=KeyState.DISABLED))

    with pytest.raises(errors.KmsException):
        await create(world, KmsKeyId="alias/trails")


async def test_key_whose_policy_does_not_let_cloudtrail_in_is_refused(world: World) -> None:
    await world.keys.change(KEY, replace(KEY, policy=OTHERS_KEY_POLICY))

    with pytest.raises(errors.InsufficientEncryptionPolicyException) as refused:
        await create(world, KmsKeyId=KEY.arn)

    assert str(refused.value) == f"Insufficient permissions to access S3 bucket logs or KMS key {KEY.arn}."
    assert world.bucket.puts == []


@pytest.mark.parametrize("given", ["no key", "alias/", "alias/a b", "key/x", "arn:aws:kms:us-east-1:12:key/x"])
async def test_text_that_names_no_key_is_refused(world: World, given: str) -> None:
    with pytest.raises(errors.InvalidKmsKeyIdException):
        await create(world, KmsKeyId=given)


async def test_empty_key_in_an_update_removes_it(world: World) -> None:
    await create(world, KmsKeyId="alias/trails")

    output = await update(world, KmsKeyId="")

    assert "KmsKeyId" not in output


async def test_key_stays_when_an_update_does_not_name_it_and_is_proved_when_the_bucket_is_given(world: World) -> None:
    await create(world, KmsKeyId="alias/trails")
    await world.keys.change(KEY, replace(KEY, policy=OTHERS_KEY_POLICY))

    output = await update(world, IsMultiRegionTrail=True)

    assert output["KmsKeyId"] == KEY.arn
    with pytest.raises(errors.InsufficientEncryptionPolicyException):
        await update(world, S3BucketName="logs")


@pytest.mark.parametrize(
    ("members", "folders"),
    [
        ({}, ["CloudTrail"]),
        ({"EnableLogFileValidation": True}, ["CloudTrail", "CloudTrail-Digest"]),
    ],
)
async def test_every_folder_that_is_delivered_to_is_proved_and_marked(
    world: World, members: dict[str, Any], folders: list[str]
) -> None:
    await create(world, **members)

    assert world.bucket.puts == [f"AWSLogs/{ACCOUNT}/{folder}/" for folder in folders]


async def test_switching_validation_on_proves_the_digests_folder(world: World) -> None:
    await create(world)

    await update(world, EnableLogFileValidation=True)

    assert f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/" in world.bucket.puts


@pytest.fixture
async def upstream(world: World) -> InMemoryObjectStore:
    """A bucket that is not kept here."""
    bucket = InMemoryObjectStore("upstream")
    world.ports = replace(world.ports, object_stores=InMemoryObjectStores(world.bucket, bucket))
    return bucket


@pytest.mark.parametrize(
    ("given", "kept"), [("alias/trails", KEY.arn), (KEY.key_id, KEY.arn), (FOREIGN_KEY, FOREIGN_KEY)]
)
async def test_key_of_a_bucket_elsewhere_is_named_in_full_and_judged_by_the_bucket(
    world: World, upstream: InMemoryObjectStore, given: str, kept: str
) -> None:
    await world.keys.change(KEY, replace(KEY, policy=OTHERS_KEY_POLICY))

    output = await create(world, S3BucketName="upstream", KmsKeyId=given)

    assert output["KmsKeyId"] == kept
    assert [key for key, _ in upstream.encryption.values()] == [kept]


async def test_unknown_key_of_a_bucket_elsewhere_is_refused(world: World, upstream: InMemoryObjectStore) -> None:
    with pytest.raises(errors.KmsKeyNotFoundException):
        await create(world, S3BucketName="upstream", KmsKeyId="alias/missing")
    assert upstream.puts == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("KMS.NotFoundException", errors.KmsException),
        ("KMS.DisabledException", errors.KmsException),
        ("KMS.AccessDeniedException", errors.InsufficientEncryptionPolicyException),
        ("AccessDenied", errors.InsufficientS3BucketPolicyException),
    ],
)
async def test_bucket_elsewhere_says_what_is_wrong_with_a_key(
    world: World, upstream: InMemoryObjectStore, code: str, error: type[Exception]
) -> None:
    upstream.failure = AccessRefused(code, "refused")

    with pytest.raises(error):
        await create(world, S3BucketName="upstream", KmsKeyId=FOREIGN_KEY)


@pytest.mark.parametrize("organization", [None, an_organization(AUDIT)])
async def test_an_archive_takes_no_trail_of_an_account_that_its_owner_has_nothing_to_do_with(
    organization: Organization | None,
) -> None:
    world = World(organization=organization)
    call = world.call("CreateTrail", {"Name": "flood", "S3BucketName": "logs"}, credential=a_credential(a_root(DEV)))

    with pytest.raises(errors.InsufficientS3BucketPolicyException):
        await prepare_create_trail(world.ports, call)

    assert world.bucket.puts == []


async def test_an_archive_takes_the_trails_of_its_owners_organization() -> None:
    world = World(organization=an_organization())
    call = world.call("CreateTrail", {"Name": "own", "S3BucketName": "logs"}, credential=a_credential(a_root(DEV)))

    await prepare_create_trail(world.ports, call)

    assert world.bucket.puts != []
