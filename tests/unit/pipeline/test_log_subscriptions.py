"""Subscription filters: what is put into a group is stored to be sent, in CloudWatch Logs' form, at least once."""

import base64
import gzip
import json
from collections import Counter
from typing import Any

import pytest

from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.log_subscriptions import SubscribedLogStore
from opentrail.pipeline.rules import MAX_WAITING_PER_DESTINATION
from opentrail.pipeline.sealed_messages import SealedMessages
from opentrail.ports import Unavailable
from opentrail.ports.invocations import Invocation
from opentrail.ports.journal import Position
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.log_store import LogEvent, LogKey, LogRange
from opentrail.ports.targets import Dispatch
from opentrail.resource.key import KeyState
from opentrail.resource.log_group import SUBSCRIPTION_FILTER, LogFilter, LogGroup, LogStream, milliseconds
from tests.builders import ACCOUNT, NOON, REGION, HandClock, a_key
from tests.memory.invocations import InMemoryInvocations
from tests.memory.key_ring import InMemoryKeyRing
from tests.memory.log_groups import InMemoryLogGroups
from tests.memory.log_store import InMemoryLogStore

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
DEAD = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
AT = milliseconds(NOON)


class FakeTargets:
    def __init__(self) -> None:
        self.taken: list[Dispatch] = []

    async def send(self, dispatch: Dispatch) -> None:
        if dispatch.destination == DEAD:
            raise Unavailable("it is dead")
        self.taken.append(dispatch)


class Subscribed:
    """One group with two streams, and everything behind it."""

    def __init__(self) -> None:
        self.clock, self.groups, self.inner = HandClock(), InMemoryLogGroups(), InMemoryLogStore()
        self.invocations, self.targets = InMemoryInvocations(), FakeTargets()
        self.waiting: Counter[str] = Counter()
        self.key = a_key()
        self.ring = InMemoryKeyRing(self.key)
        sealing = SealedMessages(LogDataKeys(self.ring))
        self.delivery = InvocationDelivery(
            self.invocations, self.targets, self.clock, self.waiting, opened=sealing.opened
        )
        self.store = SubscribedLogStore(
            self.inner, self.groups, self.invocations, self.clock, self.waiting, self.delivery.wake, sealing
        )

    async def open(self, *filters: tuple[str, str, str]) -> "Subscribed":
        """Make the group with filters of (name, pattern, destination)."""
        await self.groups.create(LogGroup("g", ACCOUNT, REGION, "/app", NOON))
        for name in ("one", "two"):
            await self.groups.create_stream("g", LogStream(f"id-{name}", name, NOON))
        for name, pattern, arn in filters:
            settings = {"filterPattern": pattern, "destinationArn": arn, "distribution": "ByLogStream"}
            await self.groups.put_filter("g", LogFilter(SUBSCRIPTION_FILTER, name, NOON, settings))
        return self

    async def put(self, *messages: str, stream: str = "one", position: str = "", key: LogKey | None = None) -> None:
        events = [LogEvent(f"id-{stream}", AT, AT, message, Position(position)) for message in messages]
        await self.store.append("g", events, reader="trail" if position else "", key=key)

    async def sent(self) -> list[dict[str, Any]]:
        await self.delivery.tick()
        return [data_of(dispatch) for dispatch in self.targets.taken]


def data_of(dispatch: Dispatch) -> dict[str, Any]:
    packed = json.loads(dispatch.text)["awslogs"]["data"]
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return data


async def test_events_that_a_filter_picks_are_sent_as_data_messages() -> None:
    subscribed = await Subscribed().open(("errors", '{ $.level = "error" }', QUEUE))

    await subscribed.put('{"level": "error", "n": 1}', '{"level": "info"}', '{"level": "error", "n": 2}')

    [data] = await subscribed.sent()
    ids = [event.pop("id") for event in data["logEvents"]]
    assert data == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "/app",
        "logStream": "one",
        "subscriptionFilters": ["errors"],
        "logEvents": [
            {"timestamp": AT, "message": '{"level": "error", "n": 1}'},
            {"timestamp": AT, "message": '{"level": "error", "n": 2}'},
        ],
    }
    assert len(set(ids)) == 2
    assert all(len(one) == 56 and one.isdecimal() for one in ids)
    assert subscribed.targets.taken[0].destination == QUEUE
    assert not +subscribed.waiting


