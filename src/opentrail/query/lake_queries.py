"""Queries of the lake: started, run one behind the other, kept for seven days with the pages of their results."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import orjson
import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.lakesql.errors import UnknownStore
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.ports import PortError
from opentrail.ports.lake_table import Lake, LakeSnapshot, TableNotFound
from opentrail.ports.query_engine import PAGE_ROWS, EngineTable, QueryEngine, QueryFailed, QueryTimedOut
from opentrail.ports.query_log import QueryLog
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.lake_query import LakeQuery, QueryStatus

if TYPE_CHECKING:
    from opentrail.lakesql.translation import TableUse, Translation

CONCURRENT_QUERIES = 10
"""CloudTrail's quota of queued and running queries, for each account and Region."""

MAX_RESULT_BYTES = 1 << 30
"""How large a result may become."""

UPKEEP_SECONDS = 600.0

_log = structlog.get_logger(__name__)


class TooManyQueries(PortError):
    """The account has as many queries queued and running in the Region as it may have."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One query's translation, and the store behind each name that it uses."""

    translation: "Translation"
    stores: Mapping[str, EventDataStore]


class LakeQueries:
    """All queries of this installation. ``open`` first; ``close`` cancels what runs."""

    def __init__(self, log: QueryLog, engine: QueryEngine, lake: Lake, clock: Clock, identifiers: Identifiers) -> None:
        self._log = log
        self._engine = engine
        self._lake = lake
        self._clock = clock
        self._identifiers = identifiers
        self._queries: dict[str, LakeQuery] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Take up what was kept. A query that an earlier process left unfinished has failed."""
        for query in await self._log.queries():
            self._queries[query.id] = query
            if not query.status.is_final:
                message = "The query was interrupted by a restart of the service. Run it again."
                await self._keep(replace(query, status=QueryStatus.FAILED, error_message=message))

    async def close(self) -> None:
        """Stop every query; they count as cancelled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def start(
        self, account_id: str, region: str, statement: str, stores: Mapping[str, EventDataStore]
    ) -> LakeQuery:
        """Check a statement and queue it; its result comes by and by.

        ``stores`` has what the statement may read, by the names that it uses. Raises InvalidStatement, TooManyQueries
        and Unavailable.
        """
        now = self._clock.now()
        translation = await asyncio.to_thread(_translate, statement, stores, now)
        active = [query for query in self._of(account_id, region) if not query.status.is_final]
        if len(active) >= CONCURRENT_QUERIES:
            raise TooManyQueries
        query = LakeQuery(
            id=self._identifiers.uuid(),
            account_id=account_id,
            region=region,
            event_data_stores=tuple(dict.fromkeys(store.arn for store in stores.values())),
            statement=statement,
            created_at=now,
            columns=tuple((column.label, column.type_name) for column in translation.columns),
        )
        await self._keep(query)
        task = asyncio.create_task(self._run(query.id, _Plan(translation, stores)), name=f"query {query.id}")
        self._tasks[query.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(query.id, None))
        return query

    def find(self, query_id: str, account_id: str, region: str) -> LakeQuery | None:
        """Return one query of an account in a Region; None when there is none, or it is seven days old."""
        return next((query for query in self._of(account_id, region) if query.id == query_id), None)

    def of_store(self, arn: str, account_id: str, region: str) -> Sequence[LakeQuery]:
        """Return the queries on one event data store, newest first."""
        found = [query for query in self._of(account_id, region) if arn in query.event_data_stores]
        return sorted(found, key=lambda query: (query.created_at, query.id), reverse=True)

    async def cancel(self, query: LakeQuery) -> LakeQuery:
        """Stop a query that has not ended; it is cancelled on return."""
        task = self._tasks.get(query.id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        current = self._queries[query.id]
        if not current.status.is_final:
            await self._keep(replace(current, status=QueryStatus.CANCELLED))
        return self._queries[query.id]

    async def rows(self, query: LakeQuery, first: int, count: int) -> list[list[str | None]]:
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

    def _of(self, account_id: str, region: str) -> list[LakeQuery]:
        now = self._clock.now()
        return [
            query
            for query in self._queries.values()
            if (query.account_id, query.region) == (account_id, region) and query.is_kept(now)
        ]

    async def _keep(self, query: LakeQuery) -> None:
        self._queries[query.id] = query
        await self._log.store(query)

    async def _run(self, query_id: str, plan: _Plan) -> None:
        began = self._clock.now()
        status, message = QueryStatus.FINISHED, ""
        try:
            await self._run_engine(query_id, plan)
        except asyncio.CancelledError:
            status = QueryStatus.CANCELLED
        except QueryTimedOut as error:
            status, message = QueryStatus.TIMED_OUT, str(error)
        except QueryFailed as error:
            status, message = QueryStatus.FAILED, str(error)
        except TableNotFound:
            status, message = QueryStatus.FAILED, "An event data store of the query is gone."
        except Exception:  # the edge of a worker: whatever it was, the query has failed
            _log.exception("a query failed", query=query_id)
            status, message = QueryStatus.FAILED, "The query failed because of an unknown error. Try again."
        taken = int((self._clock.now() - began).total_seconds() * 1000)
        await self._keep(
            replace(self._queries[query_id], status=status, error_message=message, run_time_ms=max(0, taken))
        )

    async def _run_engine(self, query_id: str, plan: _Plan) -> None:
        snapshots = {store.arn: await self._lake.snapshot(store.arn) for store in plan.stores.values()}
        tables, scanned = _engine_tables(plan, snapshots)
        self._queries[query_id] = replace(self._queries[query_id], events_scanned=scanned)

        async def keep_page(page: bytes, rows: int) -> None:
            query = self._queries[query_id]
            start = sum(length for _, length, _ in query.pages)
            if start + len(page) > MAX_RESULT_BYTES:
                raise QueryFailed(f"The result is larger than {MAX_RESULT_BYTES >> 20} MB")
            await self._log.append_page(query_id, start, page)
            self._queries[query_id] = replace(query, pages=(*query.pages, (start, len(page), rows)))

        def on_start() -> None:
            self._queries[query_id] = replace(self._queries[query_id], status=QueryStatus.RUNNING)

        statistics = await self._engine.run(plan.translation.sql, tables, keep_page, on_start)
        self._queries[query_id] = replace(self._queries[query_id], bytes_scanned=statistics.bytes_scanned)


def references(statement: str) -> tuple[str, ...]:
    """Return what a statement names as tables; raises InvalidStatement."""
    from opentrail.lakesql import translation  # with its parser only once there is a query: 30 MB of memory

    return translation.references(statement)


def _translate(statement: str, stores: Mapping[str, EventDataStore], now: datetime) -> "Translation":
    from opentrail.lakesql.translation import translate

    def find(reference: str) -> TableSchema:
        if reference not in stores:
            raise UnknownStore(reference)
        return schema_of_kind(stores[reference].kind)

    return translate(statement, find, now)


def _engine_tables(plan: _Plan, snapshots: Mapping[str, LakeSnapshot]) -> tuple[list[EngineTable], int]:
    """Return what the engine reads, days out of the WHERE's reach left out, and how many events that is."""
    tables, scanned = [], 0
    for use in plan.translation.tables:
        store = plan.stores[use.reference]
        snapshot = snapshots[store.arn]
        files = [file for file in snapshot.files if _is_of_interest(file.day, use)]
        scanned += sum(file.rows for file in files) + snapshot.fresh_rows
        schema = schema_of_kind(store.kind)
        tables.append(
            EngineTable(
                use.view,
                tuple(name for name, _ in schema.columns),
                tuple(kind.duckdb for _, kind in schema.columns),
                tuple(file.location for file in files),
                snapshot.fresh,
            )
        )
    return tables, scanned


def _is_of_interest(day: date, use: "TableUse") -> bool:
    return use.bounds.since.date() <= day <= use.bounds.until.date()
