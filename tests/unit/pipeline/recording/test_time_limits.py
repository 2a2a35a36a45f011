"""Waits that share a timer: each ends with its work, or when its own time is over."""

import asyncio

import pytest

from opentrail.pipeline.recording.time_limits import TimeLimit


async def test_a_wait_returns_what_its_work_returns() -> None:
    limit = TimeLimit(5)
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(limit.wait(work))
    await asyncio.sleep(0)

    work.set_result(7)

    assert await waiting == 7
    assert await limit.wait(work) == 7


async def test_a_wait_raises_what_its_work_raises() -> None:
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(work.set_exception, KeyError("gone"))

    with pytest.raises(KeyError):
        await TimeLimit(5).wait(work)


async def test_work_that_is_late_goes_on_after_its_wait_has_ended() -> None:
    limit = TimeLimit(0.02)
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await limit.wait(work)
    work.set_result(7)

    assert await limit.wait(work) == 7


async def test_each_of_many_waits_has_its_own_end() -> None:
    limit, loop = TimeLimit(0.05), asyncio.get_running_loop()
    works: list[asyncio.Future[int]] = [loop.create_future() for _ in range(200)]
    started, ended = loop.time(), list[float]()

    async def wait(number: int) -> int | None:
        await asyncio.sleep(number / 5000)
        began = loop.time()
        try:
            return await limit.wait(works[number])
        except TimeoutError:
            ended.append(loop.time() - began)
            return None

    waits = [asyncio.create_task(wait(number)) for number in range(200)]
    for number in range(0, 200, 2):
        loop.call_later(number / 5000 + 0.001, works[number].set_result, number)
    results = await asyncio.gather(*waits)

    assert results == [number if number % 2 == 0 else None for number in range(200)]
    assert min(ended) >= 0.05
    assert loop.time() - started < 5


async def test_a_cancelled_wait_leaves_its_work_alone() -> None:
    limit = TimeLimit(5)
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(limit.wait(work))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    work.set_result(1)

    assert await limit.wait(work) == 1
