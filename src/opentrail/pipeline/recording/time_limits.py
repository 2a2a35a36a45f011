"""Time limits that cost little where, as almost always, they are not reached: a recorder sets three for every call."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

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
            waiter = self._begin(work.get_loop())

            def end(_: object) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            work.add_done_callback(end)
            try:
                await waiter
            except BaseException:
                work.remove_done_callback(end)
                raise
        return work.result()

    async def bound(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Return the result of ``work``, which is cancelled when it is not done in time: then TimeoutError is raised.
        Work that need not wait for anything has no timer set."""
        try:
            awaited = work.send(None)
        except StopIteration as ended:
            result: _Result = ended.value
            return result
        async with asyncio.timeout(self.seconds):
            return await _Begun(work, awaited)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
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


class _Begun(Generic[_Result]):
    """A coroutine that was begun and waits for what it ``awaited`` first."""

    def __init__(self, work: Coroutine[Any, Any, _Result], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, _Result]:
        awaited = self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except GeneratorExit:
                    self._work.close()
                    raise
                except BaseException as error:
                    awaited = self._work.throw(error)
                else:
                    awaited = self._work.send(sent)
        except StopIteration as ended:
            result: _Result = ended.value
            return result
