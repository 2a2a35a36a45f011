"""Waiting for an event, but not for ever."""

import asyncio


async def is_set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait until an event is set, ``seconds`` at most (None: for ever), and say whether it is.

    A cancellation always comes through. Python 3.11's ``asyncio.wait_for`` loses one that comes just after the event
    was set (seen: a worker so cancelled never ended); 3.12's does not.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
