"""Queries of the lake: started, run one behind the other, kept for seven days with the pages of their results."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.lakesql.errors import Place, UnknownStore
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.ports import PortError, Unavailable
from opentrail.ports.history_table import HistoryTable
from opentrail.ports.lake_table import Lake, LakeFile, LakeSnapshot, TableNotFound
from opentrail.ports.query_engine import PAGE_ROWS, EngineTable, QueryEngine, QueryFailed, QueryTimedOut
from opentrail.ports.query_log import QueryLog
from opentrail.query.result_delivery import ResultDelivery
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind
from opentrail.resource.lake_query import DeliveryStatus, LakeQuery, QueryStatus

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


EVENT_HISTORY = "event_history"
"""What the operator's queries call Event history; a query on it has this among its ``event_data_stores``."""


@dataclass(frozen=True, slots=True)
class HistorySource:
    """Event history of one account, all Regions, in the place of an event data store."""

    account_id: str

    arn = EVENT_HISTORY
    kind = EventDataStoreKind.CLOUDTRAIL


Source = EventDataStore | HistorySource


@dataclass(frozen=True, slots=True)
class _Plan:
    """One query's translation, and what is behind each name that it uses."""

    translation: "Translation"
    sources: Mapping[str, Source]


class LakeQueries:
    """All queries of this installation. ``open`` first; ``close`` cancels what runs."""

    def __init__(
        self,
        log: QueryLog[LakeQuery],
        engine: QueryEngine,
        lake: Lake,
        clock: Clock,
        identifiers: Identifiers,
        *,
        history: HistoryTable | None = None,
        delivery: ResultDelivery | None = None,
    ) -> None:
        self._log = log
        self._engine = engine
        self._lake = lake
        self._clock = clock
        self._identifiers = identifiers
        self._queries: dict[str, LakeQuery] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._history = history
        self._delivery = delivery
        self._progress: dict[str, float] = {}

    async def open(self) -> None:
        """Take up what was kept. A query that an earlier process left unfinished has failed; a result that was still to
        be delivered is."""
        for query in await self._log.queries():
            self._queries[query.id] = query
            if not query.status.is_final:
                message = "The query was interrupted by a restart of the service. Run it again."
                await self._end(query.id, QueryStatus.FAILED, message)
            elif query.delivery_status == DeliveryStatus.PENDING and self._delivery is not None:
                self._start_task(query.id, self._deliver(query.id))

    async def close(self) -> None:
        """Stop every query; they count as cancelled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._engine.close()

    async def start(
        self,
        account_id: str,
        region: str,
        statement: str,
        sources: Mapping[str, Source],
        *,
        delivery_s3_uri: str = "",
        check_place: Callable[[], Awaitable[None]] | None = None,
    ) -> LakeQuery:
        """Check a statement and queue it; its result comes by and by, and goes to ``delivery_s3_uri`` if that is given.

        ``sources`` has what the statement may read, by the names that it uses. ``check_place`` judges where the result
        goes, once the statement is known to be good. Raises InvalidStatement, TooManyQueries, Unavailable, and what
        ``check_place`` raises.
        """
        now = self._clock.now()
        translation = await asyncio.to_thread(_translate, statement, sources, now)
        if check_place is not None:
            await check_place()
        active = [query for query in self._of(account_id, region) if not query.status.is_final]
        if len(active) >= CONCURRENT_QUERIES:
            raise TooManyQueries
        query = LakeQuery(
            id=self._identifiers.uuid(),
            account_id=account_id,
            region=region,
            event_data_stores=tuple(dict.fromkeys(source.arn for source in sources.values())),
            statement=statement,
            created_at=now,
            columns=tuple((column.label, column.type_name) for column in translation.columns),
            delivery_s3_uri=delivery_s3_uri,
            delivery_status=DeliveryStatus.PENDING if delivery_s3_uri else "",
        )
        await self._keep(query)
        self._start_task(query.id, self._run(query.id, _Plan(translation, sources)))
        return query

    def _start_task(self, query_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"query {query_id}")
        self._tasks[query_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(query_id, None))

    def find(self, query_id: str, account_id: str, region: str) -> LakeQuery | None:
        """Return one query of an account in a Region; None when there is none, or it is seven days old."""
        return next((query for query in self._of(account_id, region) if query.id == query_id), None)

    def progress(self, query: LakeQuery) -> float | None:
        """Return the part of a running query that is done (0 to 1, an estimate), None where nobody knows."""
        return self._progress.get(query.id)

    def of_store(self, arn: str, account_id: str, region: str) -> Sequence[LakeQuery]:
        """Return the queries on one event data store, newest first."""
        found = [query for query in self._of(account_id, region) if arn in query.event_data_stores]
        return sorted(found, key=lambda query: (query.created_at, query.id), reverse=True)

    async def cancel(self, query: LakeQuery) -> LakeQuery:
        """Stop a query that has not ended; it is cancelled on return. One that has stays as it is, its delivery too."""
        task = self._tasks.get(query.id)
        if task is not None and not self._queries[query.id].status.is_final:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if not self._queries[query.id].status.is_final:
            await self._end(query.id, QueryStatus.CANCELLED)
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
        """Forget queries that are seven days old, and what Event history has no more, until cancelled."""
        while True:
            for query in [one for one in self._queries.values() if not one.is_kept(self._clock.now())]:
                await self._log.remove(query.id)
                del self._queries[query.id]
            if self._history is not None:
                with contextlib.suppress(Unavailable):  # another time
                    await self._history.forget()
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
        except Unavailable as error:
            _log.warning("query_interrupted", query=query_id, error=str(error))
            status, message = QueryStatus.FAILED, "The query's data cannot be read now: its storage does not answer."
        except Exception:  # the edge of a worker: whatever it was, the query has failed
            _log.exception("a query failed", query=query_id)
            status, message = QueryStatus.FAILED, "The query failed because of an unknown error. Try again."
        finally:
            self._progress.pop(query_id, None)
        taken = int((self._clock.now() - began).total_seconds() * 1000)
        self._queries[query_id] = replace(self._queries[query_id], run_time_ms=max(0, taken))
        await self._end(query_id, status, message)
        if self._queries[query_id].delivery_status == DeliveryStatus.PENDING:
            await self._deliver(query_id)

    async def _end(self, query_id: str, status: QueryStatus, message: str = "") -> None:
        """Keep how a query ended; only what is finished is delivered."""
        query = replace(self._queries[query_id], status=status, error_message=message, ended_at=self._clock.now())
        if query.delivery_s3_uri and status is not QueryStatus.FINISHED:
            is_cancelled = status is QueryStatus.CANCELLED
            query = replace(query, delivery_status=DeliveryStatus.CANCELLED if is_cancelled else DeliveryStatus.FAILED)
        await self._keep(query)

    async def _deliver(self, query_id: str) -> None:
        query, status = self._queries[query_id], DeliveryStatus.FAILED
        try:
            if self._delivery is not None:
                status = await self._delivery.deliver(query, self._log)
        except Exception:  # the edge of a worker: whatever it was, the result is not delivered
            _log.exception("a result could not be delivered", query=query_id)
        await self._keep(replace(self._queries[query_id], delivery_status=status))

    async def _run_engine(self, query_id: str, plan: _Plan) -> None:
        async with AsyncExitStack() as stack:
            tables, scanned = await self._tables(plan, stack)
            self._queries[query_id] = replace(self._queries[query_id], events_scanned=scanned)

            async def keep_page(page: bytes, rows: int) -> None:
                query = self._queries[query_id]
                start = sum(length for _, length, _ in query.pages[-1:]) + (query.pages[-1][0] if query.pages else 0)
                if start + len(page) > MAX_RESULT_BYTES:
                    raise QueryFailed(f"The result is larger than {MAX_RESULT_BYTES >> 20} MB")
                await self._log.append_page(query_id, start, page)
                self._queries[query_id] = replace(query, pages=(*query.pages, (start, len(page), rows)))

            def on_start() -> None:
                self._queries[query_id] = replace(self._queries[query_id], status=QueryStatus.RUNNING)

            def on_progress(part: float) -> None:
                self._progress[query_id] = part

            taken = await self._engine.run(plan.translation.sql, tables, keep_page, on_start, on_progress)
        self._queries[query_id] = replace(
            self._queries[query_id],
            bytes_scanned=taken.bytes_scanned,
            events_matched=taken.rows_matched,
        )

    async def _tables(self, plan: _Plan, stack: AsyncExitStack) -> tuple[list[EngineTable], int]:
        """Return what the engine reads, days out of the WHERE's reach left out, and how many events that is."""
        snapshots: dict[str, LakeSnapshot] = {}
        for source in plan.sources.values():
            if isinstance(source, EventDataStore) and source.arn not in snapshots:
                snapshots[source.arn] = await self._lake.snapshot(source.arn)
        tables, scanned = [], 0
        for use in plan.translation.tables:
            source = plan.sources[use.reference]
            fresh, fresh_rows = None, 0
            if isinstance(source, HistorySource):
                files = await self._history_files(source, use, stack)
            else:
                snapshot = snapshots[source.arn]
                files = tuple(file for file in snapshot.files if _is_of_interest(file.day, use))
                fresh, fresh_rows = snapshot.fresh, snapshot.fresh_rows
            scanned += sum(file.rows for file in files) + fresh_rows
            columns = schema_of_kind(source.kind).columns
            names, types = tuple(name for name, _ in columns), tuple(kind.duckdb for _, kind in columns)
            tables.append(EngineTable(use.view, names, types, tuple(file.location for file in files), fresh))
        return tables, scanned

    async def _history_files(
        self, source: HistorySource, use: "TableUse", stack: AsyncExitStack
    ) -> tuple[LakeFile, ...]:
        if self._history is None:
            raise TableNotFound(EVENT_HISTORY)
        bounds = use.bounds
        return await stack.enter_async_context(self._history.files(source.account_id, bounds.since, bounds.until))


def references(statement: str) -> tuple[str, ...]:
    """Return what a statement names as tables; raises InvalidStatement."""
    from opentrail.lakesql import translation  # with its parser only once there is a query: 30 MB of memory

    return translation.references(statement)


def reference_places(statement: str) -> dict[str, Place | None]:
    """Return what a statement names as tables and where; raises InvalidStatement."""
    from opentrail.lakesql import translation

    return translation.reference_places(statement)


def _translate(statement: str, sources: Mapping[str, Source], now: datetime) -> "Translation":
    from opentrail.lakesql.translation import translate

    def find(reference: str) -> TableSchema:
        if reference not in sources:
            raise UnknownStore(reference)
        return schema_of_kind(sources[reference].kind)

    return translate(statement, find, now)


def _is_of_interest(day: date, use: "TableUse") -> bool:
    return use.bounds.since.date() <= day <= use.bounds.until.date()
