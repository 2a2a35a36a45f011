"""Lake tables in the home folder, or mirrored there from a bucket, which load Arrow and Delta (135 MB of memory) once
the first table is opened."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from opentrail.adapters.lake_table.mirror import Mirror, remove_table
from opentrail.adapters.lake_table.reading import FetchingCounts, FetchingEngine
from opentrail.ports.lake_keys import StoreKeys
from opentrail.ports.lake_table import LakeTable
from opentrail.ports.query_engine import QueryEngine
from opentrail.ports.replay import CountableLake
from opentrail.resource.event_data_store import EventDataStore

if TYPE_CHECKING:
    from opentrail.adapters.lake_table.delta import DeltaLakeTables


PROCESSES = 2
"""Batches whose rows are made at the same time, each in a process of its own of some 240 MB."""


class LocalLakeTables:
    """Implements LakeTables below ``folder``; with a ``mirror`` of it the tables lie in that one's bucket. ``keys`` are
    those of stores that have one."""

    def __init__(self, folder: Path, mirror: Mirror | None = None, keys: StoreKeys | None = None) -> None:
        self._folder = folder
        self._mirror = mirror
        self._keys = keys
        self._loading = asyncio.Lock()
        self._tables: DeltaLakeTables | None = None

    async def open(self, store: EventDataStore) -> LakeTable:
        return await (await self._loaded()).open(store)

    async def remove(self, arn: str) -> None:
        await asyncio.to_thread(remove_table, self._folder / arn.rpartition("/")[2], self._mirror)

    def engine(self, engine: QueryEngine) -> QueryEngine:
        """Return an engine that reads these tables' files, wherever they lie."""
        return engine if self._mirror is None else FetchingEngine(engine, self._mirror)

    def counting(self, counting: CountableLake) -> CountableLake:
        """Return a counting that reads these tables' files, wherever they lie."""
        return counting if self._mirror is None else FetchingCounts(counting, self._mirror)

    async def close(self) -> None:
        """End the threads that an opened table has."""
        if self._tables is not None:
            await self._tables.close()
        if self._mirror is not None:
            await asyncio.to_thread(self._mirror.close)

    async def _loaded(self) -> "DeltaLakeTables":
        async with self._loading:
            if self._tables is None:
                self._tables = await asyncio.to_thread(_load, self._folder, self._mirror, self._keys)
            return self._tables


def _load(folder: Path, mirror: Mirror | None, keys: StoreKeys | None) -> "DeltaLakeTables":
    from opentrail.adapters.lake_table.delta import DeltaLakeTables

    return DeltaLakeTables(folder, processes=PROCESSES, mirror=mirror, keys=keys)
