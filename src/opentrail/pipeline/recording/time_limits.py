"""Waits of one length on one timer: a recorder waits twice for every call, and few of these waits end by time."""

import asyncio
from collections import deque
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class TimeLimit:
    """Waits of ``seconds`` each, for whatever runs by itself and is not to be cancelled when the time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waits: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, work: "asyncio.Future[_Result]") -> _Result:
        """Return the result of ``work``, which goes on whatever happens here. Raises TimeoutError when it is not done
        in time."""
        if not work.done():
            waiter = self._begin()

            def end(_: object) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            work.add_done_callback(end)
            try:
                await waiter
            finally:
                work.remove_done_callback(end)
        return work.result()

    def _begin(self) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        waits = self._waits
        while waits and waits[0][1].done():
            waits.popleft()
        waiter: asyncio.Future[None] = loop.create_future()
        waits.append((loop.time() + self.seconds, waiter))
        if self._timer is None:
            self._timer = loop.call_at(waits[0][0], self._expire, loop)
        return waiter

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        waits: deque[tuple[float, asyncio.Future[Any]]] = self._waits
        while waits and (waits[0][1].done() or waits[0][0] <= loop.time()):
            _, waiter = waits.popleft()
            if not waiter.done():
                waiter.set_exception(TimeoutError())
        if waits:
            self._timer = loop.call_at(waits[0][0], self._expire, loop)
