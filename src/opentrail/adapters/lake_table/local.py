"""Lake tables in the home folder, which load Arrow and Delta (135 MB of memory) once the first table is opened."""

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from opentrail.ports.lake_table import LakeTable
from opentrail.resource.event_data_store import EventDataStore

if TYPE_CHECKING:
    from opentrail.adapters.lake_table.delta import DeltaLakeTables


PROCESSES = 2
"""Batches whose rows are made at the same time, each in a process of its own of some 240 MB."""


class LocalLakeTables:
    """Implements LakeTables below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loading = asyncio.Lock()
        self._tables: DeltaLakeTables | None = None

    async def open(self, store: EventDataStore) -> LakeTable:
        return await (await self._loaded()).open(store)

    async def remove(self, arn: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder / arn.rpartition("/")[2], ignore_errors=True)

    async def close(self) -> None:
        """End the threads that an opened table has."""
        if self._tables is not None:
            await self._tables.close()

    async def _loaded(self) -> "DeltaLakeTables":
        async with self._loading:
            if self._tables is None:
                self._tables = await asyncio.to_thread(_load, self._folder)
            return self._tables


def _load(folder: Path) -> "DeltaLakeTables":
    from opentrail.adapters.lake_table.delta import DeltaLakeTables

    return DeltaLakeTables(folder, processes=PROCESSES)
