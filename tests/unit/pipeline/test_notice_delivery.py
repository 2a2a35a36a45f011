"""Who is told of delivered files: everybody once or more, whatever fails, and no file waits for it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from opentrail.pipeline.delivery_context import NOTICE, DeliveryCounts
from opentrail.pipeline.notice_delivery import PAGE, NoticeDelivery
from opentrail.ports import PortError, Unavailable
from opentrail.ports.notices import WEBHOOK, Notice, NoticeRefused, ReceiverNotFound
from tests.memory.notice_log import InMemoryNoticeLog
from tests.support.delivery import MINUTE, REGION, DeliveryWorld

TOPIC = "arn:aws:sns:us-east-1:123456789012:files"
OTHER_TOPIC = "arn:aws:sns:us-east-1:123456789012:others"
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"


class Sender:
    """Takes every notice, but for receivers in ``failures`` and keys in ``refused``."""

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.tries: list[Notice] = []
        self.failures: dict[str, PortError] = {}
        self.refused: set[str] = set()

    async def send(self, notice: Notice) -> None:
        self.tries.append(notice)
        await asyncio.sleep(0)
        if notice.receiver in self.failures:
            raise self.failures[notice.receiver]
        if notice.key in self.refused:
            raise NoticeRefused("422", notice.key)
        self.taken.append(notice)

    def keys(self, receiver: str = TOPIC) -> list[str]:
        return [notice.key for notice in self.taken if notice.receiver == receiver]


class NoticeWorld(DeliveryWorld):
    """A delivery whose notices go to a sender of this test."""

    def __init__(self) -> None:
        super().__init__()
        self.sender = Sender()
        self.receivers = (WEBHOOK,)
        self.restart()

    def restart(self) -> None:
        super().restart()
        self.counts = DeliveryCounts()
        log = InMemoryNoticeLog(self.log)
        self.notices = NoticeDelivery(log, self.log, self.sender, self.clock, self.counts)

    async def tick(self) -> None:
        await super().tick()
        await self.notices.tick(self.clock.now())

    async def deliver(self, files: int = 1) -> list[str]:
        """Deliver that many files, one each 5 minutes; return the keys of all files so far."""
        for _ in range(files):
            await self.record()
            await self.pass_time(5 * MINUTE, step=5 * MINUTE)
        return self.put_keys()

    async def left(self, count: int) -> None:
        """Wait until no more than that many notices are pending."""
        while len(self.log.notices) > count:  # noqa: ASYNC110 - the port has no event
            await asyncio.sleep(0.001)

    async def status(self) -> dict[str, str]:
        status = await self.log.status(TRAIL, REGION)
        return {name: value for name, value in status.items() if "Notification" in name}


@pytest.fixture
async def world() -> NoticeWorld:
    world = NoticeWorld()
    await world.start(sns_topic_arn=TOPIC)
    await world.tick()
    return world


async def test_every_file_is_told_to_the_trails_topic_and_to_the_webhook(world: NoticeWorld) -> None:
    keys = await world.deliver(2)

    assert world.sender.keys(TOPIC) == keys
    assert world.sender.keys(WEBHOOK) == keys
    assert {(notice.bucket, notice.trail_arn, notice.region) for notice in world.sender.taken} == {
        ("logs", TRAIL, REGION)
    }
    assert len({notice.notice_id for notice in world.sender.taken}) == 4
    assert world.counts.delivered[NOTICE] == 4


async def test_digests_are_told_to_nobody(world: NoticeWorld) -> None:
    await world.pass_time(timedelta(hours=3))

    assert world.digests()
    assert world.sender.tries == []


async def test_a_trail_without_a_topic_tells_the_webhook_alone() -> None:
    world = NoticeWorld()
    await world.start()
    await world.tick()

    keys = await world.deliver()

    assert [(notice.receiver, notice.key) for notice in world.sender.taken] == [(WEBHOOK, keys[0])]


async def test_nothing_is_told_before_the_file_is_in_its_bucket(world: NoticeWorld) -> None:
    world.bucket.failure = Unavailable("down")
    await world.deliver()
    assert world.sender.tries == []

    world.bucket.failure = None
    await world.pass_time(5 * MINUTE)

    assert world.sender.keys() == world.put_keys()


async def test_a_crash_between_file_and_notice_loses_no_notice(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down"), WEBHOOK: Unavailable("down")}
    keys = await world.deliver()

    world.restart()
    world.sender.failures = {}
    await world.tick()

    assert world.sender.keys(TOPIC) == world.sender.keys(WEBHOOK) == keys


async def test_a_crash_between_notice_and_its_removal_sends_it_again_under_the_same_id(world: NoticeWorld) -> None:

    async def remove(notice_ids: Sequence[str]) -> None:
        if notice_ids:
            raise Unavailable("the power went")

    world.notices._notices.remove = remove  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await world.deliver()
    first = list(world.sender.taken)

    world.restart()
    await world.tick()

    again = [notice for notice in world.sender.taken[len(first) :] if notice.receiver == first[0].receiver]
    assert len(first) == 1
    assert again == first


async def test_a_dead_topic_slows_no_file_and_no_other_receiver(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: ReceiverNotFound(TOPIC)}

    keys = await world.deliver(12)

    assert len(keys) == 12
    assert world.sender.keys(WEBHOOK) == keys
    world.sender.failures = {}
    await world.pass_time(5 * MINUTE)
    assert world.sender.keys(TOPIC) == keys


async def test_a_failing_receiver_is_tried_less_and_less_often(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down")}
    await world.deliver()
    before = len(world.sender.tries)

    await world.pass_time(timedelta(hours=1), step=timedelta(seconds=1))

    assert 12 <= len(world.sender.tries) - before <= 20


async def test_one_notice_that_is_refused_holds_up_no_other(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down"), WEBHOOK: Unavailable("down")}
    keys = await world.deliver(5)
    world.sender.refused = {keys[0]}
    world.sender.failures = {}

    await world.pass_time(10 * MINUTE)

    assert sorted(world.sender.keys()) == keys[1:]
    world.sender.refused = set()
    await world.pass_time(10 * MINUTE)
    assert sorted(world.sender.keys()) == keys


async def test_more_refused_notices_than_are_looked_at_together_hold_up_no_younger_one(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down")}
    refused = await world.deliver(PAGE + 30)
    world.sender.refused = set(refused)
    world.sender.failures = {}
    world.sender.tries.clear()

    young = (await world.deliver(3))[len(refused) :]
    await world.pass_time(10 * MINUTE)
    world.restart()
    later = (await world.deliver(2))[len(refused) + len(young) :]

    assert world.sender.keys() == young + later
    told = [notice.key for notice in world.sender.tries if notice.receiver == TOPIC]
    assert max(Counter(told).values()) < 20
    world.sender.refused = set()
    await world.pass_time(timedelta(hours=2))
    assert sorted(world.sender.keys()) == sorted([*refused, *young, *later])


async def test_a_notice_is_given_up_after_thirty_days(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down")}
    await world.deliver()

    await world.pass_time(timedelta(days=31), step=timedelta(hours=6))
    world.sender.failures = {}
    await world.pass_time(timedelta(hours=1))

    assert world.sender.keys(TOPIC) == []
    assert world.counts.given_up[NOTICE] == 1
    assert world.log.notices == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ReceiverNotFound(TOPIC), "NotFound"),
        (NoticeRefused("AuthorizationError", "no"), "AuthorizationError"),
        (Unavailable("down"), "ServiceUnavailable"),
    ],
)
async def test_the_status_tells_of_the_last_success_and_of_the_error_since(
    world: NoticeWorld, error: PortError, code: str
) -> None:
    await world.deliver()
    assert await world.status() == {
        "LatestNotificationTime": "2026-11-20T12:05:00Z",
        "LatestNotificationAttemptTime": "2026-11-20T12:05:00Z",
        "LatestNotificationAttemptSucceeded": "2026-11-20T12:05:00Z",
        "LatestNotificationError": "",
    }

    world.sender.failures = {TOPIC: error}
    await world.deliver()

    assert await world.status() == {
        "LatestNotificationTime": "2026-11-20T12:05:00Z",
        "LatestNotificationAttemptTime": "2026-11-20T12:10:00Z",
        "LatestNotificationAttemptSucceeded": "2026-11-20T12:05:00Z",
        "LatestNotificationError": code,
    }


async def test_a_failing_webhook_is_not_the_trails_status(world: NoticeWorld) -> None:
    world.sender.failures = {WEBHOOK: Unavailable("down")}

    await world.deliver()

    assert (await world.status())["LatestNotificationError"] == ""


async def test_a_running_delivery_sends_what_became_pending_and_ends_when_told(world: NoticeWorld) -> None:
    world.sender.failures = {TOPIC: Unavailable("down"), WEBHOOK: Unavailable("down")}
    keys = await world.deliver()
    world.restart()
    world.sender.failures = {}
    stop = asyncio.Event()

    running = asyncio.create_task(world.notices.run(stop))
    await world.left(0)
    stop.set()
    await running

    assert world.sender.keys(TOPIC) == keys


async def test_a_receiver_that_never_answers_keeps_no_other_waiting_and_does_not_hold_up_the_end(
    world: NoticeWorld,
) -> None:
    world.sender.failures = {TOPIC: Unavailable("down"), WEBHOOK: Unavailable("down")}
    keys = await world.deliver()
    world.restart()
    world.sender.failures = {}
    take = world.sender.send

    async def send(notice: Notice) -> None:
        if notice.receiver == TOPIC:
            await asyncio.Event().wait()
        await take(notice)

    world.sender.send = send  # type: ignore[method-assign]
    stop = asyncio.Event()
    running = asyncio.create_task(world.notices.run(stop))
    await world.left(1)
    stop.set()
    await asyncio.wait_for(running, 5)

    assert world.sender.keys(WEBHOOK) == keys
    assert [notice.receiver for notice in world.log.notices.values()] == [TOPIC]
