"""What every log of pending notices promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opentrail.ports.notices import WEBHOOK, Notice
from tests.conformance.ports.test_delivery_log import ARN, NOON, a_plan, a_state
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

TOPIC = "arn:aws:sns:us-east-1:123456789012:files"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_notice(notice_id: str = "n1", receiver: str = TOPIC, minutes: float = 1) -> Notice:
    delivered_at = NOON + timedelta(minutes=minutes)
    return Notice(notice_id, receiver, ARN, "us-east-1", "archive", f"key of {notice_id}", delivered_at)


async def confirm(stores: MetadataStores, key: str, *notices: Notice) -> None:
    await stores.delivery_log.plan(a_state(), [a_plan(key)])
    await stores.delivery_log.confirm(ARN, key, notices[0].delivered_at, notices)


async def test_a_confirmed_file_makes_its_notices_pending(stores: MetadataStores) -> None:
    topic, webhook = a_notice("n1"), a_notice("n2", WEBHOOK)

    await confirm(stores, "k1", topic, webhook)

    assert sorted(await stores.notices.receivers()) == sorted([TOPIC, WEBHOOK])
    assert list(await stores.notices.pending(TOPIC, NOON, 10)) == [topic]
    assert list(await stores.notices.pending(WEBHOOK, NOON, 10)) == [webhook]


async def test_a_file_that_is_confirmed_again_makes_nothing_pending(stores: MetadataStores) -> None:
    await confirm(stores, "k1", a_notice("n1"))
    await stores.notices.remove(["n1"])

    await stores.delivery_log.confirm(ARN, "k1", NOON, [a_notice("n1")])

    assert list(await stores.notices.pending(TOPIC, NOON, 10)) == []


async def test_a_notice_of_a_plan_that_is_not_there_is_not_kept(stores: MetadataStores) -> None:
    with pytest.raises(KeyError):
        await stores.delivery_log.confirm(ARN, "absent", NOON, [a_notice()])

    assert list(await stores.notices.receivers()) == []


async def test_the_oldest_come_first_and_not_more_than_asked_for(stores: MetadataStores) -> None:
    for number, minutes in (("n1", 3), ("n2", 1), ("n3", 2)):
        await confirm(stores, f"plan {number}", a_notice(number, minutes=minutes))

    assert [notice.notice_id for notice in await stores.notices.pending(TOPIC, NOON, 10)] == ["n2", "n3", "n1"]
    assert [notice.notice_id for notice in await stores.notices.pending(TOPIC, NOON, 2)] == ["n2", "n1"]


async def test_what_is_postponed_waits_and_comes_behind_all_that_never_was(stores: MetadataStores) -> None:
    for number in range(6):
        await confirm(stores, f"plan {number}", a_notice(f"n{number}", minutes=number))
    hour = timedelta(hours=1)

    async def pending(hours: int, limit: int = 10) -> list[tuple[str, int]]:
        found = await stores.notices.pending(TOPIC, NOON + hours * hour, limit)
        return [(notice.notice_id, notice.failures) for notice in found]

    await stores.notices.postpone({"n0": NOON + 3 * hour, "n1": NOON + 2 * hour, "n3": NOON + 2 * hour, "none": NOON})
    await stores.notices.postpone({"n1": NOON + 2 * hour})
    await stores.notices.postpone({})

    assert await pending(1) == [("n2", 0), ("n4", 0), ("n5", 0)]
    assert await pending(2) == [("n2", 0), ("n4", 0), ("n5", 0), ("n1", 2), ("n3", 1)]
    assert await pending(3) == [("n2", 0), ("n4", 0), ("n5", 0), ("n1", 2), ("n3", 1), ("n0", 1)]
    assert await pending(3, 4) == [("n2", 0), ("n4", 0), ("n5", 0), ("n1", 2)]
    assert await pending(3, 2) == [("n2", 0), ("n5", 0)]


async def test_what_was_sent_is_struck_out_and_the_rest_stays(stores: MetadataStores) -> None:
    await confirm(stores, "k1", a_notice("n1"), replace(a_notice("n2"), receiver=WEBHOOK))

    await stores.notices.remove(["n1", "absent"])
    await stores.notices.remove([])

    assert list(await stores.notices.receivers()) == [WEBHOOK]
