"""Proofs of single events: made from delivered files, judged with a key alone, and hostile ones."""

import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.digest.key_file import TrustedKey
from opentrail.digest.proof import (
    MAX_PROOF_BYTES,
    EventProof,
    KeyNotTrusted,
    ProofInvalid,
    ProvedEvent,
    check_proof,
    parse_proof,
)
from opentrail.query.event_proofs import NoProof, ProofSearch
from opentrail.query.log_validation import ValidationRequest
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld

REQUEST = ValidationRequest(
    "arn:aws:cloudtrail:us-east-1:123456789012:trail/main", REGION, NOON, NOON + 9 * HOUR, "logs"
)


async def a_world() -> DeliveryWorld:
    """Two digests of two files each: of 7 and 1 events, then 4 and 2."""
    world = DeliveryWorld()
    await world.start()
    await world.tick()
    for counts in ((7, 1), (4, 2)):
        for count in counts:
            await world.record(count)
            await world.pass_time(10 * MINUTE)
        await world.pass_time(40 * MINUTE)
    return world


async def prove(world: DeliveryWorld, event_id: str, event_time: str = "") -> EventProof:
    return await ProofSearch(REQUEST, InMemoryObjectStores(world.bucket), world.signer, event_id, event_time).find()


async def keys_of(world: DeliveryWorld) -> list[TrustedKey]:
    keys = await world.signer.public_keys(REGION, NOON, NOON + 9 * HOUR)
    return [TrustedKey(key.der, key.fingerprint, key.valid_from, key.valid_until) for key in keys]


def check(data: bytes, keys: list[TrustedKey]) -> ProvedEvent:
    return check_proof(parse_proof(data), keys)


def changed(proof: EventProof, **members: Any) -> bytes:
    return orjson.dumps({**orjson.loads(proof.to_json()), **members})


async def test_every_delivered_event_has_a_proof_that_shows_it_and_no_other() -> None:
    world = await a_world()
    keys = await keys_of(world)

    for number in range(1, 15):
        data = (await prove(world, f"event-{number}")).to_json()
        proved = check(data, keys)

        assert proved.event["eventID"] == f"event-{number}"
        assert [f"event-{other}" for other in range(1, 15) if f'event-{other}\\"'.encode() in data] == [
            f"event-{number}"
        ]


async def test_a_proof_says_where_the_event_is_and_who_signed() -> None:
    world = await a_world()

    proved = check((await prove(world, "event-10")).to_json(), await keys_of(world))

    assert (proved.leaf_index, proved.event_count) == (1, 4)
    assert proved.object_key == world.put_keys()[2]
    assert proved.digest.key == world.put_keys("CloudTrail-Digest")[1]
    assert proved.key.fingerprint == world.digests()[1]["digestPublicKeyFingerprint"]


async def test_the_time_of_the_event_spares_reading_other_files() -> None:
    world = await a_world()
    search = ProofSearch(REQUEST, InMemoryObjectStores(world.bucket), world.signer, "event-8", "2026-11-20T12:10:00Z")

    await search.find()

    assert search.files_read == 1


async def test_the_chain_is_followed_into_the_buckets_and_prefixes_that_the_trail_had_before() -> None:
    world = await a_world()
    trail = await world.trails.trail(REQUEST.trail_arn)
    assert trail is not None
    for bucket, prefix in (("other", ""), ("logs", "new")):
        trail = await world.settle(replace(trail, s3_bucket_name=bucket, s3_key_prefix=prefix))
        await world.record()
        await world.pass_time(HOUR)
    request = replace(REQUEST, key_prefix="new")
    stores = InMemoryObjectStores(world.bucket, world.other)

    for number in range(1, 17):
        proof = await ProofSearch(request, stores, world.signer, f"event-{number}").find()
        assert check(proof.to_json(), await keys_of(world)).event["eventID"] == f"event-{number}"

    assert (len(world.put_keys(bucket=world.other)), len(world.put_keys())) == (1, 5)
    late = ProofSearch(replace(request, start_time=NOON + 2 * HOUR), stores, world.signer, "event-1")
    with pytest.raises(NoProof, match="that 2 digests"):
        await late.find()


async def test_an_event_that_was_not_delivered_has_no_proof() -> None:
    world = await a_world()

    with pytest.raises(NoProof, match=r"none of the 4 log files that 2 digests"):
        await prove(world, "event-99")


async def test_an_altered_log_file_proves_nothing() -> None:
    world = await a_world()
    key = world.put_keys()[0]
    raw = gzip.decompress(world.bucket.objects[key].body)
    world.bucket.overwrite(key, gzip.compress(raw.replace(b"CreateUser", b"DeleteUser")))

    with pytest.raises(NoProof, match="was altered"):
        await prove(world, "event-1")


async def test_a_digest_that_nobody_signed_proves_nothing() -> None:
    world = await a_world()
    key = world.put_keys("CloudTrail-Digest")[0]
    world.bucket.objects[key] = replace(
        world.bucket.objects[key], metadata={"signature": "00", "signature-algorithm": "SHA256withRSA"}
    )

    with pytest.raises(NoProof, match="signature verification failed"):
        await prove(world, "event-1")


