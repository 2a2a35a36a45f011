"""Queries of the lake: started, run one behind the other, kept for seven days with the pages of their results."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.envelope import data_key_id
from opentrail.lakesql.errors import Place, UnknownStore
from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.ports import Unavailable
from opentrail.ports.history_table import HistoryTable
from opentrail.ports.lake_keys import StoreKeyRefused
from opentrail.ports.lake_table import Lake, LakeFile, LakeSnapshot, TableNotFound
from opentrail.ports.query_engine import EngineTable, Needle, QueryEngine, QueryFailed, QueryTimedOut
from opentrail.ports.query_log import QueryLog
from opentrail.query.result_delivery import ResultDelivery
from opentrail.query.running_queries import RunningQueries
from opentrail.query.sealed_pages import seal_page
from opentrail.query.store_result_keys import StoreResultKeys
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind
from opentrail.resource.lake_query import DeliveryStatus, LakeQuery
from opentrail.resource.query import QueryStatus

if TYPE_CHECKING:
    from opentrail.lakesql.translation import TableUse, Translation

CONCURRENT_QUERIES = 10
"""CloudTrail's quota of queued and running queries, for each account and Region."""

_log = structlog.get_logger(__name__)


KEY_UNUSABLE = "An event data store of the query is encrypted with a KMS key that cannot be used now."

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


