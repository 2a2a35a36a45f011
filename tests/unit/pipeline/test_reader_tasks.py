"""Each reader has a task of its own, for as long as it is listed."""

import asyncio

import pytest

from opentrail.pipeline.reader_tasks import run_readers
from opentrail.ports import Unavailable


async def test_one_that_waits_holds_up_no_other_and_one_that_ended_is_started_anew() -> None:
    stop, served = asyncio.Event(), list[str]()

    async def names() -> list[str]:
        return ["slow", "quick"]

    async def serve(name: str) -> None:
        served.append(name)
        if name == "slow":
            await stop.wait()

    async def pause() -> None:
        await asyncio.sleep(0)
        if served.count("quick") == 3:
            stop.set()

    await asyncio.wait_for(run_readers(stop, names, serve, pause), 5)

    assert sorted(served) == ["quick", "quick", "quick", "slow"]


async def test_readers_that_cannot_be_listed_are_listed_again() -> None:
    stop, listings = asyncio.Event(), iter([Unavailable("no database"), None])

    async def names() -> list[str]:
        if (trouble := next(listings)) is not None:
            raise trouble
        return ["one"]

    async def serve(_: str) -> None:
        stop.set()

    await asyncio.wait_for(run_readers(stop, names, serve, lambda: asyncio.sleep(0)), 5)

    assert stop.is_set()


async def test_what_a_task_raises_comes_out_at_the_end() -> None:
    stop = asyncio.Event()

    async def names() -> list[str]:
        return ["one"]

    async def serve(_: str) -> None:
        stop.set()
        raise LookupError("one")

    with pytest.raises(LookupError):
        await asyncio.wait_for(run_readers(stop, names, serve, lambda: asyncio.sleep(0)), 5)
