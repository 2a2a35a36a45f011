"""Files that no digest lists: what is said of them, by the time in their name."""

from dataclasses import replace
from datetime import timedelta

from opentrail.digest.chain_checks import Schedule
from opentrail.digest.verdicts import Finding, FindingKind, ValidationSummary
from opentrail.ports.object_store import StoredObject
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.resource.delivery_layout import log_file_key
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import ACCOUNT, HOUR, MINUTE, NOON, REGION, DeliveryWorld


async def a_world(hours: int = 4) -> DeliveryWorld:
    world = DeliveryWorld()
    await world.start()
    await world.tick()
    await deliver(world, hours)
    return world


async def deliver(world: DeliveryWorld, hours: int) -> None:
    for _ in range(hours):
        await world.record()
        await world.pass_time(HOUR, step=5 * MINUTE)


async def validate(
    world: DeliveryWorld, start: float = 0, end: float = 4, trail: str = "main"
) -> tuple[list[Finding], ValidationSummary]:
    arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{trail}"
    request = ValidationRequest(arn, REGION, NOON + start * HOUR, NOON + end * HOUR, "logs")
    schedule = Schedule(world.clock.now())
    validation = LogValidation(request, InMemoryObjectStores(world.bucket), world.signer, schedule=schedule)
    findings = [finding async for finding in validation.findings() if not finding.is_valid]
    return findings, validation.summary


def add(world: DeliveryWorld, minutes: int, suffix: str = "A" * 16) -> str:
    key = log_file_key("", ACCOUNT, REGION, NOON + timedelta(minutes=minutes), suffix)
    template: StoredObject = world.bucket.objects[world.put_keys()[0]]
    world.bucket.objects[key] = replace(template, summary=replace(template.summary, key=key))
    return key


async def test_a_file_beside_those_that_digests_list_was_added() -> None:
    world = await a_world()
    key = add(world, 95)

    findings, summary = await validate(world)

    assert [(finding.kind, finding.key) for finding in findings] == [(FindingKind.FILE_CONCERN, key)]
    assert summary.is_valid_to_aws
    assert not summary.is_valid


async def test_a_file_younger_than_the_newest_digest_waits_for_the_next() -> None:
    world = await a_world()
    add(world, 4 * 60 + 5)

    findings, summary = await validate(world, end=5)

    assert findings == []
    assert summary.undigested == 1


async def test_files_of_a_time_without_digests_are_counted() -> None:
    world = await a_world(hours=2)
    trail = (await world.trails.trails(ACCOUNT))[0]
    await world.stop_logging(trail)
    await world.pass_time(3 * HOUR, step=5 * MINUTE)
    await world.start_logging(trail)
    await deliver(world, 2)
    add(world, 3 * 60 + 30)

    findings, summary = await validate(world, end=7)

    assert findings == []
    assert (summary.uncovered, summary.gaps) == (1, 1)


async def test_a_range_that_ends_amid_a_chain_asks_later_digests() -> None:
    world = await a_world(hours=6)

    for start, end in ((0, 2), (1, 3), (2.5, 3.5), (1.1, 5.9)):
        findings, _ = await validate(world, start, end)
        assert findings == [], (start, end)


async def test_another_trails_files_in_the_same_folder_are_that_trails() -> None:
    world = DeliveryWorld()
    await world.start("main")
    await world.start("other")
    await world.tick()
    await deliver(world, 4)
    assert len(world.put_keys()) == 8

    for trail in ("main", "other"):
        findings, _ = await validate(world, trail=trail)
        assert findings == []


async def test_something_that_is_no_log_file_is_judged_by_the_stores_time() -> None:
    world = await a_world()
    folder = world.put_keys()[0].rpartition("/")[0]
    template = world.bucket.objects[world.put_keys()[1]]
    key = f"{folder}/notes.txt"
    world.bucket.objects[key] = replace(template, summary=replace(template.summary, key=key))

    findings, _ = await validate(world)

    assert [finding.key for finding in findings] == [key]


async def test_files_without_a_single_digest_are_a_concern() -> None:
    world = await a_world()
    for key in world.put_keys("CloudTrail-Digest"):
        del world.bucket.objects[key]

    findings, summary = await validate(world)

    assert [finding.kind for finding in findings] == [FindingKind.MISSING]
    assert "not one valid digest, and 4 log files" in findings[0].verdict
    assert "No digests found" in summary.text()
