"""Validation of log files: order, parallel fetching, progress, and what stops it. Verdicts: conformance/digests."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from opentrail.digest.verdicts import NOT_FOUND, VALID, Finding, FindingKind
from opentrail.ports import Unavailable
from opentrail.ports.object_store import ObjectStore, StoredObject
from opentrail.ports.signer import PublicKey
from opentrail.query.log_validation import LogValidation, NoPublicKeys, ValidationRequest
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld

REQUEST = ValidationRequest(
    "arn:aws:cloudtrail:us-east-1:123456789012:trail/main", REGION, NOON, NOON + 99 * HOUR, "logs"
)


async def a_world(hours: int = 3, files: int = 4) -> DeliveryWorld:
    world = DeliveryWorld()
    await world.start()
    await world.tick()
    for _ in range(hours):
        for _ in range(files):
            await world.record()
            await world.pass_time(5 * MINUTE, step=5 * MINUTE)
        await world.pass_time(HOUR - files * 5 * MINUTE, step=5 * MINUTE)
    return world


class CountingStore:
    """A bucket that answers after a few turns of the loop and counts how many gets are under way."""

    def __init__(self, inner: InMemoryObjectStore) -> None:
        self._inner = inner
        self.running = 0
        self.most = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def bucket(self, name: str) -> ObjectStore:
        return self

    async def get(self, key: str) -> StoredObject:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(10):
            await asyncio.sleep(0)
        self.running -= 1
        return await self._inner.get(key)


async def take(validation: LogValidation) -> list[Finding]:
    return [finding async for finding in validation.findings()]


async def test_findings_come_newest_digest_first_each_before_its_files() -> None:
    world = await a_world()

    findings = await take(LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer))

    expected = []
    for digest in reversed(world.digests()):
        expected.append(digest["digestS3Object"])
        expected += [file["s3Object"] for file in digest["logFiles"]]
    assert [finding.key for finding in findings] == expected
    assert {finding.verdict for finding in findings} == {VALID}


async def test_many_objects_are_fetched_at_a_time_and_never_more_than_the_bound() -> None:
    world = await a_world(hours=3, files=10)
    store = CountingStore(world.bucket)

    validation = LogValidation(REQUEST, store, world.signer, fetches_in_flight=6)
    findings = await take(validation)

    assert len(findings) == 33
    assert store.most == 6


async def test_progress_ends_with_everything_checked() -> None:
    world = await a_world()
    seen: list[tuple[int, int]] = []

    def note(checked: int, known: int) -> None:
        seen.append((checked, known))

    await take(LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer, on_progress=note))

    assert seen[-1] == (15, 15)
    assert [checked for checked, _ in seen] == list(range(1, 16))
    assert all(checked <= known for checked, known in seen)


async def test_the_summary_counts_and_says_what_was_covered() -> None:
    world = await a_world()
    world.bucket.objects.pop(world.put_keys()[0])
    validation = LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer)

    findings = await take(validation)

    assert [finding.verdict for finding in findings if not finding.is_valid] == [NOT_FOUND]
    assert validation.summary.to_json() == {
        "is_valid": False,
        "is_valid_to_aws": False,
        "start_time": "2026-11-20T12:00:00Z",
        "end_time": "2026-11-24T15:00:00Z",
        "found_start_time": "2026-11-20T12:00:00Z",
        "found_end_time": "2026-11-20T15:00:00Z",
        "files": {
            "digest": {"valid": 3, "invalid": 0},
            "backfill digest": {"valid": 0, "invalid": 0},
            "log": {"valid": 11, "invalid": 1},
        },
        "gaps": 0,
        "concerns": 0,
        "undigested": 0,
        "uncovered": 0,
        "remembered": 0,
    }


async def test_a_finding_is_json_able() -> None:
    finding = Finding(FindingKind.LOG_FILE, NOT_FOUND, "logs", "a/b.gz")

    assert finding.to_json() == {"kind": "log_file", "verdict": "not found", "bucket": "logs", "key": "a/b.gz"}


async def test_a_store_that_does_not_answer_is_no_verdict() -> None:
    world = await a_world()
    validation = LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer)
    findings = validation.findings()
    await anext(findings)
    world.bucket.failure = Unavailable("down")

    with pytest.raises(Unavailable):
        _ = [finding async for finding in findings]


async def test_digests_without_any_listed_key_cannot_be_judged() -> None:
    class Nobody:
        async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
            return []

    world = await a_world(hours=1)

    with pytest.raises(NoPublicKeys, match="No public keys found between 2026-11-20T12:00:00Z and"):
        await take(LogValidation(REQUEST, InMemoryObjectStores(world.bucket), Nobody()))


async def test_stopping_early_leaves_no_task_behind() -> None:
    world = await a_world(hours=3, files=10)
    store = CountingStore(world.bucket)
    before = asyncio.all_tasks()
    findings = LogValidation(REQUEST, store, world.signer).findings()

    await anext(findings)
    await findings.aclose()  # type: ignore[attr-defined]

    assert asyncio.all_tasks() == before


async def test_a_key_that_was_not_valid_at_the_digests_end_raises_a_concern() -> None:
    class Shifted:
        async def public_keys(self, region: str, start: datetime, end: datetime) -> Sequence[PublicKey]:
            keys = await world.signer.public_keys(region, NOON - 999 * HOUR, NOON + 999 * HOUR)
            late = timedelta(days=400)
            return [PublicKey(key.der, key.fingerprint, key.valid_from + late, key.valid_until + late) for key in keys]

    world = await a_world(hours=2, files=1)
    validation = LogValidation(REQUEST, InMemoryObjectStores(world.bucket), Shifted())

    findings = await take(validation)

    concerns = [finding for finding in findings if finding.kind is FindingKind.CONCERN]
    assert len(concerns) == validation.summary.concerns == 2
    assert "was not valid at digestEndTime" in concerns[0].verdict
    assert validation.summary.is_valid_to_aws
    assert not validation.summary.is_valid


async def test_a_foreign_name_among_the_digests_is_passed_over() -> None:
    world = await a_world(hours=1)
    (key,) = world.put_keys("CloudTrail-Digest")
    await world.bucket.put_if_absent(key.replace("20261120T130000Z", "nonsense"), b"x", content_type="")

    validation = LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer)
    await take(validation)

    assert validation.summary.is_valid
