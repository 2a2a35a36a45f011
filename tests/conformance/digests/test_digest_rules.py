"""Every rule of digest chains, on a hand-turned clock: what comes of it is one chain without overlap that lists each
file once, and both verifiers find it valid (reference: trails-and-delivery, section 5)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest

from opentrail.digest.inflation import inflate
from opentrail.ports import Unavailable
from opentrail.ports.object_store import BucketNotFound
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.organization import organized
from opentrail.resource.trail import Trail
from tests.builders import AUDIT, DEV, an_organization
from tests.support.delivery import ACCOUNT, HOUR, MINUTE, NOON, REGION, DeliveryWorld
from tests.support.verifiers import a_request, ask_aws, ask_ours

HERE = AccountRegion(ACCOUNT, REGION)
DAY = 24 * HOUR
GAP = "No log files were delivered by CloudTrail"


@dataclass
class Story:
    """What happened to a trail, and what a verifier is asked and must say about it.

    ``digests`` is how many there are by then, if that matters; ``undigested`` are the event ids that no digest may
    list; ``gaps`` the breaks of the chain that verifiers report.
    """

    world: DeliveryWorld = field(default_factory=DeliveryWorld)
    place: AccountRegion = HERE
    start: datetime = NOON
    end: datetime | None = None
    bucket: str = "logs"
    prefix: str = ""
    organization_id: str = ""
    gaps: int = 0
    digests: int = 0
    undigested: list[str] = field(default_factory=list)

    def chain(self) -> list[dict[str, Any]]:
        """Return the digests of the place, from all buckets, by end time."""
        folder = f"/{self.place.account_id}/CloudTrail-Digest/{self.place.region}/"
        found = [
            orjson.loads(inflate(item.body).raw)
            for store in (self.world.bucket, self.world.other)
            for key, item in store.objects.items()
            if folder in key
        ]
        return sorted(found, key=lambda digest: str(digest["digestEndTime"]))

    def files(self) -> dict[str, list[str]]:
        """Return the place's log files, with the event ids in each."""
        folder = f"/{self.place.account_id}/CloudTrail/{self.place.region}/"
        return {
            f"{store.name}/{key}": [event["eventID"] for event in orjson.loads(inflate(item.body).raw)["Records"]]
            for store in (self.world.bucket, self.world.other)
            for key, item in store.objects.items()
            if folder in key
        }


Tell = Callable[[], Awaitable[Story]]


async def started(story: Story, **changes: Any) -> Trail:
    trail = await story.world.start(**changes)
    await story.world.tick()
    return trail


async def busy(world: DeliveryWorld, hours: float, **changes: Any) -> list[str]:
    """Let time pass with an event every 20 minutes; return the event ids."""
    ids = []
    for _ in range(round(hours * 3)):
        ids += await world.record(**changes)
        await world.pass_time(20 * MINUTE)
    return ids


async def a_first_day() -> Story:
    story = Story(digests=6)
    await started(story, s3_key_prefix="some/prefix")
    await busy(story.world, 3)
    await story.world.pass_time(3 * HOUR)  # nothing happens, and each hour has its digest all the same
    return replace(story, prefix="some/prefix")


async def validation_for_a_trail_that_logged_before() -> Story:
    story = Story(digests=2)
    trail = await started(story, is_log_file_validation_enabled=False)
    story.undigested = await busy(story.world, 1)
    await story.world.settle(replace(trail, is_log_file_validation_enabled=True))
    await story.world.tick()
    await busy(story.world, 2)
    return story


async def validation_off_and_on() -> Story:
    story = Story(digests=4, gaps=1)
    trail = await started(story)
    await busy(story.world, 1.5)
    trail = await story.world.settle(replace(trail, is_log_file_validation_enabled=False))
    story.undigested = await busy(story.world, 3)
    await story.world.settle(replace(trail, is_log_file_validation_enabled=True))
    await story.world.tick()
    await busy(story.world, 2)
    return story


async def a_stop_and_a_start() -> Story:
    story = Story(digests=4, gaps=1)
    trail = await started(story)
    await busy(story.world, 1)
    await story.world.record(name="StopLogging", eventSource="cloudtrail.amazonaws.com")
    trail = await story.world.stop_logging(trail)
    await busy(story.world, 2)  # goes nowhere
    await story.world.start_logging(trail)
    await busy(story.world, 2)
    return story


async def a_deleted_trail() -> Story:
    story = Story(digests=2)
    trail = await started(story)
    await busy(story.world, 1)
    await story.world.record(name="DeleteTrail", eventSource="cloudtrail.amazonaws.com")
    await story.world.delete(trail)
    await busy(story.world, 2)
    return story


