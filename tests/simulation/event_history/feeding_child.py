"""A process that feeds Event history from a generated journal and kills itself at a chosen step.

``python feeding_child.py FOLDER KILL_AT``: steps are counted over all threads; KILL_AT 0 runs to the end. A step is
each point where what is on disk changes its meaning: before and after every fsync, rename, unlink and SQLite commit.
"""

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentrail.adapters.event_history.local import LocalEventHistory
from opentrail.pipeline.history import HistoryFeeder
from tests.simulation.event_history.stream import SEAL_EVENTS, SEGMENT_ROWS, filled_journal


class StreamClock:
    """Stands on the day after the stream's last event."""

    def now(self) -> datetime:
        return datetime(2024, 5, 11, tzinfo=UTC)


class Steps:
    """Counts steps and kills the process at the chosen one."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at = kill_at
        self._count = itertools.count(1)

    def step(self) -> None:
        if next(self._count) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = function(*arguments, **named)
            self.step()
            return result

        return counted


def install(steps: Steps) -> None:
    """Put a step around everything that changes what is on disk."""

    class CountedConnection(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            run = super().execute
            return steps.around(run)(sql, *arguments) if sql == "COMMIT" else run(sql, *arguments)

    connect = sqlite3.connect
    sqlite3.connect = lambda *arguments, **named: connect(*arguments, factory=CountedConnection, **named)  # type: ignore[assignment]
    for name in ("fsync", "rename", "unlink"):
        setattr(os, name, steps.around(getattr(os, name)))


async def feed(folder: Path) -> None:
    journal = await filled_journal()
    history = await LocalEventHistory.open(folder, seal_events=SEAL_EVENTS, segment_rows=SEGMENT_ROWS)
    await HistoryFeeder(journal, history, StreamClock()).catch_up()
    await history.settle()
    await history.expire(datetime(2024, 5, 8, tzinfo=UTC))
    await history.close()


if __name__ == "__main__":
    install(Steps(int(sys.argv[2])))
    asyncio.run(feed(Path(sys.argv[1])))
