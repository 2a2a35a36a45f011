"""When a trail's digests are delivered, what they list, and how they hang together."""

import gzip
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from opentrail.digest.signing import is_signature_of, load_public_key, signing_text
from opentrail.ports import Unavailable
from opentrail.ports.object_store import BucketNotFound
from opentrail.resource.trail import Trail
from tests.support.delivery import ACCOUNT, HOUR, MINUTE, NOON, REGION, DeliveryWorld, spans


@pytest.fixture
def world() -> DeliveryWorld:
    return DeliveryWorld()


async def digesting(world: DeliveryWorld, **changes: object) -> Trail:
    trail = await world.start(**changes)  # type: ignore[arg-type]
    await world.tick()
    return trail


async def test_a_digest_lists_the_files_delivered_in_its_hour(world: DeliveryWorld) -> None:
    await digesting(world)
    await world.record(3)
    await world.pass_time(20 * MINUTE)
    await world.record(2)

    await world.pass_time(40 * MINUTE)

    (digest,) = world.digests()
    assert spans([digest]) == [("12:00:00", "13:00:00")]
    files = digest["logFiles"]
    assert [file["s3Object"] for file in files] == world.put_keys()
    for file in files:
        raw = gzip.decompress(world.bucket.objects[file["s3Object"]].body)
        assert file["hashValue"] == hashlib.sha256(raw).hexdigest()
        assert (file["s3Bucket"], file["hashAlgorithm"]) == ("logs", "SHA-256")
    assert [file["oldestEventTime"] for file in files] == ["2026-11-20T12:00:00Z", "2026-11-20T12:20:00Z"]
    assert (digest["oldestEventTime"], digest["newestEventTime"]) == ("2026-11-20T12:00:00Z", "2026-11-20T12:20:00Z")


async def test_a_digest_for_an_empty_hour_is_still_delivered(world: DeliveryWorld) -> None:
    await digesting(world)

    await world.pass_time(HOUR)

    (digest,) = world.digests()
    assert digest["logFiles"] == []
    assert (digest["oldestEventTime"], digest["newestEventTime"]) == (None, None)


async def test_a_digest_has_all_members_in_order_and_its_place_as_key(world: DeliveryWorld) -> None:
    await digesting(world, s3_key_prefix="p")

    await world.pass_time(HOUR)

    (key,) = world.put_keys("CloudTrail-Digest")
    assert key == (
        f"p/AWSLogs/{ACCOUNT}/CloudTrail-Digest/us-east-1/2026/11/20/"
        f"{ACCOUNT}_CloudTrail-Digest_us-east-1_main_us-east-1_20261120T130000Z.json.gz"
    )
    (digest,) = world.digests()
    assert list(digest) == [
        "awsAccountId",
        "digestStartTime",
        "digestEndTime",
        "digestS3Bucket",
        "digestS3Object",
        "digestPublicKeyFingerprint",
        "digestSignatureAlgorithm",
        "newestEventTime",
        "oldestEventTime",
        "previousDigestS3Bucket",
        "previousDigestS3Object",
        "previousDigestHashValue",
        "previousDigestHashAlgorithm",
        "previousDigestSignature",
        "logFiles",
    ]
    assert (digest["digestS3Bucket"], digest["digestS3Object"]) == ("logs", key)
    assert digest["awsAccountId"] == ACCOUNT


async def test_the_first_digest_names_no_previous_one_and_the_next_names_it(world: DeliveryWorld) -> None:
    await digesting(world)

    await world.pass_time(2 * HOUR)

    first, second = world.digests()
    assert [first[name] for name in first if name.startswith("previous")] == [None] * 5
    stored = world.bucket.objects[first["digestS3Object"]]
    assert second["previousDigestS3Bucket"] == "logs"
    assert second["previousDigestS3Object"] == first["digestS3Object"]
    assert second["previousDigestHashValue"] == hashlib.sha256(gzip.decompress(stored.body)).hexdigest()
    assert second["previousDigestHashAlgorithm"] == "SHA-256"
    assert second["previousDigestSignature"] == stored.metadata["signature"]
    assert spans([first, second]) == [("12:00:00", "13:00:00"), ("13:00:00", "14:00:00")]


async def test_a_digest_is_signed_over_time_place_content_and_predecessor(world: DeliveryWorld) -> None:
    await digesting(world)
    await world.pass_time(2 * HOUR)
    (key,) = await world.signer.public_keys(REGION, NOON, world.clock.now())

    previous = None
    for digest in world.digests():
        stored = world.bucket.objects[digest["digestS3Object"]]
        sha256 = hashlib.sha256(gzip.decompress(stored.body)).hexdigest()
        text = signing_text(digest["digestEndTime"], "logs", digest["digestS3Object"], sha256, previous)
        assert is_signature_of(load_public_key(key.der), text, stored.metadata["signature"])
        assert stored.metadata["signature-algorithm"] == "SHA256withRSA"
        assert digest["digestPublicKeyFingerprint"] == key.fingerprint
        previous = stored.metadata["signature"]


