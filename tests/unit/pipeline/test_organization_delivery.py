"""Which files and digests an organization trail delivers, for which accounts and from when on."""

from dataclasses import replace
from typing import Any

import pytest

from opentrail.deliver.selection import TrailSelection
from opentrail.event import Event
from opentrail.pipeline.organization_trails import settle_organization
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, SettingsEntry
from opentrail.record.service_events import organization_event
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.organization import Organization, organized
from opentrail.resource.trail import Trail
from tests.builders import AUDIT, DEV, MANAGEMENT, a_trail, an_event, an_organization
from tests.support.delivery import HOUR, MINUTE, NOON, REGION, DeliveryWorld, event_ids, spans

LATER = "444444444444"
OUTSIDER = "999999999999"
ALL = an_organization()
WITH_LATER = an_organization(AUDIT, DEV, LATER)
WITHOUT_DEV = an_organization(AUDIT)


@pytest.fixture
def world() -> DeliveryWorld:
    return DeliveryWorld()


async def an_organization_trail(world: DeliveryWorld, **changes: Any) -> Trail:
    trail = organized(a_trail(is_log_file_validation_enabled=True, **changes), ALL)
    started = await world.start_logging(await world.settle(trail))
    await world.tick()
    return started


async def reorganize(world: DeliveryWorld, organization: Organization | None) -> None:
    """Restart with other settings, as a server does."""
    world.restart()

    def report(before: Trail, after: Trail) -> Event:
        return organization_event(before, after, world.clock.now(), event_id="reorganized")

    await settle_organization(world.journal, world.trails, world.log, organization, report)
    async for page in world.journal.read(START, until=world.journal.head()):
        for position, entry in page:
            if isinstance(entry, SettingsEntry):
                await world.trails.apply(position, entry)


def files_of(world: DeliveryWorld, account: str, region: str = REGION) -> list[list[str]]:
    """Return the event ids of each of an account's log files."""
    keys = world.put_keys(f"o-exampleorgid/{account}/CloudTrail/{region}")
    return [event_ids(world.bucket.objects[key].body) for key in keys]


def digests_of(world: DeliveryWorld, account: str, region: str = REGION) -> list[dict[str, Any]]:
    return [digest for digest in world.digests(region) if digest["awsAccountId"] == account]


async def test_each_account_has_files_of_its_own_below_the_organization(world: DeliveryWorld) -> None:
    await an_organization_trail(world, s3_key_prefix="p")
    own = await world.record(2)
    dev = await world.record(1, recipientAccountId=DEV)
    dev += await world.record(1, recipientAccountId=DEV)

    await world.pass_time(5 * MINUTE)

    (first, second) = sorted(world.put_keys())
    assert first.startswith(
        f"p/AWSLogs/o-exampleorgid/{MANAGEMENT}/CloudTrail/us-east-1/2026/11/20/{MANAGEMENT}_CloudTrail_us-east-1_"
    )
    assert second.startswith(f"p/AWSLogs/o-exampleorgid/{DEV}/CloudTrail/us-east-1/2026/11/20/{DEV}_CloudTrail_")
    assert [files_of(world, account) for account in (MANAGEMENT, DEV, AUDIT)] == [[own], [dev], []]


