"""Puts a call's event and its new settings into the journal, and brings the view of trails up to date.

The journal decides: what it holds is in force, whether or not the view could follow at once.
"""

from collections.abc import Sequence

import structlog

from opentrail.ports import Unavailable
from opentrail.ports.journal import Journal, JournalEntry, Position, SettingsEntry
from opentrail.ports.trail_store import TrailStore

_log = structlog.get_logger()


class SettingsLog:
    """One per API server. ``append`` with settings, and ``catch_up``, are called under the server's lock only."""

    def __init__(self, journal: Journal, trails: TrailStore) -> None:
        self._journal = journal
        self._trails = trails
        self._behind: tuple[Position, Position] | None = None

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        """Store ``entries`` durably in order; on return the view shows their settings, or is known to be behind.

        Raises Unavailable: nothing was stored.
        """
        before = self._journal.head()
        last = await self._journal.append(entries)
        if not any(isinstance(entry, SettingsEntry) for entry in entries):
            return
        self._behind = (self._behind[0] if self._behind else before, last)
        try:
            await self.catch_up()
        except Unavailable:
            _log.warning("settings are in force, but the metadata store does not show them yet", position=last)

    async def catch_up(self) -> None:
        """Apply the settings entries that the view missed; raises Unavailable while it cannot follow."""
        if self._behind is None:
            return
        after, last = self._behind
        async for page in self._journal.read(after, until=last):
            for position, entry in page:
                if isinstance(entry, SettingsEntry):
                    await self._trails.apply(position, entry)
        self._behind = None