async def test_digest_ends_keep_the_second_at_which_logging_started(world: DeliveryWorld) -> None:
    world.clock.advance(17.5)
    trail = await world.create(is_log_file_validation_enabled=True)
    await world.start_logging(trail)
    world.clock.advance(0.4)
    await world.tick()

    await world.pass_time(2 * HOUR + MINUTE)

    assert spans(world.digests()) == [("12:00:17", "13:00:17"), ("13:00:17", "14:00:17")]


async def test_no_digest_is_delivered_without_validation(world: DeliveryWorld) -> None:
    await digesting(world, is_log_file_validation_enabled=False)
    await world.record()

    await world.pass_time(3 * HOUR)

    assert world.digests() == []


async def test_stopping_ends_the_chain_with_a_digest_of_all_that_was_left(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.pass_time(70 * MINUTE)
    await world.record(2)
    await world.stop_logging(trail)

    await world.pass_time(3 * HOUR)

    first, final = world.digests()
    assert spans([first, final]) == [("12:00:00", "13:00:00"), ("13:00:00", "13:11:00")]
    assert final["previousDigestS3Object"] == first["digestS3Object"]
    assert [file["s3Object"] for file in final["logFiles"]] == world.put_keys()
    assert len(world.put_keys()) == 1


async def test_deleting_a_trail_ends_its_chain_as_stopping_does(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.record(2)
    await world.delete(trail)

    await world.pass_time(3 * HOUR)

    (final,) = world.digests()
    assert [file["s3Object"] for file in final["logFiles"]] == world.put_keys()
    assert await world.log.readers() == []


async def test_the_final_digest_survives_a_crash_between_deletion_and_delivery(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.record(2)
    world.bucket.failure = Unavailable("down")
    await world.delete(trail)
    await world.pass_time(2 * MINUTE)
    world.restart()
    await world.pass_time(2 * MINUTE)

    world.bucket.failure = None
    world.restart()
    await world.pass_time(HOUR)

    assert world.listed() == world.put_keys()
    assert len(world.put_keys()) == 1
    assert await world.log.readers() == []


async def test_starting_again_begins_a_new_chain(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.record()
    trail = await world.stop_logging(trail)
    await world.pass_time(30 * MINUTE)
    await world.start_logging(trail)
    await world.record()

    await world.pass_time(HOUR + MINUTE)

    final, first = world.digests()
    assert spans([final, first]) == [("12:00:00", "12:01:00"), ("12:30:00", "13:30:00")]
    assert first["previousDigestS3Object"] is None
    assert world.listed() == world.put_keys()
    assert len(world.put_keys()) == 2


async def test_a_stop_and_a_start_between_two_ticks_still_part_the_chain(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.pass_time(10 * MINUTE)
    await world.record()
    for _ in range(3):
        trail = await world.stop_logging(trail)
        trail = await world.start_logging(trail)
        await world.record()

    await world.pass_time(2 * HOUR)

    digests = world.digests()
    assert [digest["previousDigestS3Object"] is None for digest in digests[:4]] == [True] * 4
    assert sorted(world.listed()) == sorted(world.put_keys())
    assert len(world.put_keys()) == 4
    ends = [digest["digestEndTime"] for digest in digests]
    assert ends == sorted(set(ends))


async def test_switching_validation_off_and_on_restarts_the_chain(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    covered = await world.record()
    await world.pass_time(10 * MINUTE)
    trail = await world.settle(replace(trail, is_log_file_validation_enabled=False))
    await world.record()
    await world.pass_time(3 * HOUR)
    await world.settle(replace(trail, is_log_file_validation_enabled=True))
    await world.tick()
    covered += await world.record()

    await world.pass_time(HOUR)

    digests = world.digests()
    assert spans(digests) == [("12:00:00", "12:11:00"), ("15:10:00", "16:10:00")]
    assert digests[1]["previousDigestS3Object"] is None
    files = dict(zip(world.put_keys(), world.log_files(), strict=True))
    assert [event for key in world.listed() for event in files[key]] == covered
    assert len(files) == 3


async def test_one_digest_covers_an_outage_of_the_process(world: DeliveryWorld) -> None:
    await digesting(world)
    await world.record()
    await world.pass_time(HOUR)
    world.clock.advance(5 * 3600 + 1000)
    world.restart()

    await world.pass_time(HOUR)

    assert spans(world.digests()) == [
        ("12:00:00", "13:00:00"),
        ("13:00:00", "18:00:00"),
        ("18:00:00", "19:00:00"),
    ]


async def test_one_digest_covers_an_outage_of_the_bucket(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.record()
    await world.pass_time(30 * MINUTE)
    world.bucket.failure = BucketNotFound("logs")
    await world.record()
    await world.pass_time(5 * HOUR)
    assert (await world.log.status(trail.arn, REGION))["LatestDigestDeliveryError"] == "NoSuchBucket"

    world.bucket.failure = None
    await world.pass_time(2 * HOUR)

    assert spans(world.digests()) == [
        ("12:00:00", "13:00:00"),
        ("13:00:00", "17:00:00"),
        ("17:00:00", "18:00:00"),
        ("18:00:00", "19:00:00"),
    ]
    assert sorted(world.listed()) == sorted(world.put_keys())
    status = await world.log.status(trail.arn, REGION)
    assert status["LatestDigestDeliveryError"] == ""
    assert status["LatestDigestDeliveryTime"].startswith("2026-11-20T19:")


async def test_every_enabled_region_of_a_multi_region_trail_has_its_own_chain(world: DeliveryWorld) -> None:
    await world.enable_regions("us-east-1", "eu-west-1")
    await digesting(world, is_multi_region=True)
    await world.pass_time(30 * MINUTE)
    await world.enable_regions("us-east-1", "eu-west-1", "sa-east-1")

    await world.pass_time(2 * HOUR)

    assert spans(world.digests("us-east-1")) == [("12:00:00", "13:00:00"), ("13:00:00", "14:00:00")]
    assert spans(world.digests("eu-west-1")) == spans(world.digests("us-east-1"))
    assert spans(world.digests("sa-east-1")) == [("12:31:00", "13:31:00")]
    assert world.digests("sa-east-1")[0]["previousDigestS3Object"] is None


async def test_a_region_with_files_has_digests_even_if_nobody_enabled_it(world: DeliveryWorld) -> None:
    await digesting(world, is_multi_region=True)
    await world.record(awsRegion="ap-south-1")

    await world.pass_time(HOUR + 10 * MINUTE)

    assert world.listed("ap-south-1") == world.put_keys()
    assert world.digests("us-east-1")[0]["logFiles"] == []


async def test_a_trail_that_becomes_single_region_ends_the_other_chains(world: DeliveryWorld) -> None:
    await world.enable_regions("us-east-1", "eu-west-1")
    trail = await digesting(world, is_multi_region=True)
    await world.record(awsRegion="eu-west-1")
    await world.settle(replace(trail, is_multi_region=False))

    await world.pass_time(3 * HOUR)

    assert len(world.digests("eu-west-1")) == 1
    assert world.listed("eu-west-1") == world.put_keys()
    assert len(world.digests("us-east-1")) == 3


async def test_a_chain_goes_on_across_buckets(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    await world.pass_time(HOUR)
    await world.settle(replace(trail, s3_bucket_name="other"))

    await world.pass_time(HOUR)

    (old,) = world.digests()
    (new,) = world.digests(bucket=world.other)
    assert (new["previousDigestS3Bucket"], new["previousDigestS3Object"]) == ("logs", old["digestS3Object"])


async def test_after_a_rotation_digests_are_signed_by_the_new_key(world: DeliveryWorld) -> None:
    await digesting(world)
    await world.pass_time(HOUR)
    new = await world.signer.rotate(REGION, world.clock.now())

    await world.pass_time(HOUR)

    first, second = world.digests()
    assert second["digestPublicKeyFingerprint"] == new.fingerprint != first["digestPublicKeyFingerprint"]


async def test_a_planned_digest_is_put_after_a_crash_as_it_was_signed(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(HOUR)
    (plan,) = await world.log.open_digests(trail.arn)

    world.bucket.failure = None
    await world.signer.rotate(REGION, world.clock.now())
    world.restart()
    await world.pass_time(MINUTE)

    stored = world.bucket.objects[plan.key]
    assert gzip.decompress(stored.body) == plan.body
    assert stored.metadata["signature"] == plan.signature


async def test_short_intervals_give_strictly_increasing_ends(world: DeliveryWorld) -> None:
    fast = DeliveryWorld(timedelta(seconds=1), timedelta(seconds=2))
    await fast.start()
    await fast.tick()
    expected = []
    for _ in range(20):
        expected += await fast.record()
        await fast.pass_time(timedelta(seconds=1.3), step=timedelta(seconds=0.65))

    await fast.pass_time(timedelta(seconds=10), step=timedelta(seconds=1))

    ends = [digest["digestEndTime"] for digest in fast.digests()]
    assert ends == sorted(set(ends))
    assert len(ends) >= 10
    assert fast.listed() == fast.put_keys()
    assert fast.delivered_ids() == expected


async def test_a_foreign_object_in_a_digests_place_holds_up_no_log_file(world: DeliveryWorld) -> None:
    trail = await digesting(world)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(HOUR)
    (plan,) = await world.log.open_digests(trail.arn)
    world.bucket.failure = None
    await world.bucket.put_if_absent(plan.key, b"foreign", content_type="")
    ids = await world.record()

    await world.pass_time(20 * MINUTE)

    assert (await world.log.status(trail.arn, REGION))["LatestDigestDeliveryError"] == "PreconditionFailed"
    assert world.delivered_ids() == ids


async def test_a_signer_that_fails_delays_digests_and_no_log_file(world: DeliveryWorld) -> None:
    class Broken:
        async def current_key(self, region: str, at: object) -> object:
            raise Unavailable("no keys")

    world.delivery = world.deliver_with(signer=Broken())
    await digesting(world)
    ids = await world.record()
    await world.pass_time(70 * MINUTE)
    later = await world.record()
    await world.pass_time(30 * MINUTE)
    assert world.delivered_ids() == ids + later

    world.restart()
    await world.pass_time(HOUR)

    assert world.listed() == world.put_keys()
