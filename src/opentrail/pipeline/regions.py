"""Which Regions are enabled: those that an event was ever recorded in, as the journal's settings entries say.

Trails deliver log files and digests for a Region from its settings entry on, so the entry must stand before the
Region's first event.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import orjson
import structlog

from opentrail.ports import Unavailable
from opentrail.ports.journal import REGIONS_SCOPE, JournalEntry, Position, SettingsEntry

_log = structlog.get_logger(__name__)

OnSettings = Callable[[Position, SettingsEntry], Awaitable[None]]


class EnabledRegions:
    """The enabled Regions of this process. Every list it announces holds all that were announced before.

    ``enabled`` seeds it with ``TrailStore.enabled_regions()``. ``on_settings`` is told of entries that were stored;
    when it is Unavailable that is logged, for the journal has them.
    """

    def __init__(self, enabled: Iterable[str] = (), *, on_settings: OnSettings | None = None) -> None:
        self._stored = set(enabled)
        self._announced = set(self._stored)
        self._on_settings = on_settings

    def names(self) -> Collection[str]:
        """Return the Regions whose settings entry is durable."""
        return frozenset(self._stored)

    def entries_for(self, *regions: str) -> list[SettingsEntry]:
        """Return the settings entry that must precede an event of one of ``regions`` in the same append; mostly none.

        Nothing may be awaited between this call and the append, so that the lists reach the journal in the order in
        which they grew.
        """
        if self._stored.issuperset(regions):
            return []
        self._announced.update(regions)
        return [SettingsEntry(REGIONS_SCOPE, orjson.dumps(sorted(self._announced)))]

    async def stored(self, position: Position, entries: Sequence[JournalEntry]) -> None:
        """Take note of entries that an append stored, ``position`` being the last one's; others than of Regions are
        passed over."""
        for entry in entries:
            if isinstance(entry, SettingsEntry) and entry.scope == REGIONS_SCOPE and entry.settings is not None:
                self._stored.update(orjson.loads(entry.settings))
                await self._tell(position, entry)

    async def _tell(self, position: Position, entry: SettingsEntry) -> None:
        if self._on_settings is None:
            return
        try:
            await self._on_settings(position, entry)
        except Unavailable as error:
            _log.warning("an enabled Region is in the journal but does not show yet", error=str(error))
