"""Which Regions are enabled: those that an event was ever recorded in, as the journal's settings entries say.

Trails deliver log files and digests for a Region from its settings entry on, so the entry must stand before the
Region's first event.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

import orjson
import structlog

from opentrail.ports import Unavailable
from opentrail.ports.journal import REGIONS_SCOPE, Journal, Position, SettingsEntry

_log = structlog.get_logger(__name__)

OnSettings = Callable[[Position, SettingsEntry], Awaitable[None]]


class RegionRegister(Protocol):
    """Where whoever records an event has its Region enabled first."""

    def is_enabled(self, region: str) -> bool:
        """Say whether ``enable`` would return at once."""
        ...

    async def enable(self, *regions: str) -> None:
        """Return once the settings entry of every one of ``regions`` is durable; at once where it was before. Raises
        Unavailable."""
        ...


class ClaimedRegions:
    """Which Regions an event may name whose caller nobody verified: all that are enabled, and as many more as leave at
    most ``limit`` enabled beside the ``configured`` ones. Else anybody who reaches the gateway could have a digest
    chain begun, which never ends, for every Region that AWS has. From any thread.
    """

    def __init__(self, enabled: Callable[[], Collection[str]], configured: Collection[str], limit: int) -> None:
        self._enabled = enabled
        self._configured = frozenset(configured)
        self._limit = limit
        self._admitted: set[str] = set()
        self._admitting = threading.Lock()

    def admits(self, region: str) -> bool:
        """Say whether a claimed call may be recorded in ``region``; what was admitted once stays so."""
        if region in self._configured or region in self._admitted:
            return True
        with self._admitting:
            enabled = self._admitted.union(self._enabled())
            if region not in enabled and len(enabled - self._configured) >= self._limit:
                return False
            self._admitted.add(region)
            return True


class EnabledRegions:
    """The enabled Regions of an installation (a RegionRegister); one object of one process announces them, so that
    every list it announces holds all that were announced before.

    ``enabled`` seeds it with ``TrailStore.enabled_regions()``. ``on_settings`` is told of entries that were stored;
    when it is Unavailable that is logged, for the journal has them.
    """

    def __init__(self, journal: Journal, enabled: Iterable[str] = (), *, on_settings: OnSettings | None = None) -> None:
        self._journal = journal
        self._enabled = set(enabled)
        self._on_settings = on_settings
        self._announcing = asyncio.Lock()

    def names(self) -> Collection[str]:
        """Return the Regions whose settings entry is durable."""
        return frozenset(self._enabled)

    def is_enabled(self, region: str) -> bool:
        return region in self._enabled

    async def enable(self, *regions: str) -> None:
        if self._enabled.issuperset(regions):
            return
        async with self._announcing:
            if self._enabled.issuperset(regions):
                return
            announced = self._enabled.union(regions)
            entry = SettingsEntry(REGIONS_SCOPE, orjson.dumps(sorted(announced)))
            position = await self._journal.append([entry])
            self._enabled = announced
            await self._tell(position, entry)

    async def _tell(self, position: Position, entry: SettingsEntry) -> None:
        if self._on_settings is None:
            return
        try:
            await self._on_settings(position, entry)
        except Unavailable as error:
            _log.warning("an enabled Region is in the journal but does not show yet", error=str(error))
