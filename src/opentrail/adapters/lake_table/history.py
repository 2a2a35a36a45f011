"""Event history written out as Parquet for the length of one query: the same columns as an event data store's files.

Events are read as LookupEvents reads them, a page at a time, so memory is flat; the files lie in the queries' folder.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentrail.ports import Unavailable
from opentrail.ports.event_history import EventHistory, LookupQuery
from opentrail.ports.lake_table import LakeFile
from opentrail.resource.event_data_store import EventDataStoreKind

PAGE_EVENTS = 2_000
"""Events that are in memory at once, of one Region."""

_EVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


class HistoryFiles:
    """Implements HistoryTable. ``regions`` gives the Regions that have a history; files go below ``folder``."""

    def __init__(self, history: EventHistory, regions: Callable[[], Awaitable[Sequence[str]]], folder: Path) -> None:
        self._history = history
        self._regions = regions
        self._folder = folder
        self._count = 0

    @asynccontextmanager
    async def files(self, account_id: str, since: datetime, until: datetime) -> AsyncIterator[tuple[LakeFile, ...]]:
        self._count += 1
        place = self._folder / f"spill-history-{os.getpid()}-{self._count}"
        try:
            found = []
            for region in await self._regions():
                query = LookupQuery(
                    account_id,
                    region,
                    start_time=since if since > _EVER[0] else None,
                    end_time=until if until < _EVER[1] else None,
                    max_results=PAGE_EVENTS,
                )
                found += await self._written(query, place / f"{region}.parquet")
            yield tuple(found)
        except OSError as error:
            raise Unavailable(f"Event history cannot be written out: {error.strerror or error}") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _written(self, query: LookupQuery, path: Path) -> list[LakeFile]:
        file: Any = None
        rows, token = 0, ""
        try:
            while True:
                page = await self._history.lookup(replace(query, page_token=token))
                if page.events:
                    file = file or await asyncio.to_thread(_ParquetFile, path)
                    rows += await asyncio.to_thread(file.write, page.events)
                token = page.next_token
                if not token:
                    break
        finally:
            if file is not None:
                await asyncio.to_thread(file.close)
        if not rows:
            return []
        return [LakeFile(str(path), path.stat().st_size, rows, datetime.now(UTC).date())]


class _ParquetFile:
    """One file being written; Arrow is loaded with the first one."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        from opentrail.adapters.lake_table.arrow import arrow_schema
        from opentrail.resource.lake_columns import stored_columns

        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        schema = arrow_schema(stored_columns(EventDataStoreKind.CLOUDTRAIL))
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)

    def write(self, events: Sequence[bytes]) -> int:
        """Add a page of events as one row group; return how many they are."""
        from opentrail.adapters.lake_table.records import build_rows, read_records

        days, _ = read_records(EventDataStoreKind.CLOUDTRAIL, events, *_EVER)
        records = [record for day in days.values() for record in day]
        if records:
            self._writer.write_table(build_rows(EventDataStoreKind.CLOUDTRAIL, records, 0))
        return len(records)

    def close(self) -> None:
        self._writer.close()
