"""Waiting in a test for what no port tells."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until something holds; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for is another task's state, as a reader sees it
            await asyncio.sleep(0.005)
