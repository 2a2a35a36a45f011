"""Which events a trail delivers, in which files, when, and what becomes of a bucket that fails."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from opentrail.ports import Unavailable
from opentrail.ports.journal import START
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from tests.support.delivery import ACCOUNT, HOUR, MINUTE, REGION, DeliveryWorld, event_ids


@pytest.fixture
def world() -> DeliveryWorld:
    return DeliveryWorld()


async def test_events_of_an_interval_come_in_one_file_at_its_end(world: DeliveryWorld) -> None:
    await world.start()
    await world.tick()
    ids = await world.record(3)
    await world.pass_time(4 * MINUTE)
    assert world.log_files() == []

    await world.pass_time(MINUTE)

    assert world.log_files() == [ids]


async def test_a_file_is_named_after_the_interval_it_closes(world: DeliveryWorld) -> None:
    await world.start(s3_key_prefix="audit")
    await world.tick()
    await world.record()

    await world.pass_time(5 * MINUTE)

    (key,) = world.put_keys()
    folder, _, name = key.rpartition("/")
    assert folder == f"audit/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/11/20"
    assert name.startswith(f"{ACCOUNT}_CloudTrail_us-east-1_20261120T1205Z_")
    suffix = name.removesuffix(".json.gz").rpartition("_")[2]
    assert len(suffix) == 16
    assert suffix.isalnum()


async def test_a_file_is_stored_as_gzip_encoded_json(world: DeliveryWorld) -> None:
    await world.start(kms_key_id="arn:aws:kms:us-east-1:123456789012:key/1")
    await world.tick()
    await world.record()

    await world.pass_time(5 * MINUTE)

    (key,) = world.put_keys()
    stored = world.bucket.objects[key]
    assert (stored.content_type, stored.content_encoding) == ("application/json", "gzip")
    context = {"aws:cloudtrail:arn": "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"}
    assert world.bucket.encryption[key] == ("arn:aws:kms:us-east-1:123456789012:key/1", context)


async def test_no_file_is_delivered_when_nothing_happened(world: DeliveryWorld) -> None:
    await world.start()

    await world.pass_time(30 * MINUTE)

    assert world.put_keys() == []


async def test_a_trail_that_never_started_delivers_nothing(world: DeliveryWorld) -> None:
    await world.create()
    await world.record(5)

    await world.pass_time(2 * HOUR)

    assert world.bucket.puts == []


async def test_only_events_between_start_and_stop_are_delivered(world: DeliveryWorld) -> None:
    trail = await world.create()
    await world.record()
    trail = await world.start_logging(trail)
    wanted = await world.record(2)
    trail = await world.stop_logging(trail)
    await world.record()
    await world.start_logging(trail)
    wanted_later = await world.record()

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [wanted, wanted_later]


async def test_events_of_other_accounts_and_audiences_are_left_out(world: DeliveryWorld) -> None:
    await world.start()
    await world.record(recipientAccountId="999999999999")
    await world.record(audience="arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/x")
    mine = await world.record()

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [mine]


async def test_selectors_apply_from_their_place_in_the_journal_on(world: DeliveryWorld) -> None:
    trail = await world.start()
    before = await world.record(readOnly=True)
    reads_left_out = {
        "ReadWriteType": "WriteOnly",
        "IncludeManagementEvents": True,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    }
    await world.settle(replace(trail, event_selectors=(reads_left_out,)))
    await world.record(readOnly=True)
    after = await world.record(readOnly=False)

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [before, after]


async def test_a_multi_region_trail_writes_one_file_a_region(world: DeliveryWorld) -> None:
    await world.start(is_multi_region=True)
    here = await world.record()
    there = await world.record(awsRegion="eu-west-1", eventSource="ec2.amazonaws.com")

    await world.pass_time(5 * MINUTE + MINUTE)

    assert world.log_files() == [there, here]
    assert ["/eu-west-1/" in key for key in world.put_keys()] == [True, False]


async def test_a_single_region_trail_has_its_region_only(world: DeliveryWorld) -> None:
    await world.start(region="eu-west-1", name="irish")
    await world.record(eventSource="iam.amazonaws.com")
    mine = await world.record(awsRegion="eu-west-1", eventSource="ec2.amazonaws.com")

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [mine]


async def test_global_service_events_can_be_left_out_in_the_first_region(world: DeliveryWorld) -> None:
    await world.start(includes_global_service_events=False)
    await world.record(eventSource="iam.amazonaws.com")
    mine = await world.record(eventSource="ec2.amazonaws.com")

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [mine]


async def test_two_trails_deliver_the_same_event_each_to_its_own_file(world: DeliveryWorld) -> None:
    await world.start("first")
    await world.start("second")
    ids = await world.record(2)

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [ids, ids]
    assert len(set(world.put_keys())) == 2


async def test_a_file_closes_before_it_grows_past_its_bound(
    world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opentrail.pipeline.trail_reader.MAX_OPEN_BYTES", 5000)
    await world.start()
    await world.tick()
    ids = await world.record(20)

    await world.pass_time(5 * MINUTE)

    files = world.log_files()
    assert world.delivered_ids() == ids
    assert len(files) == 3
    assert all(len(zlib.decompress(world.bucket.objects[key].body, 31)) < 5100 for key in world.put_keys())


async def test_a_bucket_that_fails_is_tried_again_until_it_takes_the_file(world: DeliveryWorld) -> None:
    await world.start()
    ids = await world.record(2)
    world.bucket.failure = Unavailable("down")
    await world.pass_time(HOUR / 2)
    later = await world.record()

    world.bucket.failure = None
    await world.pass_time(10 * MINUTE)

    assert sorted(world.delivered_ids()) == sorted(ids + later)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (BucketNotFound("logs"), "NoSuchBucket"),
        (AccessRefused("AccessDenied", "no"), "AccessDenied"),
        (Unavailable("time-out"), ""),
    ],
)
async def test_the_status_says_why_delivery_fails(world: DeliveryWorld, failure: Exception, code: str) -> None:
    trail = await world.start()
    await world.record()
    world.bucket.failure = failure  # type: ignore[assignment]

    await world.pass_time(10 * MINUTE)

    status = await world.log.status(trail.arn, REGION)
    assert status["LatestDeliveryError"] == code
    assert status["LatestDeliveryAttemptTime"] > "2026-11-20T12:04"
    assert "LatestDeliveryTime" not in status


async def test_the_status_tells_of_the_last_delivery(world: DeliveryWorld) -> None:
    trail = await world.start()
    await world.tick()
    await world.record()

    await world.pass_time(5 * MINUTE)

    status = await world.log.status(trail.arn, REGION)
    assert status["LatestDeliveryTime"] == "2026-11-20T12:05:00Z"
    assert status["LatestDeliveryAttemptSucceeded"] == "2026-11-20T12:05:00Z"
    assert status["LatestDeliveryError"] == ""


async def test_a_failing_trail_holds_up_no_other(world: DeliveryWorld) -> None:
    await world.start("broken", s3_bucket_name="no-such-bucket")
    await world.start("sound")
    ids = await world.record()

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [ids]


async def test_a_trail_moved_to_another_bucket_delivers_there_while_the_old_one_fails(world: DeliveryWorld) -> None:
    trail = await world.start()
    stuck = await world.record()
    world.bucket.failure = BucketNotFound("logs")
    await world.pass_time(10 * MINUTE)
    await world.settle(replace(trail, s3_bucket_name="other"))
    moved = await world.record()
    await world.pass_time(10 * MINUTE)
    assert world.log_files(world.other) == [moved]

    world.bucket.failure = None
    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [stuck]


async def test_an_object_of_another_writer_is_not_overwritten_and_holds_up_nothing(world: DeliveryWorld) -> None:
    trail = await world.start()
    await world.tick()
    await world.record()
    world.bucket.failure = Unavailable("down")
    await world.pass_time(5 * MINUTE)
    (plan,) = await world.log.open_plans(trail.arn)
    world.bucket.failure = None
    await world.bucket.put_if_absent(plan.key, b"somebody else's", content_type="")

    later = await world.record()
    await world.pass_time(HOUR / 2)

    assert world.bucket.objects[plan.key].body == b"somebody else's"
    assert later in [event_ids(world.bucket.objects[key].body) for key in world.put_keys() if key != plan.key]
    assert [open_plan.key for open_plan in await world.log.open_plans(trail.arn)] == [plan.key]


async def test_a_file_that_the_bucket_refuses_for_its_own_reason_holds_up_no_other(world: DeliveryWorld) -> None:
    trail = await world.start(kms_key_id="key-that-is-gone")
    world.bucket.refused_kms_keys.add("key-that-is-gone")
    await world.record()
    await world.pass_time(10 * MINUTE)
    await world.settle(replace(trail, kms_key_id=""))
    later = await world.record()
    await world.pass_time(HOUR)
    more = await world.record()

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [later, more]
    assert len(await world.log.open_plans(trail.arn)) == 1


async def test_an_open_plan_is_built_again_to_the_same_bytes_after_a_crash(world: DeliveryWorld) -> None:
    trail = await world.start(is_multi_region=True)
    await world.tick()
    ids = await world.record(7)
    await world.record(3, awsRegion="eu-west-1")
    world.bucket.failure = Unavailable("down")
    await world.pass_time(5 * MINUTE)
    plans = await world.log.open_plans(trail.arn)
    assert len(plans) == 2

    world.bucket.failure = None
    world.restart()
    await world.tick()

    assert sorted(world.put_keys()) == sorted(plan.key for plan in plans)
    for plan in plans:
        body = zlib.decompress(world.bucket.objects[plan.key].body, 31)
        assert hashlib.sha256(body).hexdigest() == plan.sha256
    assert ids in world.log_files()


async def test_a_file_that_was_put_but_not_confirmed_is_confirmed_as_it_is(world: DeliveryWorld) -> None:
    trail = await world.start()
    await world.tick()
    await world.record(2)
    await world.pass_time(5 * MINUTE)
    (key,) = world.put_keys()
    plan = world.log._plans[trail.arn, key]
    world.log._plans[trail.arn, key] = replace(plan, delivered_at=None)

    world.restart()
    await world.tick()

    assert await world.log.open_plans(trail.arn) == []
    assert world.put_keys() == [key]


async def test_the_journal_is_held_from_the_oldest_open_plan_on(world: DeliveryWorld) -> None:
    assert world.delivery.holds() == START
    await world.start()
    await world.pass_time(10 * MINUTE)
    await world.record()
    before = world.delivery.holds()
    world.bucket.failure = Unavailable("down")
    await world.pass_time(HOUR)
    assert world.delivery.holds() == before
    world.restart()
    await world.pass_time(2 * MINUTE)
    assert world.delivery.holds() == before

    world.bucket.failure = None
    await world.pass_time(15 * MINUTE)

    assert world.delivery.holds() == world.journal.head()


async def test_delivery_goes_on_after_the_journal_was_trimmed_to_what_it_holds(world: DeliveryWorld) -> None:
    await world.start()
    expected = []
    for _ in range(6):
        expected += await world.record(2)
        await world.pass_time(7 * MINUTE)
        await world.journal.trim(world.delivery.holds())

    await world.pass_time(5 * MINUTE)

    assert world.delivered_ids() == expected
    assert len(world.journal.entries()) < 4


async def test_events_cut_from_the_journal_become_a_gap_on_record(world: DeliveryWorld) -> None:
    await world.start()
    await world.record(3)
    await world.journal.trim(world.journal.head())
    later = await world.record()

    await world.pass_time(15 * MINUTE)

    assert world.delivered_ids() == [*later, "gap-0"]
    assert world.gaps == [{"region": REGION, "count": None, "reason": "cut from the journal before delivery"}]


async def test_a_file_is_given_up_after_thirty_days_with_a_gap_on_record(world: DeliveryWorld) -> None:
    trail = await world.start()
    await world.record(4)
    world.bucket.failure = AccessRefused("AccessDenied", "no")
    await world.pass_time(10 * MINUTE)
    await world.pass_time(timedelta(days=30), step=timedelta(hours=12))

    world.bucket.failure = None
    await world.pass_time(HOUR)

    assert world.gaps == [{"region": REGION, "count": 4, "reason": "not deliverable for 30 days"}]
    assert world.delivered_ids() == ["gap-0"]
    assert await world.log.open_plans(trail.arn) == []


async def test_a_deleted_trail_delivers_what_it_had_and_its_reader_goes(world: DeliveryWorld) -> None:
    trail = await world.start()
    ids = await world.record(2)
    await world.delete(trail)
    await world.record()

    await world.pass_time(6 * MINUTE)

    assert world.log_files() == [ids]
    assert await world.log.readers() == []
    await world.tick()
    assert world.delivery.holds() == world.journal.head()


async def test_a_trail_created_again_under_its_name_goes_on(world: DeliveryWorld) -> None:
    trail = await world.start()
    first = await world.record()
    await world.delete(trail)
    await world.record()
    await world.start()
    second = await world.record()

    await world.pass_time(10 * MINUTE)

    assert world.log_files() == [first, second]


async def test_another_installation_names_its_files_otherwise(world: DeliveryWorld) -> None:
    await world.start()
    await world.record()
    await world.pass_time(10 * MINUTE)
    (first,) = world.put_keys()

    wiped = DeliveryWorld()
    wiped.delivery._context = replace(wiped.delivery._context, installation_id="reinstalled")
    await wiped.start()
    await wiped.record()
    await wiped.pass_time(10 * MINUTE)

    (second,) = wiped.put_keys()
    assert first.rpartition("_")[0] == second.rpartition("_")[0]
    assert first != second


async def test_a_running_delivery_serves_every_trail_and_stops_when_told() -> None:
    world = DeliveryWorld(timedelta(seconds=1), timedelta(seconds=3))
    await world.start("first")
    stop = asyncio.Event()
    running = asyncio.create_task(world.delivery.run(stop))

    async def until(is_true: Callable[[], bool]) -> None:
        for _ in range(500):
            world.clock.advance(0.5)
            world.delivery.wake()
            await asyncio.sleep(0.002)
            if is_true():
                return
        raise AssertionError("it never came")

    first = await world.record()
    await until(lambda: world.delivered_ids() == first)
    await world.start("second")
    second = await world.record()
    await until(lambda: sorted(world.delivered_ids()) == sorted(first + 2 * second))
    world.bucket.failure = Unavailable("down")
    await world.record()
    await until(lambda: any(plan.delivered_at is None for plan in world.log._plans.values()))

    stop.set()
    await asyncio.wait_for(running, 5)

    assert len(asyncio.all_tasks()) == 1
    world.bucket.failure = None
    world.restart()
    await world.pass_time(HOUR)
    assert len(world.delivered_ids()) == 5
