"""Lets the journal delete what every reader has passed."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from opentrail.ports.journal import Journal, Position

TRIM_SECONDS = 10.0

_log = structlog.get_logger()


class JournalTrimmer:
    """Trims the journal to the slowest reader, and past it once the journal is over its bound.

    ``holds`` returns, for each reader, the position through which it needs nothing more; None holds everything. A
    reader that is cut loose gets PositionLost and puts the gap on record itself.
    """

    def __init__(self, journal: Journal, holds: Callable[[], Sequence[Position | None]], *, max_bytes: int) -> None:
        self._journal = journal
        self._holds = holds
        self._max_bytes = max_bytes

    async def run(self) -> None:
        """Trim every TRIM_SECONDS until cancelled."""
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            await self.trim()

    async def trim(self) -> None:
        """Trim once."""
        holds = self._holds()
        if holds and all(hold is not None for hold in holds):
            await self._journal.trim(min(hold for hold in holds if hold is not None))
        if self._journal.size_bytes() > self._max_bytes:
            await self._cut_slowest([hold for hold in holds if hold is not None])

    async def _cut_slowest(self, holds: Sequence[Position]) -> None:
        for hold in sorted(set(holds))[1:]:
            _log.error("the journal is over journal_max_bytes: its slowest reader is cut loose", through=hold)
            await self._journal.trim(hold)
            if self._journal.size_bytes() <= self._max_bytes:
                return