async def test_events_of_other_accounts_are_left_out(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    await world.record(3, recipientAccountId=OUTSIDER)
    await world.record(1, recipientAccountId=None)

    await world.pass_time(10 * MINUTE)

    assert world.put_keys() == []


async def test_each_account_and_region_has_a_chain_even_without_events(world: DeliveryWorld) -> None:
    await world.enable_regions("us-east-1", "eu-west-1")
    await an_organization_trail(world, is_multi_region=True)
    await world.record(2, recipientAccountId=DEV, awsRegion="eu-west-1")

    await world.pass_time(2 * HOUR)

    for account in (MANAGEMENT, AUDIT, DEV):
        for region in ("us-east-1", "eu-west-1"):
            digests = digests_of(world, account, region)
            assert spans(digests) == [("12:00:00", "13:00:00"), ("13:00:00", "14:00:00")]
            assert digests[1]["previousDigestS3Object"] == digests[0]["digestS3Object"]
            assert digests[0]["digestS3Object"] == (
                f"AWSLogs/o-exampleorgid/{account}/CloudTrail-Digest/{region}/2026/11/20/"
                f"{account}_CloudTrail-Digest_{region}_main_us-east-1_20261120T130000Z.json.gz"
            )
            listed = [file["s3Object"] for digest in digests for file in digest["logFiles"]]
            assert listed == (world.put_keys() if (account, region) == (DEV, "eu-west-1") else [])


async def test_an_account_that_joins_has_files_and_digests_from_then_on(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    await world.record(2, recipientAccountId=LATER)
    await world.pass_time(30 * MINUTE)
    await reorganize(world, WITH_LATER)
    joined = await world.record(2, recipientAccountId=LATER)

    await world.pass_time(2 * HOUR)

    assert files_of(world, LATER) == [joined]
    assert spans(digests_of(world, LATER)) == [("12:31:00", "13:31:00")]
    assert digests_of(world, LATER)[0]["previousDigestS3Object"] is None
    assert spans(digests_of(world, DEV)) == [("12:00:00", "13:00:00"), ("13:00:00", "14:00:00")]
    changed = next(event for file in files_of(world, MANAGEMENT) for event in file)
    assert changed == "reorganized"


async def test_events_read_late_belong_to_the_accounts_of_their_time(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    early = await world.record(1, recipientAccountId=DEV)
    await world.record(1, recipientAccountId=LATER)
    await reorganize(world, an_organization(AUDIT, LATER))
    await world.record(1, recipientAccountId=DEV)
    late = await world.record(1, recipientAccountId=LATER)

    await world.pass_time(20 * MINUTE)

    assert (files_of(world, DEV), files_of(world, LATER)) == ([early], [late])


async def test_an_account_that_leaves_has_a_final_digest_of_all_that_was_left(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    await world.pass_time(HOUR)
    last = await world.record(1, recipientAccountId=DEV)
    await reorganize(world, WITHOUT_DEV)
    await world.record(1, recipientAccountId=DEV)

    await world.pass_time(3 * HOUR)

    first, final = digests_of(world, DEV)
    assert files_of(world, DEV) == [last]
    assert spans([first, final]) == [("12:00:00", "13:00:00"), ("13:00:00", "13:01:00")]
    assert [file["s3Object"] for file in final["logFiles"]] == world.put_keys(f"{DEV}/CloudTrail")
    assert len(digests_of(world, AUDIT)) == 4


async def test_an_account_that_left_and_comes_back_starts_a_chain_anew(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    await world.pass_time(HOUR)
    await reorganize(world, WITHOUT_DEV)
    await world.pass_time(HOUR)
    await reorganize(world, ALL)
    back = await world.record(1, recipientAccountId=DEV)

    await world.pass_time(2 * HOUR)

    assert files_of(world, DEV) == [back]
    assert [digest["previousDigestS3Object"] is None for digest in digests_of(world, DEV)] == [True, False, True]


async def test_without_its_organization_it_goes_on_as_a_trail_of_its_account(world: DeliveryWorld) -> None:
    trail = await an_organization_trail(world)
    await world.pass_time(HOUR)
    await world.record(1, recipientAccountId=DEV)
    await reorganize(world, None)
    own = await world.record(1)
    await world.record(1, recipientAccountId=DEV)

    await world.pass_time(2 * HOUR)

    below = [key for key in world.put_keys() if f"/{MANAGEMENT}/CloudTrail/" in key and "o-exampleorgid" not in key]
    assert [event_ids(world.bucket.objects[key].body) for key in below] == [own]
    for account in (MANAGEMENT, AUDIT, DEV):
        ended = [d for d in digests_of(world, account) if "/o-exampleorgid/" in d["digestS3Object"]]
        assert spans(ended)[0] == ("12:00:00", "13:00:00")
        assert len(ended) == 2  # the second one is final
    alone = [d for d in digests_of(world, MANAGEMENT) if "o-exampleorgid" not in d["digestS3Object"]]
    assert alone[0]["previousDigestS3Object"] is None
    assert sorted(world.listed()) == sorted(world.put_keys())
    kept = await world.trails.trail(trail.arn)
    assert kept is not None
    assert not kept.is_organization


async def test_a_file_is_built_again_after_a_crash_for_its_account_alone(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    own = await world.record(1)
    dev = await world.record(2, recipientAccountId=DEV)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(10 * MINUTE)
    await reorganize(world, WITHOUT_DEV)
    world.bucket.failure = None

    await world.pass_time(2 * HOUR)

    assert (files_of(world, MANAGEMENT)[0], files_of(world, DEV)) == (own, [dev])
    assert sorted(world.listed()) == sorted(world.put_keys())


async def test_a_bucket_that_fails_while_the_organization_is_taken_away_loses_no_file(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    dev = await world.record(2, recipientAccountId=DEV)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(10 * MINUTE)
    await reorganize(world, None)
    await world.pass_time(10 * MINUTE)
    world.bucket.failure = None

    await world.pass_time(2 * HOUR)

    assert files_of(world, DEV) == [dev]
    assert sorted(world.listed()) == sorted(world.put_keys())
    final = digests_of(world, DEV)[-1]
    assert "/o-exampleorgid/" in final["digestS3Object"]


async def test_a_folder_that_the_bucket_refuses_holds_up_no_other_account(world: DeliveryWorld) -> None:
    trail = await an_organization_trail(world)
    world.bucket.refused_parts = {f"/{AUDIT}/"}
    for _ in range(9):
        await world.record(1, recipientAccountId=AUDIT)
        await world.record(1, recipientAccountId=DEV)
        await world.record(1)
        await world.pass_time(20 * MINUTE)

    assert spans(digests_of(world, DEV)) == spans(digests_of(world, MANAGEMENT))
    assert len(digests_of(world, DEV)) == 3
    assert [len(files_of(world, account)) for account in (MANAGEMENT, DEV, AUDIT)] == [9, 9, 0]
    status = await world.log.status(trail.arn, REGION)
    assert (status["LatestDeliveryError"], status["LatestDigestDeliveryError"]) == ("AccessDenied", "AccessDenied")

    world.bucket.refused_parts = set()
    await world.pass_time(2 * HOUR)

    assert len(files_of(world, AUDIT)) == 9
    assert sorted(world.listed()) == sorted(world.put_keys())
    status = await world.log.status(trail.arn, REGION)
    assert (status["LatestDeliveryError"], status["LatestDigestDeliveryError"]) == ("", "")


@pytest.mark.parametrize("part", [f"/{AUDIT}/", "CloudTrail-Digest/"])
async def test_a_refused_digest_does_not_keep_settings_from_taking_effect(world: DeliveryWorld, part: str) -> None:
    trail = await an_organization_trail(world)
    world.bucket.refused_parts = {part}
    await world.pass_time(2 * HOUR)
    stopped = await world.stop_logging(trail)
    await world.record(1, recipientAccountId=DEV)
    await world.pass_time(10 * MINUTE)
    await world.start_logging(stopped)
    after = await world.record(1, recipientAccountId=DEV)

    await world.pass_time(10 * MINUTE)

    assert files_of(world, DEV) == [after]


async def test_stopping_ends_every_account_s_chain(world: DeliveryWorld) -> None:
    trail = await an_organization_trail(world)
    await world.record(1, recipientAccountId=AUDIT)
    await world.stop_logging(trail)

    await world.pass_time(2 * HOUR)

    for account in (MANAGEMENT, AUDIT, DEV):
        assert spans(digests_of(world, account)) == [("12:00:00", "12:01:00")]
    assert world.listed() == world.put_keys()


async def test_a_deleted_organization_trail_finishes_after_a_crash(world: DeliveryWorld) -> None:
    trail = await an_organization_trail(world)
    await world.record(1, recipientAccountId=DEV)
    world.bucket.failure = Unavailable("down")
    await world.delete(trail)
    await world.pass_time(2 * MINUTE)
    world.bucket.failure = None
    world.restart()

    await world.pass_time(HOUR)

    assert world.listed() == world.put_keys()
    assert len(world.put_keys()) == 1
    assert await world.log.readers() == []


async def test_settling_again_changes_nothing(world: DeliveryWorld) -> None:
    await an_organization_trail(world)
    await world.start("own")
    head = world.journal.head()

    await reorganize(world, ALL)

    assert world.journal.head() == head


async def test_accounts_that_changed_are_on_record(world: DeliveryWorld) -> None:
    trail = await an_organization_trail(world)
    new = organized(trail, an_organization(AUDIT, LATER))

    event = organization_event(trail, new, NOON, event_id="id")

    assert event["eventName"] == "OrganizationTrailAccountsChanged"
    assert event["serviceEventDetails"] == {
        "organizationId": "o-exampleorgid",
        "formerOrganizationId": "o-exampleorgid",
        "addedAccounts": [LATER],
        "removedAccounts": [DEV],
    }
    assert event["resources"] == [{"accountId": MANAGEMENT, "type": "AWS::CloudTrail::Trail", "ARN": trail.arn}]


@pytest.mark.parametrize(
    ("event", "place"),
    [
        ({}, AccountRegion(MANAGEMENT, "us-east-1")),
        ({"recipientAccountId": DEV}, AccountRegion(DEV, "us-east-1")),
        ({"recipientAccountId": DEV, "awsRegion": "eu-west-1", "eventSource": "ec2.amazonaws.com"}, None),
        ({"recipientAccountId": OUTSIDER}, None),
        ({"recipientAccountId": ["x"]}, None),
    ],
)
def test_whose_file_an_event_goes_into(event: Event, place: AccountRegion | None) -> None:
    trail = replace(organized(a_trail(), ALL), is_logging=True)

    assert TrailSelection(trail).place_of(an_event(**event)) == place
