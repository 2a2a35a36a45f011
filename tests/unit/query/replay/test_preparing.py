"""Work ahead of replays goes on while there is some, and outlives what fails."""

import asyncio
from contextlib import suppress

import pytest

from opentrail.ports.replay import CountingFailed
from opentrail.query.replay import preparing
from tests.memory.counting import InMemoryCounting


class SlowlyPrepared(InMemoryCounting):
    def __init__(self) -> None:
        super().__init__([])
        self.left: list[int | Exception] = [8, CountingFailed("no room"), 3, 0]
        self.is_done = asyncio.Event()

    async def prepare_counting(self) -> int:
        if not self.left:
            self.is_done.set()
            return 0
        step = self.left.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_history_is_prepared_until_nothing_is_left_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(preparing, "BUSY_SECONDS", 0.0)
    history = SlowlyPrepared()
    task = asyncio.create_task(preparing.keep_prepared(history))

    await asyncio.wait_for(history.is_done.wait(), 30)

    assert history.left == []
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
