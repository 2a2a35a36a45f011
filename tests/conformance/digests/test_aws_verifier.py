"""What we deliver is judged by AWS's own verifier, and ours agrees with it line by line, also on what was altered."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from opentrail.digest.document import sha256_hex
from opentrail.digest.signing import signing_text
from opentrail.ports.object_store import StoredObject
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld
from tests.support.verifiers import Judgement, a_request, ask_aws, ask_ours


async def a_delivered_day(**changes: object) -> DeliveryWorld:
    """Four digests: two files, one file, none, two files."""
    world = DeliveryWorld()
    await world.start(**changes)  # type: ignore[arg-type]
    await world.tick()
    for files in (2, 1, 0, 2):
        for _ in range(files):
            await world.record(3)
            await world.pass_time(10 * MINUTE)
        await world.pass_time(HOUR - files * 10 * MINUTE)
    return world


async def test_aws_finds_all_that_we_deliver_valid() -> None:
    world = await a_delivered_day(s3_key_prefix="some/prefix")
    request = a_request(key_prefix="some/prefix")

    aws = await ask_aws(world, request)
    ours, concerns = await ask_ours(world, request)

    assert aws.lines == ours.lines
    assert aws.is_valid
    assert ours.is_valid
    assert concerns == []
    assert aws.lines[-2:] == ["4/4 digest files valid", "5/5 log files valid"]


def digest_keys(world: DeliveryWorld) -> list[str]:
    return world.put_keys("CloudTrail-Digest")


def alter(world: DeliveryWorld, key: str, change: Callable[[bytes], bytes]) -> None:
    """Change what an object inflates to."""
    world.bucket.overwrite(key, gzip.compress(change(gzip.decompress(world.bucket.objects[key].body))))


def flip_a_byte(world: DeliveryWorld, key: str) -> None:
    body = bytearray(world.bucket.objects[key].body)
    body[len(body) // 2] ^= 1
    world.bucket.overwrite(key, bytes(body))


def drop_metadata(world: DeliveryWorld, key: str, name: str) -> None:
    item: StoredObject = world.bucket.objects[key]
    kept = {other: value for other, value in item.metadata.items() if other != name}
    world.bucket.objects[key] = replace(item, metadata=kept)


def copy(world: DeliveryWorld, key: str, target: str) -> None:
    item = world.bucket.objects[key]
    world.bucket.objects[target] = replace(item, summary=replace(item.summary, key=target))


def move(world: DeliveryWorld, key: str, target: str) -> None:
    copy(world, key, target)
    world.bucket.objects.pop(key)


def swap(world: DeliveryWorld, one: str, other: str) -> None:
    objects = world.bucket.objects
    objects[one], objects[other] = objects[other], objects[one]


def sign_as_other(world: DeliveryWorld, key: str) -> None:
    alter(world, key, lambda raw: raw.replace(orjson.loads(raw)["digestPublicKeyFingerprint"].encode(), b"0" * 32))


ALTERATIONS: dict[str, Callable[[DeliveryWorld], object]] = {
    "a log file is changed": lambda w: alter(w, w.put_keys()[1], lambda raw: raw.replace(b"CreateUser", b"DeleteUser")),
    "a log file is changed in length only": lambda w: alter(w, w.put_keys()[0], lambda raw: raw + b"\n"),
    "a byte of a log file flips": lambda w: flip_a_byte(w, w.put_keys()[2]),
    "a log file is deleted": lambda w: w.bucket.objects.pop(w.put_keys()[3]),
    "a log file is emptied": lambda w: w.bucket.overwrite(w.put_keys()[0], b""),
    "a log file is cut short": lambda w: w.bucket.overwrite(
        w.put_keys()[0], w.bucket.objects[w.put_keys()[0]].body[:-20]
    ),
    "a log file lost its gzip trailer": lambda w: w.bucket.overwrite(
        w.put_keys()[0], w.bucket.objects[w.put_keys()[0]].body[:-8]
    ),
    "a log file is no gzip": lambda w: w.bucket.overwrite(w.put_keys()[0], b'{"Records":[]}'),
    "something is appended to a log file": lambda w: w.bucket.overwrite(
        w.put_keys()[0], w.bucket.objects[w.put_keys()[0]].body + b"more"
    ),
    "two log files change places": lambda w: swap(w, w.put_keys()[0], w.put_keys()[1]),
    "a digest is changed": lambda w: alter(w, digest_keys(w)[1], lambda raw: raw.replace(b"12:", b"11:")),
    "a byte of a digest flips": lambda w: flip_a_byte(w, digest_keys(w)[2]),
    "a digest is no gzip": lambda w: w.bucket.overwrite(digest_keys(w)[2], b"text"),
    "a digest is no JSON": lambda w: alter(w, digest_keys(w)[2], lambda raw: b"text"),
    "a digest is cut short": lambda w: w.bucket.overwrite(
        digest_keys(w)[2], w.bucket.objects[digest_keys(w)[2]].body[:-5]
    ),
    "a digest lacks a member": lambda w: alter(w, digest_keys(w)[1], lambda raw: raw.replace(b"digestEndTime", b"x")),
    "the newest digest is deleted": lambda w: w.bucket.objects.pop(digest_keys(w)[3]),
    "a digest in the middle is deleted": lambda w: w.bucket.objects.pop(digest_keys(w)[1]),
    "the first digest is deleted": lambda w: w.bucket.objects.pop(digest_keys(w)[0]),
    "all digests are deleted but the last": lambda w: [w.bucket.objects.pop(key) for key in digest_keys(w)[:3]],
    "a signature is missing": lambda w: drop_metadata(w, digest_keys(w)[1], "signature"),
    "a signature algorithm is missing": lambda w: drop_metadata(w, digest_keys(w)[1], "signature-algorithm"),
    "a digest moved": lambda w: move(w, digest_keys(w)[3], digest_keys(w)[3].replace("T160000Z", "T150001Z")),
    "two digests change places": lambda w: swap(w, digest_keys(w)[1], digest_keys(w)[2]),
    "a digest names a key that nobody listed": lambda w: sign_as_other(w, digest_keys(w)[1]),
    "a digest is copied to the name of another trail's": lambda w: copy(
        w, digest_keys(w)[0], digest_keys(w)[0].replace("_main_", "_other_")
    ),
    "a digest is copied to a later name": lambda w: copy(
        w, digest_keys(w)[3], digest_keys(w)[3].replace("T160000Z", "T163000Z")
    ),
}


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS.keys())
async def test_both_verifiers_say_the_same_of(alteration: Callable[[DeliveryWorld], object]) -> None:
    world = await a_delivered_day()
    alteration(world)
    request = a_request()

    aws = await ask_aws(world, request)
    ours, _ = await ask_ours(world, request)

    assert aws.lines == ours.lines
    assert aws.is_valid == ours.is_valid


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 60), (30, 90), (59, 61), (61, 119), (120, 121), (0, 10_000), (200, 245), (241, 300)],
)
async def test_both_verifiers_say_the_same_of_a_range_of_minutes(start: int, end: int) -> None:
    world = await a_delivered_day()
    request = a_request(NOON + timedelta(minutes=start), NOON + timedelta(minutes=end))

    aws = await ask_aws(world, request)
    ours, _ = await ask_ours(world, request)

    assert aws.lines == ours.lines


async def test_a_range_without_digests_has_none() -> None:
    world = await a_delivered_day()

    ours, _ = await ask_ours(world, a_request(NOON - 9 * HOUR, NOON - 8 * HOUR))

    assert ours == Judgement(
        ["Results requested for 2026-11-20T03:00:00Z to 2026-11-20T04:00:00Z", "No digests found"], is_valid=True
    )


async def test_both_verifiers_follow_a_chain_through_stops_buckets_and_new_keys() -> None:
    world = DeliveryWorld()
    trail = await world.start()
    await world.tick()
    await world.record(2)
    await world.pass_time(HOUR)
    await world.signer.rotate(REGION, world.clock.now())
    await world.record()
    await world.pass_time(HOUR)
    trail = await world.stop_logging(trail)
    await world.pass_time(3 * HOUR)
    trail = await world.start_logging(trail)
    await world.record()
    await world.pass_time(HOUR)
    trail = await world.settle(replace(trail, s3_bucket_name="other"))
    await world.record()
    await world.pass_time(2 * HOUR)
    request = a_request(bucket="other")

    aws = await ask_aws(world, request)
    ours, concerns = await ask_ours(world, request)

    assert aws.lines == ours.lines
    assert aws.is_valid
    assert concerns == []
    assert any(line.startswith("No log files were delivered by CloudTrail between") for line in aws.lines)


async def test_a_successor_of_a_replaced_digest_raises_a_concern_that_aws_does_not() -> None:
    world = await a_delivered_day()
    first, second = digest_keys(world)[:2]
    # Whoever holds the key signs an empty digest over the first one: the chain of signatures breaks, AWS does not look.
    digest = orjson.loads(gzip.decompress(world.bucket.objects[first].body)) | {"logFiles": []}
    raw = orjson.dumps(digest)
    text = signing_text(digest["digestEndTime"], "logs", first, sha256_hex(raw), None)
    signature = await world.signer.sign(REGION, digest["digestPublicKeyFingerprint"], text)
    forged = replace(
        world.bucket.objects[first],
        body=gzip.compress(raw),
        metadata={"signature": signature, "signature-algorithm": "SHA256withRSA"},
    )
    world.bucket.objects[first] = forged
    assert second in world.bucket.objects

    aws = await ask_aws(world, a_request())
    ours, concerns = await ask_ours(world, a_request())

    assert aws.is_valid
    assert aws.lines == ours.lines
    assert [concern.key for concern in concerns] == [first, first, world.put_keys()[1]]
    assert "previousDigestHashValue" in concerns[0].verdict


async def test_both_verifiers_judge_backfill_digests() -> None:
    world = await a_delivered_day()
    standard = [orjson.loads(gzip.decompress(world.bucket.objects[key].body)) for key in digest_keys(world)[:3]]
    previous: dict[str, str | None] = {"Bucket": None, "Key": None, "Hash": None, "Signature": None}
    for number, digest in enumerate(standard):
        key = digest["digestS3Object"].replace(".json.gz", "_backfill.json.gz")
        backfill = digest | {
            "digestS3Object": key,
            "previousDigestS3Bucket": previous["Bucket"],
            "previousDigestS3Object": previous["Key"],
            "previousDigestHashValue": previous["Hash"],
            "previousDigestSignature": previous["Signature"],
        }
        raw = orjson.dumps(backfill)
        text = signing_text(digest["digestEndTime"], "logs", key, sha256_hex(raw), previous["Signature"])
        signature = await world.signer.sign(REGION, digest["digestPublicKeyFingerprint"], text)
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if number != 1:
            metadata["backfill-generation-timestamp"] = "2026-11-20T18:00:00Z"
        await world.bucket.put_if_absent(key, gzip.compress(raw), content_type="", metadata=metadata)
        previous = {"Bucket": "logs", "Key": key, "Hash": sha256_hex(raw), "Signature": signature}

    aws = await ask_aws(world, a_request())
    ours, concerns = await ask_ours(world, a_request())

    assert aws.lines == ours.lines
    assert not aws.is_valid
    assert concerns == []
    assert "2/3 backfill digest files valid, 1/3 backfill digest files INVALID" in ours.lines