async def test_each_stream_has_messages_of_its_own_and_no_message_is_larger_than_a_queue_takes() -> None:
    subscribed = await Subscribed().open(("all", "", QUEUE))

    await subscribed.put(*[f"{at}" * 20_000 for at in range(10, 30)])
    await subscribed.put("short", stream="two")

    sent = await subscribed.sent()
    assert {data["logStream"] for data in sent} == {"one", "two"}
    assert len(sent) > 2
    assert sum(len(data["logEvents"]) for data in sent) == 21
    assert all(len(dispatch.text) < 256 * 1024 for dispatch in subscribed.targets.taken)


async def test_a_dead_destination_keeps_no_other_waiting_and_gets_its_messages_when_it_is_back() -> None:
    subscribed = await Subscribed().open(("a", "", DEAD), ("b", "", QUEUE))

    await subscribed.put("event")

    assert [data["subscriptionFilters"] for data in await subscribed.sent()] == [["b"]]
    assert subscribed.waiting[DEAD] == 1
    assert subscribed.delivery.health[DEAD].failing_since is not None


@pytest.mark.parametrize("filters", [[], [("d", "", f"arn:aws:logs:{REGION}:{ACCOUNT}:destination:d")]])
async def test_a_group_that_sends_to_nothing_stores_nothing_to_send(filters: list[tuple[str, str, str]]) -> None:
    subscribed = await Subscribed().open(*filters)

    await subscribed.put("event")

    assert not subscribed.invocations.kept
    assert len(await subscribed.store.read(LogRange("g"), 10)) == 1


async def test_a_batch_is_not_done_before_its_messages_are_stored() -> None:
    subscribed = await Subscribed().open(("all", "", QUEUE))
    subscribed.invocations.is_unavailable = True
    with pytest.raises(Unavailable):
        await subscribed.put("event", position="0001")
    subscribed.invocations.is_unavailable = False

    await subscribed.put("event", position="0001")
    await subscribed.put("event", position="0001")

    assert len(await subscribed.store.read(LogRange("g"), 10)) == 1
    assert subscribed.waiting[QUEUE] == 1
    assert len(await subscribed.sent()) == 1


async def test_what_no_longer_fits_is_counted_as_lost() -> None:
    subscribed = await Subscribed().open(("all", "", QUEUE))
    subscribed.waiting[QUEUE] = MAX_WAITING_PER_DESTINATION

    await subscribed.put("event")

    assert subscribed.store.lost == 1
    assert not subscribed.invocations.kept


async def test_messages_of_a_group_with_a_key_wait_sealed_and_alone_while_it_cannot_be_used() -> None:
    subscribed = await Subscribed().open(("all", "", QUEUE))
    log_key = LogKey(subscribed.key.arn, LogGroup("g", ACCOUNT, REGION, "/app", NOON).arn)

    await subscribed.put("the first secret", key=log_key)
    [waiting] = await subscribed.invocations.due(QUEUE, NOON, 10)
    assert b"awslogs" not in waiting.event
    subscribed.ring.set_state(subscribed.key.arn, KeyState.DISABLED)
    await subscribed.put("in plain")
    sent = await subscribed.sent()

    assert [event["message"] for data in sent for event in data["logEvents"]] == ["in plain"]
    assert subscribed.delivery.health[QUEUE].failing_since is None
    subscribed.ring.set_state(subscribed.key.arn, KeyState.ENABLED)
    subscribed.clock.advance(60)
    sent = await subscribed.sent()
    assert [event["message"] for data in sent for event in data["logEvents"]] == ["in plain", "the first secret"]


async def test_a_target_that_only_speaks_of_sealing_is_sent_as_it_is() -> None:
    sealing = SealedMessages(LogDataKeys(InMemoryKeyRing()))
    target = b'{"Id": "SealedFor", "Arn": "a", "Input": "{\\"SealedFor\\": \\"x\\"}"}'
    invocation = Invocation("id", QUEUE, "rule", "SealedFor", target, b"{}", NOON)

    assert await sealing.opened(invocation) == invocation