async def test_a_file_of_an_earlier_release_has_no_proof_and_says_why() -> None:
    world = await a_world()
    plans = world.log._plans
    assert all(plan.tree_hash for plan in plans.values())
    old = DeliveryWorld()
    await old.start()
    await old.tick()
    await old.record()
    await old.pass_time(10 * MINUTE)
    old.log._plans = {key: replace(plan, tree_hash="") for key, plan in old.log._plans.items()}
    await old.pass_time(HOUR)

    with pytest.raises(NoProof, match="no tree of its events"):
        await prove(old, "event-1")


async def test_another_key_is_not_trusted() -> None:
    world = await a_world()
    proof = await prove(world, "event-1")
    stranger = (await keys_of(await _with_other_key()))[-1]

    with pytest.raises(KeyNotTrusted):
        check(proof.to_json(), [stranger])


async def test_a_key_that_only_claims_the_fingerprint_verifies_nothing() -> None:
    world = await a_world()
    proof = await prove(world, "event-1")
    stranger = (await keys_of(await _with_other_key()))[-1]

    with pytest.raises(ProofInvalid, match="signature"):
        check(proof.to_json(), [replace(stranger, fingerprint=proof.fingerprint)])


async def _with_other_key() -> DeliveryWorld:
    world = await a_world()
    await world.signer.rotate(REGION, NOON + 5 * HOUR)
    return world


async def test_a_key_that_was_not_valid_then_verifies_nothing() -> None:
    world = await a_world()
    proof = await prove(world, "event-1")
    [key] = await keys_of(world)

    with pytest.raises(ProofInvalid, match="not valid"):
        check(proof.to_json(), [replace(key, valid_until=NOON + timedelta(minutes=59))])


async def test_the_proof_of_one_event_is_not_that_of_another() -> None:
    world = await a_world()
    first, second = await prove(world, "event-1"), await prove(world, "event-2")
    keys = await keys_of(world)

    for mixed in (
        replace(first, event=second.event),
        replace(first, leaf_index=second.leaf_index),
        replace(first, audit_path=second.audit_path),
        replace(first, key=(await prove(world, "event-8")).key),
        replace(first, digest=(await prove(world, "event-9")).digest),
        replace(first, digest_signature=(await prove(world, "event-9")).digest_signature),
        replace(first, leaf_index=7),
        replace(first, audit_path=first.audit_path[:-1]),
        replace(first, audit_path=(*first.audit_path, b"0" * 32)),
        replace(first, event=first.event + b" "),
    ):
        with pytest.raises(ProofInvalid):
            check(mixed.to_json(), keys)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"format": "opentrail-event-proof/2"}, "no opentrail-event-proof/1"),
        ({"more": 1}, "members"),
        ({"leafIndex": -1}, "leafIndex"),
        ({"leafIndex": True}, "leafIndex"),
        ({"leafIndex": "0"}, "leafIndex"),
        ({"leafIndex": 2**60}, "leafIndex"),
        ({"auditPath": "ab"}, "auditPath"),
        ({"auditPath": ["zz"]}, "auditPath"),
        ({"auditPath": [1]}, "auditPath"),
        ({"auditPath": ["00"]}, "auditPath"),
        ({"auditPath": ["00" * 32] * 65}, "auditPath"),
        ({"event": None}, "event is no text"),
        ({"digest": "{}"}, "no digest"),
        ({"digest": "[]"}, "no digest"),
        ({"publicKeyFingerprint": "00"}, "another key"),
    ],
)
async def test_malformed_proofs_are_refused_with_a_reason(members: dict[str, Any], reason: str) -> None:
    world = await a_world()

    with pytest.raises(ProofInvalid, match=reason):
        check(changed(await prove(world, "event-1"), **members), await keys_of(world))


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{", b"\xff", b"x" * (MAX_PROOF_BYTES + 1)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ProofInvalid):
        parse_proof(data)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ("format", "event", "leafIndex", "auditPath", "s3Bucket", "s3Object", "digest", "digestSignature")
_made: list[tuple[EventProof, list[TrustedKey]]] = []


async def _a_proof() -> tuple[EventProof, list[TrustedKey]]:
    if not _made:
        world = await a_world()
        _made.append((await prove(world, "event-3"), await keys_of(world)))
    return _made[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS), JSON_VALUES, min_size=1, max_size=3))
async def test_a_hostile_member_never_proves_and_never_crashes(members: dict[str, Any]) -> None:
    proof, keys = await _a_proof()
    if any(orjson.loads(proof.to_json())[name] != value for name, value in members.items()):
        with pytest.raises((ProofInvalid, KeyNotTrusted)):
            check(changed(proof, **members), keys)


@settings(deadline=None)
@given(st.data())
async def test_one_changed_byte_of_a_proof_never_proves_another_event(data: st.DataObject) -> None:
    proof, keys = await _a_proof()
    raw = bytearray(proof.to_json())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))

    try:
        proved = check(bytes(raw), keys)
    except (ProofInvalid, KeyNotTrusted):
        return

    assert proved.event == orjson.loads(proof.event)
    assert proved.object_key == proof.key


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=30), JSON_VALUES, max_size=4), st.text(max_size=10))
async def test_a_digest_of_any_content_without_the_signature_proves_nothing(members: dict[str, Any], text: str) -> None:
    proof, keys = await _a_proof()
    digest = orjson.loads(proof.digest)

    for forged in (orjson.dumps(digest | members | {"logFiles": [members]}).decode(), text):
        with pytest.raises((ProofInvalid, KeyNotTrusted)):
            check(changed(proof, digest=forged), keys)
