"""Waiting for an event with a limit."""

import asyncio

import pytest

from opentrail.waiting import is_set_within


async def test_an_event_set_in_time_is_told_at_once() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(is_set_within(event, 60))
    await asyncio.sleep(0)

    event.set()

    assert await waiting


async def test_the_wait_ends_when_the_time_is_over() -> None:
    assert not await is_set_within(asyncio.Event(), 0.01)
    assert not await is_set_within(asyncio.Event(), 0)


@pytest.mark.parametrize("seconds", [None, 60])
@pytest.mark.parametrize("steps_between", range(5))
async def test_a_cancellation_that_comes_with_the_event_is_not_lost(steps_between: int, seconds: float | None) -> None:
    event, rounds = asyncio.Event(), 0

    async def work() -> None:
        nonlocal rounds
        while True:
            await is_set_within(event, seconds)
            event.clear()
            rounds += 1

    working = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(steps_between):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working], timeout=5)

    assert working.cancelled()
    assert rounds <= 1