async def an_outage_of_the_process() -> Story:
    story = Story(digests=3)
    await started(story)
    await busy(story.world, 1)
    await story.world.record(5)
    story.world.clock.advance(9.4 * 3600)
    story.world.restart()
    await busy(story.world, 1)
    return story


async def a_bucket_that_is_down_for_a_day() -> Story:
    story = Story()
    await started(story)
    await busy(story.world, 1.5)
    story.world.bucket.failure = Unavailable("down")
    await busy(story.world, 12)
    story.world.restart()
    story.world.bucket.failure = BucketNotFound("logs")
    await busy(story.world, 12)
    story.world.bucket.failure = None
    await busy(story.world, 2)
    return story


async def a_clock_set_back() -> Story:
    story = Story()
    await started(story)
    await busy(story.world, 2.5)
    story.world.clock.advance(-3 * 3600)
    await busy(story.world, 6)
    return story


async def a_clock_set_back_and_a_crash_and_a_stop() -> Story:
    story = Story()
    trail = await started(story)
    await busy(story.world, 2.5)
    story.world.clock.advance(-90 * 60)
    await story.world.record()
    story.world.restart()
    await story.world.pass_time(10 * MINUTE)
    await story.world.stop_logging(trail)
    await story.world.pass_time(10 * MINUTE)
    return replace(story, end=NOON + 12 * HOUR)


async def a_clock_that_was_a_year_ahead_for_an_hour() -> Story:
    story = Story(start=NOON - HOUR)
    await started(story)
    await busy(story.world, 1.5)
    story.world.clock.advance(365 * 86400)
    await busy(story.world, 1)
    story.world.clock.advance(-365 * 86400)
    await busy(story.world, 4)
    return replace(story, end=story.world.clock.now() + 366 * DAY)


async def a_region_of_a_later_day() -> Story:
    story = Story(place=AccountRegion(ACCOUNT, "sa-east-1"), digests=1)
    await story.world.enable_regions("us-east-1")
    await started(story, is_multi_region=True)
    await busy(story.world, 2)
    await story.world.enable_regions("sa-east-1", "us-east-1")
    await busy(story.world, 2, awsRegion="sa-east-1", eventSource="ec2.amazonaws.com")
    return story


async def a_key_that_is_rotated_in_the_middle() -> Story:
    story = Story(digests=4)
    await started(story)
    await busy(story.world, 2)
    await story.world.signer.rotate(REGION, story.world.clock.now())
    await busy(story.world, 2)
    return story


async def keys_of_two_months() -> Story:
    story = Story(world=DeliveryWorld(digest_interval=6 * HOUR), digests=160)
    await started(story)
    for _ in range(40):
        await story.world.record()
        await story.world.pass_time(DAY, step=HOUR)
    return story


async def another_bucket_in_the_middle() -> Story:
    story = Story(digests=4, bucket="other", prefix="new")
    trail = await started(story)
    await busy(story.world, 1.5)
    await story.world.settle(replace(trail, s3_bucket_name="other", s3_key_prefix="new"))
    await busy(story.world, 2.5)
    return story


async def another_bucket_because_the_first_one_is_down() -> Story:
    story = Story(bucket="other")
    trail = await started(story)
    await busy(story.world, 1.5)
    story.world.bucket.failure = Unavailable("down")
    await busy(story.world, 2)
    await story.world.settle(replace(trail, s3_bucket_name="other"))
    await busy(story.world, 2)
    story.world.bucket.failure = None
    await busy(story.world, 2)
    return story


async def a_member_of_an_organization() -> Story:
    story = Story(place=AccountRegion(DEV, REGION), digests=3, organization_id="o-exampleorgid", prefix="p")
    await organization_trail(story, s3_key_prefix="p")
    await busy(story.world, 1, recipientAccountId=DEV)
    await busy(story.world, 1, recipientAccountId=AUDIT)
    await busy(story.world, 1, recipientAccountId=DEV)
    return story


async def a_member_that_left_and_came_back() -> Story:
    story = Story(place=AccountRegion(DEV, REGION), digests=3, gaps=1, organization_id="o-exampleorgid")
    trail = await organization_trail(story)
    await busy(story.world, 1, recipientAccountId=DEV)
    await story.world.record(recipientAccountId=DEV)
    trail = await story.world.settle(organized(trail, an_organization(AUDIT)))
    await busy(story.world, 2, recipientAccountId=DEV)  # delivered nowhere
    await story.world.settle(organized(trail, an_organization()))
    await busy(story.world, 2, recipientAccountId=DEV)
    return story


