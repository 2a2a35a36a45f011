"""What every delivery log promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from opentrail.ports.delivery_log import DigestPlan, DigestSpan, LogFilePlan, ReaderState
from opentrail.ports.journal import Position
from opentrail.resource.account_region import AccountRegion
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
OTHER_ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/other"
ACCOUNT = "123456789012"
MEMBER = "222222222222"
HERE = AccountRegion(ACCOUNT, "us-east-1")
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def at(number: int) -> Position:
    return Position(f"{number:020d}")


def a_state(cursor: int = 10, arn: str = ARN) -> ReaderState:
    return ReaderState(arn, at(cursor), b'{"name":"audit"}', ("eu-west-1", "us-east-1"))


def a_plan(
    key: str = "k1", first: int = 1, arn: str = ARN, region: str = "us-east-1", account: str = ACCOUNT
) -> LogFilePlan:
    return LogFilePlan(
        trail_arn=arn,
        region=region,
        account_id=account,
        bucket="archive",
        key=key,
        first_position=at(first),
        last_position=at(first + 4),
        stamp=NOON,
        sha256="ab" * 32,
        event_count=5,
        oldest_event_time="2026-03-14T11:58:00Z",
        newest_event_time="2026-03-14T11:59:59Z",
        trail=b'{"name":"audit","is_logging":true}',
        tree_hash="ef" * 32,
    )


def a_digest(end: datetime = NOON, region: str = "us-east-1", arn: str = ARN, account: str = ACCOUNT) -> DigestPlan:
    return DigestPlan(
        trail_arn=arn,
        account_id=account,
        region=region,
        bucket="archive",
        key=f"digest-{end:%H%M%S}",
        start_time=end - timedelta(hours=1),
        end_time=end,
        body=b'{"logFiles":[]}\x00\xff',
        signature="0f" * 256,
        fingerprint="cd" * 16,
        previous_key="",
    )


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def test_planning_stores_the_plans_and_moves_the_reader(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(10), [])

    await stores.delivery_log.plan(a_state(20), [a_plan("k2", 15), a_plan("k1", 11)])

    assert list(await stores.delivery_log.readers()) == [a_state(20)]
    assert list(await stores.delivery_log.open_plans(ARN)) == [a_plan("k1", 11), a_plan("k2", 15)]


async def test_a_reader_of_a_deleted_trail_has_no_settings(stores: MetadataStores) -> None:
    state = replace(a_state(), trail=None, regions=())

    await stores.delivery_log.plan(state, [])

    assert list(await stores.delivery_log.readers()) == [state]


async def test_a_plan_already_there_is_kept(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan()])
    await stores.delivery_log.confirm(ARN, "k1", after(1))

    await stores.delivery_log.plan(a_state(), [replace(a_plan(), sha256="ff" * 32)])

    assert list(await stores.delivery_log.open_plans(ARN)) == []
    [kept] = await stores.delivery_log.delivered(ARN, HERE, NOON, after(2))
    assert kept == replace(a_plan(), delivered_at=after(1))


async def test_readers_are_listed_by_trail(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(arn=OTHER_ARN), [])
    await stores.delivery_log.plan(a_state(arn=ARN), [])

    assert [state.trail_arn for state in await stores.delivery_log.readers()] == [ARN, OTHER_ARN]


async def test_trails_do_not_see_each_other_s_plans(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(arn=ARN), [a_plan("same", arn=ARN)])
    await stores.delivery_log.plan(a_state(arn=OTHER_ARN), [a_plan("same", arn=OTHER_ARN)])

    await stores.delivery_log.confirm(ARN, "same", after(1))

    assert list(await stores.delivery_log.open_plans(ARN)) == []
    assert list(await stores.delivery_log.open_plans(OTHER_ARN)) == [a_plan("same", arn=OTHER_ARN)]


async def test_a_finished_reader_is_gone_and_its_plans_stay(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan()])
    await stores.delivery_log.plan_digest(a_digest())

    await stores.delivery_log.finish(ARN)
    await stores.delivery_log.finish(ARN)

    assert list(await stores.delivery_log.readers()) == []
    assert list(await stores.delivery_log.open_plans(ARN)) == [a_plan()]
    assert list(await stores.delivery_log.last_digests(ARN)) == [a_digest()]


async def test_confirming_twice_keeps_the_first_time(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan()])
    await stores.delivery_log.confirm(ARN, "k1", after(1))

    await stores.delivery_log.confirm(ARN, "k1", after(9))

    [plan] = await stores.delivery_log.delivered(ARN, HERE, NOON, after(60))
    assert plan.delivered_at == after(1)


async def test_confirming_an_unknown_plan_is_an_error(stores: MetadataStores) -> None:
    with pytest.raises(KeyError):
        await stores.delivery_log.confirm(ARN, "nowhere", NOON)
    with pytest.raises(KeyError):
        await stores.delivery_log.confirm_digest(ARN, HERE, NOON, NOON)


async def test_delivered_leaves_out_the_start_and_holds_the_end(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan(f"k{minute}") for minute in (3, 1, 2, 0)])
    for minute in (3, 1, 2, 0):
        await stores.delivery_log.confirm(ARN, f"k{minute}", after(minute))

    found = await stores.delivery_log.delivered(ARN, HERE, after(0), after(2))

    assert [plan.key for plan in found] == ["k1", "k2"]
    assert [plan.delivered_at for plan in found] == [after(1), after(2)]


async def test_delivered_tells_microseconds_apart(stores: MetadataStores) -> None:
    instant = timedelta(microseconds=1)
    await stores.delivery_log.plan(a_state(), [a_plan("k1"), a_plan("k2")])
    await stores.delivery_log.confirm(ARN, "k1", NOON)
    await stores.delivery_log.confirm(ARN, "k2", NOON + instant)

    first = await stores.delivery_log.delivered(ARN, HERE, NOON - instant, NOON)
    second = await stores.delivery_log.delivered(ARN, HERE, NOON, NOON + instant)

    assert ([plan.key for plan in first], [plan.key for plan in second]) == (["k1"], ["k2"])


async def test_delivered_is_of_one_region(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan("k1"), a_plan("k2", region="eu-west-1")])
    await stores.delivery_log.confirm(ARN, "k1", after(1))
    await stores.delivery_log.confirm(ARN, "k2", after(1))

    found = await stores.delivery_log.delivered(ARN, AccountRegion(ACCOUNT, "eu-west-1"), NOON, after(5))

    assert [plan.key for plan in found] == ["k2"]


async def test_times_of_other_offsets_come_back_as_the_same_instant(stores: MetadataStores) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    plan = replace(a_plan(), stamp=NOON.astimezone(east))
    await stores.delivery_log.plan(a_state(), [plan])
    await stores.delivery_log.confirm(ARN, "k1", after(1).astimezone(east))

    [found] = await stores.delivery_log.delivered(ARN, HERE, NOON.astimezone(east), after(1))

    assert found.stamp == NOON
    assert found.delivered_at == after(1)
    assert found.stamp.tzinfo is not None


async def test_a_digest_comes_back_byte_for_byte(stores: MetadataStores) -> None:
    digest = replace(a_digest(), is_final=True, previous_key="digest-110000")

    await stores.delivery_log.plan_digest(digest)

    assert list(await stores.delivery_log.last_digests(ARN)) == [digest]
    assert list(await stores.delivery_log.open_digests(ARN)) == [digest]


async def test_a_second_digest_of_the_same_end_is_kept_out(stores: MetadataStores) -> None:
    await stores.delivery_log.plan_digest(a_digest())

    await stores.delivery_log.plan_digest(replace(a_digest(), body=b"other"))

    assert list(await stores.delivery_log.open_digests(ARN)) == [a_digest()]


async def test_the_last_digests_are_the_newest_of_each_account_s_and_region_s_chain(stores: MetadataStores) -> None:
    for digest in (
        a_digest(after(60)),
        a_digest(after(120)),
        a_digest(NOON),
        a_digest(after(600), "eu-west-1"),
        a_digest(after(90), account=MEMBER),
        a_digest(after(120), arn=OTHER_ARN),
    ):
        await stores.delivery_log.plan_digest(digest)
    await stores.delivery_log.confirm_digest(ARN, HERE, after(120), after(121))

    last = await stores.delivery_log.last_digests(ARN)

    assert list(last) == [
        a_digest(after(600), "eu-west-1"),
        replace(a_digest(after(120)), delivered_at=after(121)),
        a_digest(after(90), account=MEMBER),
    ]
    assert list(await stores.delivery_log.last_digests("arn:aws:cloudtrail:us-east-1:1:trail/none")) == []


async def test_delivered_digests_are_the_newest_confirmed_of_one_chain(stores: MetadataStores) -> None:
    log = stores.delivery_log
    for end in (NOON, after(60), after(120), after(180), after(240)):
        await log.plan_digest(a_digest(end))
        await log.confirm_digest(ARN, HERE, end, after(300))
    await log.plan_digest(a_digest(after(200)))
    await log.plan_digest(replace(a_digest(after(190)), key="", delivered_at=after(190)))
    for other in (
        a_digest(after(61), account=MEMBER),
        a_digest(after(61), "eu-west-1"),
        a_digest(after(61), arn=OTHER_ARN),
    ):
        await log.plan_digest(replace(other, delivered_at=after(62)))

    found = await log.delivered_digests(ARN, HERE, after(60), after(200), 10)

    assert [(span.bucket, span.key, span.start_time, span.end_time) for span in found] == [
        ("archive", "digest-150000", after(120), after(180)),
        ("archive", "digest-140000", after(60), after(120)),
        ("archive", "digest-130000", NOON, after(60)),
    ]
    assert list(await log.delivered_digests(ARN, HERE, NOON, after(999), 1)) == [
        DigestSpan("archive", "digest-160000", after(180), after(240))
    ]


async def test_accounts_of_a_trail_have_digests_of_the_same_end(stores: MetadataStores) -> None:
    await stores.delivery_log.plan_digest(a_digest(account=MEMBER))
    await stores.delivery_log.plan_digest(a_digest())

    await stores.delivery_log.confirm_digest(ARN, HERE, NOON, after(1))

    assert list(await stores.delivery_log.open_digests(ARN)) == [a_digest(account=MEMBER)]


async def test_delivered_is_of_one_account(stores: MetadataStores) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan("k1"), a_plan("k2", account=MEMBER)])
    await stores.delivery_log.confirm(ARN, "k1", after(1))
    await stores.delivery_log.confirm(ARN, "k2", after(1))

    found = await stores.delivery_log.delivered(ARN, AccountRegion(MEMBER, "us-east-1"), NOON, after(5))

    assert [plan.key for plan in found] == ["k2"]


async def test_open_digests_are_those_not_confirmed_by_end_time(stores: MetadataStores) -> None:
    for digest in (a_digest(after(60)), a_digest(NOON), a_digest(after(120))):
        await stores.delivery_log.plan_digest(digest)

    await stores.delivery_log.confirm_digest(ARN, HERE, NOON, after(1))
    await stores.delivery_log.confirm_digest(ARN, HERE, NOON, after(5))

    assert list(await stores.delivery_log.open_digests(ARN)) == [a_digest(after(60)), a_digest(after(120))]


async def test_status_is_merged_member_by_member(stores: MetadataStores) -> None:
    await stores.delivery_log.set_status(ARN, "us-east-1", {"LatestDeliveryTime": "1", "LatestDeliveryError": ""})
    await stores.delivery_log.set_status(ARN, "us-east-1", {"LatestDeliveryTime": "2", "LatestDigestDeliveryTime": "3"})
    await stores.delivery_log.set_status(ARN, "eu-west-1", {"LatestDeliveryTime": "9"})
    await stores.delivery_log.set_status(ARN, "us-east-1", {})

    assert dict(await stores.delivery_log.status(ARN, "us-east-1")) == {
        "LatestDeliveryTime": "2",
        "LatestDeliveryError": "",
        "LatestDigestDeliveryTime": "3",
    }
    assert dict(await stores.delivery_log.status(ARN, "ap-south-1")) == {}
