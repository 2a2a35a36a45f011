"""Logs Insights queries: started, run a few at a time, kept for seven days with the pages of their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentrail.clock import Clock, Identifiers
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogKeyUnusable, LogRange, LogRows
from opentrail.ports.query_engine import EngineTable, QueryEngine, QueryFailed, RowSource
from opentrail.ports.query_log import QueryLog
from opentrail.query.log_result_keys import LogResultKeys
from opentrail.query.running_queries import RunningQueries
from opentrail.resource.log_group import LogGroup
from opentrail.resource.log_query import LogQuery

if TYPE_CHECKING:
    from opentrail.logsql.compilation import CompiledQuery

CONCURRENT_QUERIES = 100
"""CloudWatch Logs' quota of queries that wait or run, for each account and Region. The engine runs fewer at a time."""

MAX_GROUPS = 50
"""Log groups of one query: CloudWatch Logs' own bound."""

DEFAULT_ROWS = 10_000

KEY_UNUSABLE = "The query's events are kept under a KMS key that cannot be used now."


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


class LogQueries(RunningQueries[LogQuery]):
    """All Logs Insights queries of this installation."""

    def __init__(
        self,
        log: QueryLog[LogQuery],
        engine: QueryEngine,
        groups: LogGroups,
        rows: LogRows,
        clock: Clock,
        identifiers: Identifiers,
        results: LogResultKeys,
    ) -> None:
        super().__init__(log, engine, clock)
        self._results = results
        self._groups = groups
        self._rows = rows
        self._identifiers = identifiers

    async def start(self, question: LogQuestion) -> LogQuery:
        """Compile a query and queue it; its result comes by and by.

        Raises MalformedQuery, TooManyQueries, Unavailable.
        """
        now = self._clock.now()
        compiled = _compile(question, self._clock)
        self._check_room(question.account_id, question.region, CONCURRENT_QUERIES)
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
        await self._begin(query, lambda: self._answer(query.id, question, compiled))
        return query

    async def _answer(self, query_id: str, question: LogQuestion, compiled: "CompiledQuery") -> None:
        try:
            table = await self._table(question)
            key = await self._results.begin(query_id, question.account_id, question.region, table.sources)
            self._change(query_id, result_key=key.blob, result_key_arn=key.arn)
            taken = await self._ask(query_id, compiled.sql, [table])
            self._change(query_id, records_scanned=taken.rows_scanned, records_matched=taken.rows_matched)
        except LogKeyUnusable as error:
            raise QueryFailed(KEY_UNUSABLE) from error
        finally:
            self._results.end(query_id)

    def _sealed_page(self, query_id: str, start: int, page: bytes) -> bytes:
        return self._results.sealed(query_id, start, page)

    async def result_key(self, query: LogQuery) -> bytes:
        """Return the data key of a query's result, empty where it has none. Raises LogKeyUnusable, Unavailable."""
        return await self._results.key(query.result_key, query.result_key_arn)

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
