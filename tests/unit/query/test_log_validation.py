"""Validation of log files: order, parallel fetching, progress, and what stops it. Verdicts: conformance/digests."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from opentrail.digest.chain_checks import Schedule
from opentrail.digest.verdicts import NOT_FOUND, VALID, Finding, FindingKind
from opentrail.ports import Unavailable
from opentrail.ports.object_store import ObjectStore, StoredObject
from opentrail.ports.signer import PublicKey
from opentrail.query.log_validation import LogValidation, NoPublicKeys, ValidationRequest
from opentrail.query.validation_request import LEDGER_DIGESTS, ChainLedger
from opentrail.resource.account_region import AccountRegion
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


class OwnLog:
    """The delivery log of the world's installation, as its own command gives it."""

    def __init__(self, world: DeliveryWorld) -> None:
        self._log = world.log

    async def chain(self, account_id: str, region: str, start: datetime, end: datetime) -> ChainLedger:
        place = AccountRegion(account_id, region)
        spans = await self._log.delivered_digests(REQUEST.trail_arn, place, start, end, LEDGER_DIGESTS)
        [last] = await self._log.last_digests(REQUEST.trail_arn)
        return ChainLedger(spans, last.end_time, last.is_final or last.delivered_at is None)


async def missing(
    world: DeliveryWorld, request: ValidationRequest = REQUEST, serving_since: datetime = NOON
) -> list[str]:
    """Return what is missing of a chain, by the server that runs now and its delivery log."""
    times = Schedule(now=world.clock.now(), serving_since=serving_since)
    store = InMemoryObjectStores(world.bucket, world.other)
    validation = LogValidation(request, store, world.signer, schedule=times, ledger=OwnLog(world))
    return [finding.text() for finding in await take(validation) if finding.kind is FindingKind.MISSING]


async def a_world_that_was_down(hours: int = 30) -> DeliveryWorld:
    """Three digests, so many hours without a server, one digest over them, one more."""
    world = await a_world()
    world.clock.advance(hours * 3600)
    world.restart()
    await world.pass_time(10 * MINUTE, step=5 * MINUTE)
    await world.record()
    await world.pass_time(HOUR + 5 * MINUTE, step=5 * MINUTE)
    assert len(world.digests()) == 5
    return world


async def test_a_chain_over_a_downtime_is_whole() -> None:
    world = await a_world_that_was_down()

    assert await missing(world) == []


@pytest.mark.parametrize("end", [NOON + 4 * HOUR, NOON + 20 * HOUR, NOON + 32 * HOUR])
async def test_no_digest_is_missed_in_a_range_that_ends_within_a_downtime(end: datetime) -> None:
    world = await a_world_that_was_down()

    assert await missing(world, replace(REQUEST, end_time=end)) == []


async def test_no_digest_is_missed_while_its_bucket_does_not_take_it() -> None:
    world = await a_world()
    world.bucket.failure = Unavailable("down")
    await world.pass_time(20 * HOUR, step=15 * MINUTE)
    world.bucket.failure = None

    assert await missing(world) == []


@pytest.mark.parametrize("cut", [1, 2])
async def test_an_end_cut_off_is_found_when_no_server_runs(cut: int) -> None:
    world = await a_world_that_was_down()
    for digest in world.digests()[-cut:]:
        world.bucket.objects.pop(digest["digestS3Object"])
    validation = LogValidation(REQUEST, InMemoryObjectStores(world.bucket), world.signer, ledger=OwnLog(world))

    found = [finding for finding in await take(validation) if finding.kind is FindingKind.MISSING]

    [finding] = found
    digests = "1 digest" if cut == 1 else "2 digests"
    assert finding.verdict.endswith(f"{digests} missing by the delivery log")
    assert not validation.summary.is_valid


async def test_an_end_cut_off_is_found_right_after_a_server_started() -> None:
    world = await a_world()
    world.bucket.objects.pop(world.digests()[-1]["digestS3Object"])
    world.clock.advance(30 * 3600)

    [line] = await missing(world, serving_since=world.clock.now())

    assert "between 2026-11-20T14:00:00Z and 2026-11-20T15:00:00Z" in line


async def test_a_range_whose_digests_and_log_files_are_all_gone_is_missing() -> None:
    world = await a_world()
    world.bucket.objects.clear()

    [line] = await missing(world)

    assert "3 digests missing by the delivery log" in line


async def test_digests_that_were_delivered_to_another_bucket_are_not_missed_in_the_first() -> None:
    world = await a_world()
    [trail] = await world.trails.trails(REQUEST.trail_arn.split(":")[4])
    await world.settle(replace(trail, s3_bucket_name="other"))
    await world.pass_time(3 * HOUR, step=5 * MINUTE)
    assert any("/CloudTrail-Digest/" in key for key in world.other.objects)

    assert await missing(world) == []