class LakeQueries(RunningQueries[LakeQuery]):
    """All queries of the lake of this installation. A result whose delivery was asked for is delivered."""

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
        results: StoreResultKeys | None = None,
    ) -> None:
        super().__init__(log, engine, clock)
        self._results = results
        self._result_keys: dict[str, bytes] = {}
        self._lake = lake
        self._identifiers = identifiers
        self._history = history
        self._delivery = delivery

    async def open(self) -> None:
        """Take up what was kept. A query that an earlier process left unfinished has failed; a result that was still to
        be delivered is."""
        await super().open()
        for query in self._queries.values():
            if query.delivery_status == DeliveryStatus.PENDING and self._delivery is not None:
                self._start_task(query.id, self._deliver(query.id))

    async def close(self) -> None:
        """Stop every query, and the engine."""
        await super().close()
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
        goes, once the statement is known to be good. Raises InvalidStatement, TooManyQueries, StoreKeyRefused,
        Unavailable, and what ``check_place`` raises.
        """
        now = self._clock.now()
        translation = await asyncio.to_thread(_translate, statement, sources, now)
        if check_place is not None:
            await check_place()
        self._check_room(account_id, region, CONCURRENT_QUERIES)
        query_id = self._identifiers.uuid()
        await self._result_key(query_id, _encrypted(sources.values()))
        query = LakeQuery(
            id=query_id,
            account_id=account_id,
            region=region,
            event_data_stores=tuple(dict.fromkeys(source.arn for source in sources.values())),
            statement=statement,
            created_at=now,
            columns=tuple((column.label, column.type_name) for column in translation.columns),
            delivery_s3_uri=delivery_s3_uri,
            delivery_status=DeliveryStatus.PENDING if delivery_s3_uri else "",
        )
        await self._begin(query, lambda: self._answer(query.id, _Plan(translation, sources)))
        return query

    def of_store(self, arn: str, account_id: str, region: str) -> Sequence[LakeQuery]:
        """Return the queries on one event data store, newest first."""
        return [query for query in self.of(account_id, region) if arn in query.event_data_stores]

    async def _keep_up(self) -> None:
        """Forget what Event history has no more."""
        if self._history is not None:
            with contextlib.suppress(Unavailable):  # another time
                await self._history.forget()

    async def _run(self, query_id: str, work: Callable[[], Awaitable[None]]) -> None:
        await super()._run(query_id, work)
        if self._queries[query_id].delivery_status == DeliveryStatus.PENDING:
            await self._deliver(query_id)

    async def _end(self, query_id: str, status: QueryStatus, message: str = "") -> None:
        """Keep how a query ended; only what is finished is delivered."""
        if self._queries[query_id].delivery_s3_uri and status is not QueryStatus.FINISHED:
            is_cancelled = status is QueryStatus.CANCELLED
            self._change(query_id, delivery_status=DeliveryStatus.CANCELLED if is_cancelled else DeliveryStatus.FAILED)
        await super()._end(query_id, status, message)

    async def _deliver(self, query_id: str) -> None:
        query, status = self._queries[query_id], DeliveryStatus.FAILED
        try:
            if self._delivery is not None:
                status = await self._delivery.deliver(query, _OpenedPages(self, self._log, query))
        except Exception:  # the edge of a worker: whatever it was, the result is not delivered
            _log.exception("a result could not be delivered", query=query_id)
        await self._keep(replace(self._queries[query_id], delivery_status=status))

    async def _answer(self, query_id: str, plan: _Plan) -> None:
        try:
            async with AsyncExitStack() as stack:
                tables, rows, encrypted = await self._tables(plan, stack)
                self._change(query_id, events_scanned=sum(rows), encrypted_stores=encrypted)
                self._result_keys[query_id] = await self._result_key(query_id, encrypted)
                taken = await self._ask(query_id, plan.translation.sql, tables)
            unread = sorted(rows, reverse=True)[: taken.tables_unread]  # of several the engine does not say which
            self._change(query_id, events_matched=taken.rows_matched + sum(unread))
        except StoreKeyRefused as error:
            _log.warning("query_refused", query=query_id, error=str(error))
            raise QueryFailed(KEY_UNUSABLE) from error
        except QueryFailed as error:
            if not self._queries[query_id].encrypted_stores or isinstance(error, QueryTimedOut):
                raise
            raise QueryFailed(_without_values(str(error))) from None
        finally:
            self._result_keys.pop(query_id, None)

    async def _result_key(self, query_id: str, encrypted: Sequence[str]) -> bytes:
        if encrypted and self._results is None:
            raise StoreKeyRefused("event data stores of the query are encrypted, and no key ring is here")
        return await self._results.key(query_id, encrypted) if self._results is not None else b""

    async def result_key(self, query: LakeQuery) -> bytes:
        """Return the key of a query's result, none where it is kept as it is. Raises StoreKeyRefused, Unavailable."""
        return self._result_keys.get(query.id) or await self._result_key(query.id, query.encrypted_stores)

    def _sealed_page(self, query_id: str, start: int, page: bytes) -> bytes:
        key = self._result_keys.get(query_id)
        return seal_page(key, data_key_id(query_id.encode()), query_id, start, page) if key else page

    async def _tables(self, plan: _Plan, stack: AsyncExitStack) -> tuple[list[EngineTable], list[int], tuple[str, ...]]:
        """Return what the engine reads, days out of the WHERE's reach left out, how many events each table has, and
        which stores (ARNs) are encrypted."""
        snapshots: dict[str, LakeSnapshot] = {}
        for source in plan.sources.values():
            if isinstance(source, EventDataStore) and source.arn not in snapshots:
                snapshots[source.arn] = await self._lake.snapshot(source.arn)
        tables, rows = [], []
        for use in plan.translation.tables:
            source = plan.sources[use.reference]
            fresh, fresh_rows, is_encrypted = None, 0, False
            if isinstance(source, HistorySource):
                files = await self._history_files(source, use, stack)
            else:
                snapshot = snapshots[source.arn]
                files = tuple(file for file in snapshot.files if _is_of_interest(file.day, use))
                fresh, fresh_rows, is_encrypted = snapshot.fresh, snapshot.fresh_rows, snapshot.is_encrypted
            rows.append(sum(file.rows for file in files) + fresh_rows)
            columns = schema_of_kind(source.kind).columns
            names, types = tuple(name for name, _ in columns), tuple(kind.duckdb for _, kind in columns)
            needles = tuple(Needle(*sought) for sought in use.sought)
            locations = tuple(file.location for file in files)
            keys = {file.location: file.key for file in files if file.key}
            table = EngineTable(use.view, names, types, locations, fresh, (), needles, keys, is_encrypted)
            tables.append(table)
        encrypted = sorted(arn for arn, snapshot in snapshots.items() if snapshot.is_encrypted)
        return tables, rows, tuple(encrypted)

    async def _history_files(
        self, source: HistorySource, use: "TableUse", stack: AsyncExitStack
    ) -> tuple[LakeFile, ...]:
        if self._history is None:
            raise TableNotFound(EVENT_HISTORY)
        bounds = use.bounds
        return await stack.enter_async_context(self._history.files(source.account_id, bounds.since, bounds.until))


class _OpenedPages:
    """A finished query's pages as they were before they were sealed, for its delivery."""

    def __init__(self, queries: LakeQueries, log: QueryLog[LakeQuery], query: LakeQuery) -> None:
        self._queries = queries
        self._log = log
        self._query = query

    async def read_page(self, query_id: str, start: int, length: int) -> bytes:
        return await self._queries.open_page(self._query, start, await self._log.read_page(query_id, start, length))


def _encrypted(sources: Iterable[Source]) -> list[str]:
    """Return the stores (ARNs) that have KMS keys."""
    return sorted({one.arn for one in sources if isinstance(one, EventDataStore) and one.kms_key_id})


def _without_values(message: str) -> str:
    """Return an engine's message up to where it could tell a value of an event: messages are kept in the clear."""
    told, *rest = re.split(r"['\"({:]|(?<!\w)[-\d]", message, maxsplit=1)
    return f"{told.strip()} ..." if rest else told


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
