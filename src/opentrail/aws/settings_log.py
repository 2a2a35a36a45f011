"""Puts a call's event and its new settings into the journal, and has the view of trails follow.

The journal decides: what it holds is in force, whether or not the view could follow at once.
"""

from collections.abc import Sequence

import structlog

from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.pipeline.regions import EnabledRegions
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, EventsEntry, Journal, JournalEntry, SettingsEntry

_log = structlog.get_logger()


class SettingsLog:
    """How the API writes to the journal. The view is brought up to date by its own reader only, in journal order."""

    def __init__(self, journal: Journal, regions: EnabledRegions, view: SettingsView) -> None:
        self._journal = journal
        self._regions = regions
        self._view = view

    async def append(
        self,
        event: Event,
        settings: Sequence[SettingsEntry] = (),
        *,
        events: Sequence[EventEntry | EventsEntry] = (),
        is_event_first: bool = False,
        encoded: bytes | None = None,
    ) -> None:
        """Store an event and the settings and further events it brings durably, in one transaction. ``encoded`` is the
        event's JSON where that is at hand.

        On return the view shows the settings, unless the metadata store does not answer: then they are in force and
        show later. A Region's first event is preceded by the entry that enables the Region. Raises Unavailable:
        nothing was stored.
        """
        recorded = EventEntry(encode_event(event) if encoded is None else encoded)
        entries: list[JournalEntry] = [recorded, *settings] if is_event_first else [*settings, recorded]
        entries += events
        await self._regions.enable(event["awsRegion"])
        position = await self._journal.append(entries)
        try:
            if settings:
                await self._view.catch_up()
        except Unavailable:
            _log.warning("settings are in force, but the metadata store does not show them yet", position=position)

    async def catch_up(self) -> None:
        """Bring the view up to the journal's head, so that a change is planned on what is in force.

        Raises Unavailable.
        """
        await self._view.catch_up()
