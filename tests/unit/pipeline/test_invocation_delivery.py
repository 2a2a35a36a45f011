"""Delivery of invocations: back-off, retry policies, dead letters, and that one target keeps no other waiting."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest

from opentrail.pipeline.invocation_delivery import (
    IN_FLIGHT,
    LINGER_SECONDS,
    LONGEST_PAUSE,
    MAX_AGE,
    PAGE,
    InvocationDelivery,
)
from opentrail.ports import PortError, Unavailable
from opentrail.ports.invocations import Invocation
from opentrail.ports.journal import Position
from opentrail.ports.targets import Dispatch, TargetBusy, TargetRefused
from tests.builders import ACCOUNT, NOON, REGION, HandClock
from tests.memory.invocations import InMemoryInvocations

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
OTHER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:other"
LETTERS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"


class FakeTargets:
    """Takes everything, but from destinations named in ``faults``."""

    def __init__(self) -> None:
        self.faults: dict[str, PortError] = {}
        self.taken: list[Dispatch] = []
        self.tried: Counter[str] = Counter()

    async def send(self, dispatch: Dispatch) -> None:
        self.tried[dispatch.destination] += 1
        if dispatch.destination in self.faults:
            raise self.faults[dispatch.destination]
        self.taken.append(dispatch)


class Delivering:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.invocations = InMemoryInvocations()
        self.targets = FakeTargets()
        self.start()

    def start(self) -> None:
        """Begin as a new process does."""
        self.delivery = InvocationDelivery(self.invocations, self.targets, self.clock, Counter(), draw=lambda: 1.0)

    async def add(self, number: int, destination: str = QUEUE, **target: Any) -> None:
        wire = orjson.dumps({"Id": "1", "Arn": destination} | target)
        event = orjson.dumps({"id": f"e{number}", "detail": {"n": number}})
        made = Invocation(f"id-{number:04}", destination, RULE, "1", wire, event, self.clock.now())
        cursor = (await self.invocations.in_force()).cursor
        await self.invocations.advance(Position(cursor + "1"), [], [made])

    async def tick(self) -> None:
        self.delivery._waiting.clear()
        await self.delivery.open()
        await self.delivery.tick()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in steps short enough for every pause, delivering at each."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.clock.advance(min(30.0, (end - self.clock.now()).total_seconds()))
            await self.tick()


async def test_what_was_taken_is_struck_out_and_sent_once() -> None:
    delivering = Delivering()
    for number in range(3):
        await delivering.add(number)

    await delivering.tick()
    await delivering.tick()

    assert [dispatch.invocation_id for dispatch in delivering.targets.taken] == ["id-0000", "id-0001", "id-0002"]
    assert delivering.invocations.kept == {}
    assert delivering.delivery.health[QUEUE].delivered == 3


async def test_the_input_is_shaped_as_the_target_says() -> None:
    delivering = Delivering()
    await delivering.add(7, InputPath="$.detail")

    await delivering.tick()

    assert delivering.targets.taken[0].text == '{"n":7}'


async def test_a_target_that_is_away_gets_all_its_events_when_it_is_back_and_slows_no_other() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    for number in range(20):
        await delivering.add(number)
    await delivering.add(100, OTHER)

    await delivering.tick()

    assert [dispatch.destination for dispatch in delivering.targets.taken] == [OTHER]
    assert delivering.targets.tried[QUEUE] == 20
    await delivering.pass_time(3600)
    assert delivering.targets.tried[QUEUE] < 3600 / LONGEST_PAUSE.total_seconds() + 20 + 10
    del delivering.targets.faults[QUEUE]
    await delivering.pass_time(LONGEST_PAUSE.total_seconds() + 1)
    assert len(delivering.targets.taken) == 21
    assert delivering.invocations.kept == {}


async def test_only_a_queue_gets_more_than_a_few_at_a_time() -> None:
    function, delivering = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", Delivering()
    delivering.targets.faults = {QUEUE: Unavailable("away"), function: Unavailable("away")}
    for number in range(100):
        await delivering.add(number, (QUEUE, function)[number % 2])

    await delivering.tick()

    assert delivering.targets.tried == {QUEUE: 50, function: IN_FLIGHT}


async def test_what_a_failed_write_stored_all_the_same_is_delivered_once_its_target_is_looked_at() -> None:
    delivering = Delivering()
    for number in range(PAGE + 5):
        await delivering.add(number)
    done = asyncio.Event()
    delivering.delivery.on_ended = lambda *_: None if delivering.invocations.kept else done.set()
    running = asyncio.create_task(delivering.delivery.run())

    delivering.delivery.wake([QUEUE])
    await asyncio.wait_for(done.wait(), 30)

    running.cancel()
    await asyncio.wait([running])
    assert len(delivering.targets.taken) == PAGE + 5


async def test_a_restart_delivers_what_was_left() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    await delivering.add(1)
    await delivering.tick()
    delivering.targets.faults.clear()

    delivering.start()
    await delivering.pass_time(60)

    assert len(delivering.targets.taken) == 1


async def test_what_a_target_refuses_is_a_dead_letter_at_once_with_the_event_unshaped() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = TargetRefused("NO_RESOURCE", "gone")
    await delivering.add(1, InputPath="$.detail", DeadLetterConfig={"Arn": LETTERS})

    await delivering.tick()
    await delivering.tick()

    (letter,) = delivering.targets.taken
    assert (letter.destination, letter.text) == (LETTERS, '{"id":"e1","detail":{"n":1}}')
    assert letter.attributes == {
        "RULE_ARN": RULE,
        "TARGET_ARN": QUEUE,
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": "gone",
        "RETRY_ATTEMPTS": "0",
    }
    assert delivering.delivery.health[QUEUE].dead_lettered == 1


async def test_attempts_end_where_the_retry_policy_says() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    policy = {"MaximumRetryAttempts": 2}
    await delivering.add(1, DeadLetterConfig={"Arn": LETTERS}, RetryPolicy=policy)

    await delivering.pass_time(600)

    (letter,) = delivering.targets.taken
    assert delivering.targets.tried[QUEUE] == 3
    assert letter.attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert letter.attributes["RETRY_ATTEMPTS"] == "2"


async def test_an_event_that_is_too_old_is_tried_no_more_and_given_up_without_a_queue() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    await delivering.add(1)

    await delivering.pass_time((MAX_AGE + timedelta(minutes=6)).total_seconds())

    assert delivering.invocations.kept == {}
    assert delivering.delivery.health[QUEUE].given_up == 1
    assert delivering.clock.now() > NOON


async def test_a_refusal_does_not_pause_the_target() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = TargetRefused("INVALID_PARAMETER", "too large")
    for number in range(20):
        await delivering.add(number)

    await delivering.tick()

    assert delivering.targets.tried[QUEUE] == 20


async def test_a_template_that_makes_nothing_valid_is_refused_and_not_tried_again() -> None:
    delivering = Delivering()
    shaped = {"InputPathsMap": {"d": "$.detail"}, "InputTemplate": "no JSON <d>"}
    await delivering.add(1, InputTransformer=shaped, DeadLetterConfig={"Arn": LETTERS})

    await delivering.tick()
    await delivering.tick()

    assert [dispatch.attributes["ERROR_CODE"] for dispatch in delivering.targets.taken] == ["INVALID_PARAMETER"]


async def test_what_grew_too_old_for_a_target_that_is_away_ends_without_a_try_each() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    for number in range(300):
        await delivering.add(number, DeadLetterConfig={"Arn": LETTERS}, RetryPolicy={"MaximumEventAgeInSeconds": 3600})

    await delivering.pass_time(3700)

    assert delivering.targets.tried[QUEUE] < 200
    assert len(delivering.targets.taken) == 300
    conditions = {letter.attributes["EXHAUSTED_RETRY_CONDITION"] for letter in delivering.targets.taken}
    assert conditions == {"MaximumEventAgeInSeconds"}


async def test_what_waited_while_nothing_ran_is_tried_however_old_it_is() -> None:
    delivering = Delivering()
    await delivering.add(1, RetryPolicy={"MaximumEventAgeInSeconds": 60})
    delivering.clock.advance(86_400)

    await delivering.tick()

    assert len(delivering.targets.taken) == 1


async def test_a_target_that_asks_to_be_left_alone_is() -> None:
    delivering = Delivering()
    await delivering.add(1)
    delivering.targets.faults[QUEUE] = TargetBusy("not now", timedelta(minutes=10))

    await delivering.tick()
    await delivering.pass_time(9 * 60)
    assert delivering.targets.tried[QUEUE] == 1
    del delivering.targets.faults[QUEUE]
    await delivering.pass_time(2 * 60)

    assert len(delivering.targets.taken) == 1


@asynccontextmanager
async def running(delivering: Delivering) -> AsyncIterator[None]:
    task = asyncio.create_task(delivering.delivery.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def add_and_wake(delivering: Delivering, number: int, **target: Any) -> None:
    await delivering.add(number, **target)
    delivering.delivery._waiting[QUEUE] += 1
    delivering.delivery.wake([QUEUE])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is another task's state
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("steps_between", range(5))
async def test_delivery_that_is_woken_while_it_is_ended_ends(steps_between: int) -> None:
    delivering = Delivering()
    task = asyncio.create_task(delivering.delivery.run())
    await asyncio.sleep(0.01)

    delivering.delivery.wake([])
    for _ in range(steps_between):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)

    assert task.cancelled()


async def test_what_comes_while_a_target_pauses_waits_until_the_pause_is_over() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    async with running(delivering):
        await add_and_wake(delivering, 0)
        await until(lambda: delivering.delivery._next_look.get(QUEUE) is not None)
        assert delivering.targets.tried[QUEUE] == 1

        del delivering.targets.faults[QUEUE]
        for number in range(1, 4):
            await add_and_wake(delivering, number)
            await asyncio.sleep(2 * LINGER_SECONDS)
        assert delivering.targets.tried[QUEUE] == 1

        delivering.clock.advance(LONGEST_PAUSE.total_seconds())
        await until(lambda: len(delivering.targets.taken) == 4)


async def test_what_comes_after_a_pause_does_not_wait_for_what_failed_before() -> None:
    delivering = Delivering()
    delivering.targets.faults[QUEUE] = Unavailable("away")
    async with running(delivering):
        await add_and_wake(delivering, 0, RetryDelays=[3_600])
        await until(lambda: delivering.delivery._next_look.get(QUEUE) is not None)
        del delivering.targets.faults[QUEUE]
        delivering.clock.advance(LONGEST_PAUSE.total_seconds())
        await until(lambda: delivering.delivery._next_look.get(QUEUE, NOON) > delivering.clock.now())  # for an hour

        await add_and_wake(delivering, 1)

        await until(lambda: [dispatch.invocation_id for dispatch in delivering.targets.taken][:1] == ["id-0001"])