async def a_trail_that_its_organization_takes_over() -> Story:
    story = Story(digests=4, organization_id="o-exampleorgid")
    trail = await started(story)
    await busy(story.world, 2)
    await story.world.settle(organized(trail, an_organization()))
    await busy(story.world, 2)
    return story


async def organization_trail(story: Story, **changes: Any) -> Trail:
    trail = organized(await story.world.create(is_log_file_validation_enabled=True, **changes), an_organization())
    trail = await story.world.start_logging(trail)
    await story.world.tick()
    return trail


STORIES: list[Tell] = [
    a_first_day,
    validation_for_a_trail_that_logged_before,
    validation_off_and_on,
    a_stop_and_a_start,
    a_deleted_trail,
    an_outage_of_the_process,
    a_bucket_that_is_down_for_a_day,
    a_clock_set_back,
    a_clock_set_back_and_a_crash_and_a_stop,
    a_clock_that_was_a_year_ahead_for_an_hour,
    a_region_of_a_later_day,
    a_key_that_is_rotated_in_the_middle,
    keys_of_two_months,
    another_bucket_in_the_middle,
    another_bucket_because_the_first_one_is_down,
    a_member_of_an_organization,
    a_member_that_left_and_came_back,
    a_trail_that_its_organization_takes_over,
]
FOR_AWS: list[Tell] = [
    a_stop_and_a_start,
    a_bucket_that_is_down_for_a_day,
    a_clock_set_back,
    another_bucket_in_the_middle,
    a_member_of_an_organization,
    a_member_that_left_and_came_back,
]
"""Stories that AWS's verifier is told, too: each takes it a second."""


def check_chain(story: Story) -> None:
    """Check the place's digests as such: no end comes twice, no span meets another, each file is listed once."""
    chain = story.chain()
    ends = [str(digest["digestEndTime"]) for digest in chain]
    assert ends == sorted(set(ends))
    for before, after in pairwise(chain):
        assert after["digestStartTime"] >= before["digestEndTime"]
        if after["previousDigestS3Object"] is not None:
            assert after["digestStartTime"] == before["digestEndTime"]
            assert after["previousDigestS3Object"] == before["digestS3Object"]
            assert after["previousDigestS3Bucket"] == before["digestS3Bucket"]
    assert chain[0]["previousDigestS3Object"] is None
    assert sum(digest["previousDigestS3Object"] is None for digest in chain[1:]) >= story.gaps

    files = story.files()
    listed = [f"{file['s3Bucket']}/{file['s3Object']}" for digest in chain for file in digest["logFiles"]]
    assert len(listed) == len(set(listed))
    unlisted = [event for key in sorted(files.keys() - set(listed)) for event in files[key]]
    assert unlisted == story.undigested
    numbers = [[int(event.removeprefix("event-")) for event in ids] for ids in files.values()]
    assert numbers == [sorted(ids) for ids in numbers]
    events = [event for ids in files.values() for event in ids]
    assert len(events) == len(set(events))


@pytest.mark.parametrize("tell", STORIES)
async def test_a_chain_keeps_its_rules_and_our_verifier_finds_it_valid(tell: Tell) -> None:
    story = await tell()
    assert story.digests in (0, len(story.chain()))
    await story.world.pass_time(HOUR + 10 * MINUTE)  # what was delivered last is digested

    check_chain(story)
    ours, concerns = await ask_ours(story.world, question(story))

    assert ours.is_valid, ours.lines
    assert concerns == []
    assert len([line for line in ours.lines if line.startswith(GAP)]) == story.gaps
    asked = [digest for digest in story.chain() if story.organization_id in digest["digestS3Object"]]
    assert len([line for line in ours.lines if line.startswith("Digest file")]) == len(asked)


@pytest.mark.parametrize("tell", FOR_AWS)
async def test_aws_s_verifier_says_the_same(tell: Tell) -> None:
    story = await tell()

    aws = await ask_aws(story.world, question(story))
    ours, _ = await ask_ours(story.world, question(story))

    assert aws.is_valid, aws.lines
    assert aws.lines == ours.lines


def question(story: Story) -> Any:
    return a_request(
        story.start,
        story.end or story.world.clock.now() + HOUR,
        bucket=story.bucket,
        key_prefix=story.prefix,
        region=story.place.region,
        account_id=story.place.account_id,
        organization_id=story.organization_id,
    )
