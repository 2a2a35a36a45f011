"""The engines of queries and of counts over tables in a bucket: the files they are handed are brought here first.

An engine reads files of this machine and has no network: what it may not reach it cannot be talked into reaching.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.ports.query_engine import EngineStatistics, EngineTable, KeepPage, QueryEngine
from opentrail.ports.replay import CountableLake, Counted, CountingJob, Progress


class FetchingEngine:
    """Implements QueryEngine over ``engine``."""

    def __init__(self, engine: QueryEngine, mirror: Mirror) -> None:
        self._engine = engine
        self._mirror = mirror

    async def run(
        self,
        sql: str,
        tables: Sequence[EngineTable],
        keep_page: KeepPage,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> EngineStatistics:
        async with _files(self._mirror, (file for table in tables for file in table.files)):
            return await self._engine.run(sql, tables, keep_page, on_start, on_progress)

    async def close(self) -> None:
        await self._engine.close()


class FetchingCounts:
    """Implements CountableLake over ``counting``."""

    def __init__(self, counting: CountableLake, mirror: Mirror) -> None:
        self._counting = counting
        self._mirror = mirror

    async def count(self, table: EngineTable, job: CountingJob, on_progress: Progress) -> Counted:
        async with _files(self._mirror, table.files):
            return await self._counting.count(table, job, on_progress)


@asynccontextmanager
async def _files(mirror: Mirror, locations: Iterable[str]) -> AsyncIterator[None]:
    """Have files here; raises Unavailable, TableDamaged. A cancelled wait ends at once, and nothing stays held."""
    stack = ExitStack()
    paths = [Path(location) for location in locations]
    entering = asyncio.ensure_future(asyncio.to_thread(stack.enter_context, mirror.reading(paths)))
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        entering.add_done_callback(lambda _: stack.close())
        raise
    try:
        yield
    finally:
        await asyncio.shield(asyncio.to_thread(stack.close))
