"""Queries that run, each in a task of its own: kept with the pages of their results, cancelled at once, forgotten after
seven days."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Generic

import orjson
import structlog

from opentrail.clock import Clock
from opentrail.ports import PortError, Unavailable
from opentrail.ports.lake_table import TableNotFound
from opentrail.ports.query_engine import (
    PAGE_ROWS,
    EngineStatistics,
    EngineTable,
    QueryEngine,
    QueryFailed,
    QueryTimedOut,
)
from opentrail.ports.query_log import Query, QueryLog
from opentrail.query.sealed_pages import open_page
from opentrail.resource.query import QueryStatus

MAX_RESULT_BYTES = 1 << 30
"""How large a result may become."""

UPKEEP_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class TooManyQueries(PortError):
    """The account has as many queries that wait or run in the Region as it may have."""


class RunningQueries(ABC, Generic[Query]):
    """All queries of one kind of this installation. ``open`` first; ``close`` cancels what runs."""

    def __init__(self, log: QueryLog[Query], engine: QueryEngine, clock: Clock) -> None:
        self._log = log
        self._engine = engine
        self._clock = clock
        self._queries: dict[str, Query] = {}
        self._unended: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, float] = {}

    async def open(self) -> None:
        """Take up what was kept. A query that an earlier process left unfinished has failed."""
        for query in await self._log.queries():
            self._queries[query.id] = query
            if not query.status.is_final:
                message = "The query was interrupted by a restart of the service. Run it again."
                await self._end(query.id, QueryStatus.FAILED, message)

    async def close(self) -> None:
        """Stop every query; they count as cancelled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def of(self, account_id: str, region: str) -> list[Query]:
        """Return the queries of an account in a Region, newest first."""
        now = self._clock.now()
        found = [
            query
            for query in self._queries.values()
            if (query.account_id, query.region) == (account_id, region) and query.is_kept(now)
        ]
        return sorted(found, key=lambda query: (query.created_at, query.id), reverse=True)

    def find(self, query_id: str, account_id: str, region: str) -> Query | None:
        """Return one query of an account in a Region; None when there is none, or it is seven days old."""
        query = self._queries.get(query_id)
        is_theirs = query is not None and (query.account_id, query.region) == (account_id, region)
        return query if query is not None and is_theirs and query.is_kept(self._clock.now()) else None

    def progress(self, query: Query) -> float | None:
        """Return the part of a running query that is done (0 to 1, an estimate), None where nobody knows."""
        return self._progress.get(query.id)

    async def cancel(self, query: Query) -> Query:
        """Stop a query that has not ended; it is cancelled on return. One that has stays as it is."""
        task = self._tasks.get(query.id)
        if task is not None and not self._queries[query.id].status.is_final:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not self._queries[query.id].status.is_final:
            await self._end(query.id, QueryStatus.CANCELLED)
        return self._queries[query.id]

    async def rows(self, query: Query, first: int, count: int) -> list[list[str | None]]:
        """Return up to ``count`` rows of the result from the ``first`` on, counted from 0."""
        found: list[list[str | None]] = []
        for place in range(first // PAGE_ROWS, len(query.pages)):
            if len(found) >= count:
                break
            start, length, _ = query.pages[place]
            kept = await self._log.read_page(query.id, start, length)
            page: list[list[str | None]] = orjson.loads(await self.open_page(query, start, kept))
            found += page[max(0, first - place * PAGE_ROWS) :]
        return found[:count]

    async def run(self) -> None:
        """Forget queries that are seven days old, until cancelled."""
        while True:
            for query in [one for one in self._queries.values() if not one.is_kept(self._clock.now())]:
                await self._log.remove(query.id)
                del self._queries[query.id]
            await self._keep_up()
            await asyncio.sleep(UPKEEP_SECONDS)

    async def _keep_up(self) -> None:
        """Do what else is due now and then."""

    @abstractmethod
    async def result_key(self, query: Query) -> bytes:
        """Return the data key of a query's result, empty where it has none. Raises Unavailable."""

    async def open_page(self, query: Query, start: int, page: bytes) -> bytes:
        """Return a page of a result that was kept at ``start``. Raises Unavailable."""
        return open_page(await self.result_key(query), query.id, start, page)

    @abstractmethod
    def _sealed_page(self, query_id: str, start: int, page: bytes) -> bytes:
        """Return a page of a running query's result as it is kept, at ``start``."""

    def _check_room(self, account_id: str, region: str, most: int) -> None:
        """Raise TooManyQueries when ``most`` queries of an account and Region wait or run."""
        active = [self._queries[query_id] for query_id in self._unended]
        if sum((query.account_id, query.region) == (account_id, region) for query in active) >= most:
            raise TooManyQueries

    async def _begin(self, query: Query, work: Callable[[], Awaitable[None]]) -> None:
        """Keep a new query, and have ``work`` bring its result by and by."""
        await self._keep(query)
        self._start_task(query.id, self._run(query.id, work))

    def _start_task(self, query_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"query {query_id}")
        self._tasks[query_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(query_id, None))

    async def _run(self, query_id: str, work: Callable[[], Awaitable[None]]) -> None:
        began = self._clock.now()
        status, message = QueryStatus.FINISHED, ""
        try:
            await work()
        except asyncio.CancelledError:
            status = QueryStatus.CANCELLED
        except QueryTimedOut as error:
            status, message = QueryStatus.TIMED_OUT, str(error)
        except QueryFailed as error:
            status, message = QueryStatus.FAILED, str(error)
        except TableNotFound:
            status, message = QueryStatus.FAILED, "An event data store of the query is gone."
        except Unavailable as error:
            _log.warning("query_interrupted", query=query_id, error=str(error))
            status, message = QueryStatus.FAILED, "The query's data cannot be read now: its storage does not answer."
        except Exception:  # the edge of a worker: whatever it was, the query has failed
            _log.exception("query_failed", query=query_id)
            status, message = QueryStatus.FAILED, "The query failed because of an unknown error. Try again."
        finally:
            self._progress.pop(query_id, None)
        taken = int((self._clock.now() - began).total_seconds() * 1000)
        self._change(query_id, run_time_ms=max(0, taken))
        await self._end(query_id, status, message)

    async def _ask(self, query_id: str, sql: str, tables: Sequence[EngineTable]) -> EngineStatistics:
        """Have the engine bring a query's result, page by page."""

        async def keep_page(page: bytes, rows: int) -> None:
            pages = self._queries[query_id].pages
            start = sum(pages[-1][:2]) if pages else 0
            page = self._sealed_page(query_id, start, page)
            if start + len(page) > MAX_RESULT_BYTES:
                raise QueryFailed(f"The result is larger than {MAX_RESULT_BYTES >> 20} MB")
            await self._log.append_page(query_id, start, page)
            self._change(query_id, pages=(*pages, (start, len(page), rows)))

        def on_progress(part: float) -> None:
            self._progress[query_id] = part

        taken = await self._engine.run(
            sql, tables, keep_page, lambda: self._change(query_id, status=QueryStatus.RUNNING), on_progress
        )
        self._change(query_id, bytes_scanned=taken.bytes_scanned)
        return taken

    async def _end(self, query_id: str, status: QueryStatus, message: str = "") -> None:
        """Keep how a query ended."""
        self._change(query_id, status=status, error_message=message, ended_at=self._clock.now())
        await self._keep(self._queries[query_id])

    def _change(self, query_id: str, **changes: object) -> None:
        self._queries[query_id] = replace(self._queries[query_id], **changes)  # type: ignore[arg-type]

    async def _keep(self, query: Query) -> None:
        self._queries[query.id] = query
        (self._unended.discard if query.status.is_final else self._unended.add)(query.id)
        await self._log.store(query)
