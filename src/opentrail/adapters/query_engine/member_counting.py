"""Counting rules that a few members decide, by those members alone: no event is decoded but odd ones and examples.

the engine: span, necessary condition, members as JSON ──batches──> columns ──> masks of rows ──> tallies
then, of what is left: odd rows, decoded and asked; the seconds of the newest matches, for their records
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from opentrail.adapters.query_engine.batch_columns import (
    IS_ODD,
    NAME_SEPARATOR,
    SECONDS,
    SHAPE,
    BatchColumns,
    Shapes,
)
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.column_counting import ColumnCounter, members_to_count
from opentrail.query.replay.columns import span_condition
from opentrail.query.replay.counting import Counter, Tally, decoded_record
from opentrail.query.replay.lake import VIEW
from opentrail.query.replay.metrics import Metric
from opentrail.query.replay.rules import ReplayRule

ROWS_A_BATCH = 32_768
"""Rows whose members are here at once."""

MAX_RECORD_BYTES = 16_384
"""A longer record is an odd one, so that a batch has a bound."""

_ROWS_A_STEP = 2_000
_TIME = "eventTime"
_MEMBERS = "members"

_ROW_IS_ODD = f"({_MEMBERS}[1] IS DISTINCT FROM strftime(eventtime, '\"%Y-%m-%dT%H:%M:%SZ\"') OR {SHAPE} IS NULL)"
"""The record's own time, as JSON, is not the table's as AWS writes times; or the record is long, or no JSON."""

Passed = Callable[[int], None]
"""Is told how many more rows were passed."""


class MemberCounting:
    """Counts rules at ``places``, for all of which ``is_countable`` holds, into ``tallies``; once.

    ``condition`` holds for every row that one of them picks, or publishes something of; None reads all of the span.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        job: CountingJob,
        rules: Sequence[ReplayRule],
        metrics: Sequence[Metric | None],
        places: Sequence[int],
        tallies: Sequence[Tally],
        condition: str | None,
    ) -> None:
        self._connection = connection
        self._span = (job.start, job.end)
        self._asked = [_Asked(rules[place], metrics[place], tallies[place]) for place in places]
        self._members = members_to_count([(asked.rule, asked.metric) for asked in self._asked])
        self._where = span_condition(job.start, job.end) + (f" AND {condition}" if condition else "")
        self._odd = Counter(
            rules, metrics, job.start, job.end, job.max_examples, places=frozenset(places), tallies=tallies
        )
        self._shapes = Shapes()
        self._has_odd = False

    def run(self, on_passed: Passed) -> int:
        """Count; returns how many events could not be read. Raises duckdb.Error."""
        for batch in self._batches():
            self._take(BatchColumns(batch, self._shapes))
            on_passed(batch.num_rows)
        if self._has_odd:
            for _, raw in self._records("true", is_odd=True):
                self._odd.take(raw)
        self._add_examples()
        return self._odd.unreadable

    def _take(self, columns: BatchColumns) -> None:
        self._has_odd = self._has_odd or bool(columns.odd)
        counting = _BatchCounter(columns, self._odd.grain, self._span)
        for asked in self._asked:
            counting.newest = asked.newest
            is_taken = counting.take(counting.rows_of(asked.rule), asked.metric, asked.tally)
            assert is_taken, asked.rule.name

    def _batches(self) -> Iterator[pa.RecordBatch]:
        numbered = enumerate(self._members, 2)
        listed = ", ".join(f"CAST({_MEMBERS}[{place}] AS VARCHAR) AS {quoted_name(name)}" for place, name in numbered)
        sql = f"SELECT {SECONDS}, {SHAPE}, {_ROW_IS_ODD} AS {IS_ODD}, {listed} FROM ({self._rows()})"
        reader = self._connection.sql(sql).to_arrow_reader(ROWS_A_BATCH)
        return (batch for batch in reader if batch.num_rows)

    def _rows(self) -> str:
        """Return the statement for the rows of the span, each with its members as JSON, the time first."""
        paths = ", ".join(quoted_text(f"$.{name}") for name in (_TIME, *self._members))
        names = f"array_to_string(json_keys(eventjson), chr({ord(NAME_SEPARATOR)}))"
        is_short = f"strlen(eventjson) <= {MAX_RECORD_BYTES}"
        return (
            f"SELECT epoch_us(eventtime) // 1000000 AS {SECONDS}, eventtime, eventjson, "
            f"CASE WHEN {is_short} THEN TRY(json_extract(eventjson, [{paths}])) END AS {_MEMBERS}, "
            f"CASE WHEN {is_short} THEN TRY({names}) END AS {SHAPE} FROM {VIEW} WHERE {self._where}"
        )

    def _records(self, condition: str, *, is_odd: bool) -> Iterator[tuple[int, bytes]]:
        """Yield the seconds and records of the rows that a condition leaves, either the odd ones or the others."""
        rows = (
            f"SELECT {SECONDS}, {SHAPE}, {_ROW_IS_ODD} AS {IS_ODD}, eventjson FROM ({self._rows()}) WHERE {condition}"
        )
        result = self._connection.execute(rows)
        while some := result.fetchmany(_ROWS_A_STEP):
            for seconds, shape, row_is_odd, text in some:
                if (row_is_odd or self._shapes.is_odd(shape)) == is_odd:
                    yield seconds, text.encode()

    def _add_examples(self) -> None:
        wanted = {second for asked in self._asked for second in asked.newest}
        if not wanted:
            return
        times = ", ".join(
            f"TIMESTAMPTZ '{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}+00'" for second in wanted
        )
        for second, raw in self._records(f"eventtime IN ({times})", is_odd=False):
            record = decoded_record(raw) or {}
            for asked in self._asked:
                if second in asked.newest and asked.tally.wants_example(second) and asked.rule.matches(record, raw):
                    asked.tally.add_example(second, raw)


class _Asked:
    """A rule that is counted; ``newest`` has the seconds of its newest matches, as many as there are examples."""

    def __init__(self, rule: ReplayRule, metric: Metric | None, tally: Tally) -> None:
        self.rule = rule
        self.metric = metric
        self.tally = tally
        self.newest: list[int] = []


class _BatchCounter(ColumnCounter):
    """Counts one batch; notes of examples only when they were, in ``newest``, a heap."""

    def __init__(self, columns: BatchColumns, grain: int, span: tuple[int, int]) -> None:
        super().__init__(columns, _no_row, grain, span, None)
        self.newest: list[int] = []

    def _add_examples(self, flags: bytes, times: list[int], tally: Tally) -> None:
        if not tally.max_examples:
            return
        for second in heapq.nlargest(tally.max_examples, times):
            if len(self.newest) < tally.max_examples:
                heapq.heappush(self.newest, second)
            elif second > self.newest[0]:
                heapq.heapreplace(self.newest, second)


def _no_row(row: int) -> bytes:
    raise AssertionError(row)
