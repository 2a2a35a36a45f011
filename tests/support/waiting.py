"""Waiting in a test for what no port tells."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until something holds; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for is another task's state, as a reader sees it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(worker: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a worker meanwhile; fails when it ended before it was cancelled."""
    task = asyncio.create_task(worker)
    try:
        yield
    finally:
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended
