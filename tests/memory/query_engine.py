"""A query engine that answers what it was told to, and a query log in memory."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic

import orjson

from opentrail.ports import PortError
from opentrail.ports.query_engine import EngineStatistics, EngineTable, KeepPage
from opentrail.ports.query_log import Query


class InMemoryQueryEngine:
    """Implements QueryEngine: gives ``pages``, after ``may_run`` is set; fails with ``failure`` where there is one."""

    def __init__(self) -> None:
        self.pages: list[list[list[str | None]]] = []
        self.failure: PortError | None = None
        self.may_run = asyncio.Event()
        self.may_run.set()
        self.tables: Sequence[EngineTable] = ()
        self.rows_matched = 2500

    async def run(
        self,
        sql: str,
        tables: Sequence[EngineTable],
        keep_page: KeepPage,
        on_start: Callable[[], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> EngineStatistics:
        self.tables = tables
        if on_start is not None:
            on_start()
        await self.may_run.wait()
        if self.failure is not None:
            raise self.failure
        for page in self.pages:
            await keep_page(orjson.dumps(page), len(page))
        return EngineStatistics(sum(map(len, self.pages)), 1234, self.rows_matched)

    async def close(self) -> None:
        return


class InMemoryQueryLog(Generic[Query]):
    """Implements QueryLog; ``read`` makes a query of its JSON."""

    def __init__(self, read: Callable[[bytes], Query]) -> None:
        self._read = read
        self._queries: dict[str, bytes] = {}
        self._results: dict[str, bytes] = {}

    async def store(self, query: Query) -> None:
        self._queries[query.id] = query.to_json()

    async def queries(self) -> Sequence[Query]:
        return [self._read(data) for data in self._queries.values()]

    async def append_page(self, query_id: str, start: int, page: bytes) -> None:
        self._results[query_id] = self._results.get(query_id, b"")[:start] + page

    async def read_page(self, query_id: str, start: int, length: int) -> bytes:
        return self._results[query_id][start : start + length]

    async def remove(self, query_id: str) -> None:
        self._queries.pop(query_id, None)
        self._results.pop(query_id, None)
