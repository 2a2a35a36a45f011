"""Keeps the API's view of trails in step with the journal, which decides.

The API applies its own changes at once; this reader applies them again (which changes nothing) and, after a crash
between the two steps, for the first time.
"""

import asyncio
from collections.abc import Callable

import structlog

from opentrail.pipeline.journal_pages import follow
from opentrail.ports import Unavailable
from opentrail.ports.journal import Journal, Position, PositionLost, SettingsEntry
from opentrail.ports.trail_store import TrailStore

RETRY_SECONDS = 1.0

_log = structlog.get_logger()


class SettingsView:
    """Reads the journal's settings entries into a TrailStore; ``on_applied`` hears of each that shows."""

    def __init__(self, journal: Journal, trails: TrailStore) -> None:
        self._journal = journal
        self._trails = trails
        self._position: Position | None = None
        self.on_applied: Callable[[SettingsEntry], None] = lambda entry: None

    @property
    def position(self) -> Position | None:
        """How far the journal was read, for trimming; None before ``catch_up``."""
        return self._position

    async def catch_up(self) -> None:
        """Apply every settings entry up to the journal's head; to be awaited before the API answers."""
        await self._apply(until=self._journal.head())

    async def run(self) -> None:
        """Follow the journal until cancelled; a store that does not answer is tried again."""
        while True:
            try:
                await self._apply(until=None)
            except Unavailable:
                _log.warning("the metadata store does not answer; trail settings wait", retry_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def _apply(self, until: Position | None) -> None:
        if self._position is None:
            self._position = await self._trails.applied()
        try:
            async for page in follow(self._journal, self._position, until):
                for position, entry in page:
                    if isinstance(entry, SettingsEntry):
                        await self._trails.apply(position, entry)
                        self.on_applied(entry)
                    self._position = position
        except PositionLost as lost:
            # Entries are only cut once this reader has passed them: what is gone was applied before.
            self._position = lost.resume_after
            await self._apply(until)
