"""Logs Insights queries: started, run a few at a time, kept for seven days with the pages of their results."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson
import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.ports import PortError
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogRange, LogRows
from opentrail.ports.query_engine import PAGE_ROWS, EngineTable, QueryEngine, QueryFailed, QueryTimedOut, RowSource
from opentrail.ports.query_log import QueryLog
from opentrail.resource.log_group import LogGroup
from opentrail.resource.log_query import LogQuery, LogQueryStatus

if TYPE_CHECKING:
    from opentrail.logsql.compilation import CompiledQuery

CONCURRENT_QUERIES = 100
"""CloudWatch Logs' quota of queries that wait or run, for each account and Region. The engine runs fewer at a time."""

MAX_GROUPS = 50
"""Log groups of one query: CloudWatch Logs' own bound."""

DEFAULT_ROWS = 10_000

MAX_RESULT_BYTES = 1 << 30
"""How large a result may become."""

UPKEEP_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class TooManyLogQueries(PortError):
    """The account has as many queries that wait or run in the Region as it may have."""


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What is asked: ``text`` over ``groups``, all of one account and Region, from ``start`` to ``end`` (s since 1970,
    both included), ``limit`` rows at most; ``user`` is who asks."""

    account_id: str
    region: str
    text: str
    groups: Sequence[LogGroup]
    start: int
    end: int
    limit: int = DEFAULT_ROWS
    user: str = ""


class LogQueries:
    """All Logs Insights queries of this installation. ``open`` first; ``close`` cancels what runs."""

    def __init__(
        self,
        log: QueryLog[LogQuery],
        engine: QueryEngine,
        groups: LogGroups,
        rows: LogRows,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._log = log
        self._engine = engine
        self._groups = groups
        self._rows = rows
        self._clock = clock
        self._identifiers = identifiers
        self._queries: dict[str, LogQuery] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, float] = {}

    async def open(self) -> None:
        """Take up what was kept. A query that an earlier process left unfinished has failed."""
        for query in await self._log.queries():
            self._queries[query.id] = query
            if not query.status.is_final:
                message = "The query was interrupted by a restart of the service. Run it again."
                await self._end(query.id, LogQueryStatus.FAILED, message)

    async def close(self) -> None:
        """Stop every query; they count as cancelled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def start(self, question: LogQuestion) -> LogQuery:
        """Compile a query and queue it; its result comes by and by.

        Raises MalformedQuery, TooManyLogQueries, Unavailable.
        """
        now = self._clock.now()
        compiled = _compile(question, self._clock)
        active = [query for query in self.of(question.account_id, question.region) if not query.status.is_final]
        if len(active) >= CONCURRENT_QUERIES:
            raise TooManyLogQueries
        query = LogQuery(
            id=self._identifiers.uuid(),
            account_id=question.account_id,
            region=question.region,
            log_groups=tuple(group.name for group in question.groups),
            text=question.text,
            start=question.start,
            end=question.end,
            created_at=now,
            user=question.user,
            columns=tuple((column.label, "double" if column.is_number else "varchar") for column in compiled.columns),
            is_grouped=compiled.is_grouped,
        )
        await self._keep(query)
        task = asyncio.create_task(self._run(query.id, question, compiled), name=f"log query {query.id}")
        self._tasks[query.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(query.id, None))
        return query

    def of(self, account_id: str, region: str) -> list[LogQuery]:
        """Return the queries of an account in a Region, newest first."""
        now = self._clock.now()
        found = [
            query
            for query in self._queries.values()
            if (query.account_id, query.region) == (account_id, region) and query.is_kept(now)
        ]
        return sorted(found, key=lambda query: (query.created_at, query.id), reverse=True)

    def find(self, query_id: str, account_id: str, region: str) -> LogQuery | None:
        """Return one query of an account in a Region; None when there is none, or it is seven days old."""
        query = self._queries.get(query_id)
        is_theirs = query is not None and (query.account_id, query.region) == (account_id, region)
        return query if query is not None and is_theirs and query.is_kept(self._clock.now()) else None

    def progress(self, query: LogQuery) -> float | None:
        """Return the part of a running query that is done (0 to 1, an estimate), None where nobody knows."""
        return self._progress.get(query.id)

    async def cancel(self, query: LogQuery) -> LogQuery:
        """Stop a query that has not ended; it is cancelled on return. One that has stays as it is."""
        task = self._tasks.get(query.id)
        if task is not None and not self._queries[query.id].status.is_final:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not self._queries[query.id].status.is_final:
            await self._end(query.id, LogQueryStatus.CANCELLED)
        return self._queries[query.id]

    async def rows(self, query: LogQuery, first: int, count: int) -> list[list[str | None]]:
        """Return up to ``count`` rows of the result from the ``first`` on, counted from 0."""
        found: list[list[str | None]] = []
        for place in range(first // PAGE_ROWS, len(query.pages)):
            if len(found) >= count:
                break
            start, length, _ = query.pages[place]
            page: list[list[str | None]] = orjson.loads(await self._log.read_page(query.id, start, length))
            found += page[max(0, first - place * PAGE_ROWS) :]
        return found[:count]

    async def run(self) -> None:
        """Forget queries that are seven days old, until cancelled."""
        while True:
            for query in [one for one in self._queries.values() if not one.is_kept(self._clock.now())]:
                await self._log.remove(query.id)
                del self._queries[query.id]
            await asyncio.sleep(UPKEEP_SECONDS)

    async def _keep(self, query: LogQuery) -> None:
        self._queries[query.id] = query
        await self._log.store(query)

    async def _run(self, query_id: str, question: LogQuestion, compiled: "CompiledQuery") -> None:
        began = self._clock.now()
        status, message = LogQueryStatus.COMPLETE, ""
        try:
            await self._run_engine(query_id, question, compiled)
        except asyncio.CancelledError:
            status = LogQueryStatus.CANCELLED
        except QueryTimedOut as error:
            status, message = LogQueryStatus.TIMEOUT, str(error)
        except QueryFailed as error:
            status, message = LogQueryStatus.FAILED, str(error)
        except Exception:  # the edge of a worker: whatever it was, the query has failed
            _log.exception("a query of log groups failed", query=query_id)
            status, message = LogQueryStatus.FAILED, "The query failed because of an unknown error. Try again."
        finally:
            self._progress.pop(query_id, None)
        taken = int((self._clock.now() - began).total_seconds() * 1000)
        self._queries[query_id] = replace(self._queries[query_id], run_time_ms=max(0, taken))
        await self._end(query_id, status, message)

    async def _end(self, query_id: str, status: LogQueryStatus, message: str = "") -> None:
        query = self._queries[query_id]
        await self._keep(replace(query, status=status, error_message=message, ended_at=self._clock.now()))

    async def _run_engine(self, query_id: str, question: LogQuestion, compiled: "CompiledQuery") -> None:
        async def keep_page(page: bytes, rows: int) -> None:
            query = self._queries[query_id]
            start = sum(query.pages[-1][:2]) if query.pages else 0
            if start + len(page) > MAX_RESULT_BYTES:
                raise QueryFailed(f"The result is larger than {MAX_RESULT_BYTES >> 20} MB")
            await self._log.append_page(query_id, start, page)
            self._queries[query_id] = replace(query, pages=(*query.pages, (start, len(page), rows)))

        def on_start() -> None:
            self._queries[query_id] = replace(self._queries[query_id], status=LogQueryStatus.RUNNING)

        def on_progress(part: float) -> None:
            self._progress[query_id] = part

        tables = [await self._table(question)]
        taken = await self._engine.run(compiled.sql, tables, keep_page, on_start, on_progress)
        self._queries[query_id] = replace(
            self._queries[query_id],
            bytes_scanned=taken.bytes_scanned,
            records_scanned=taken.rows_scanned,
            records_matched=taken.rows_matched,
        )

    async def _table(self, question: LogQuestion) -> EngineTable:
        from opentrail.logsql.compilation import COLUMNS, TABLE

        sources = tuple([await self._source(question, group) for group in question.groups])
        names, kinds = tuple(name for name, _ in COLUMNS), tuple(kind for _, kind in COLUMNS)
        return EngineTable(TABLE, names, kinds, (), None, sources)

    async def _source(self, question: LogQuestion, group: LogGroup) -> RowSource:
        names = {stream.stream_id: stream.name for stream in await self._groups.streams(group.group_id)}
        start = max(question.start * 1000, group.keeps_since(self._clock.now()))
        log_range = LogRange(group.group_id, start=start, end=(question.end + 1) * 1000)
        constants = (group.group_id, f"{group.account_id}:{group.name}")
        return await self._rows.rows(log_range, constants, names)


def _compile(question: LogQuestion, clock: Clock) -> "CompiledQuery":
    # With its parser only once there is a query.
    from opentrail.logsql.compilation import compile_query
    from opentrail.logsql.scope import Origin

    origin = Origin(question.account_id, question.region)
    return compile_query(question.text, origin, clock.now(), question.limit)
