"""One process of a count over an event data store: ``python -m opentrail.adapters.query_engine.counting_worker``.

The engine reads the records that conditions on columns leave, and the rules are asked about each. It is locked first:
it reads its files and no others.
"""

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

import duckdb
import orjson

from opentrail.adapters.query_engine.frames import read_frame
from opentrail.adapters.query_engine.member_counting import MemberCounting
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.column_counting import is_countable
from opentrail.query.replay.columns import event_count, necessary_condition, span_condition, text_condition
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.lake import VIEW
from opentrail.query.replay.metrics import Metric, read_metric
from opentrail.query.replay.narrowing import Probe
from opentrail.query.replay.rules import InvalidReplay, ReplayRule, read_replay_rule

_NICENESS = 5
"""Recording goes before asking."""

_SAY_SECONDS = 0.1
_ROWS_A_STEP = 2_000

_LOCKS = (
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)


def main() -> None:
    """Do the one job that standard input holds."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        request = orjson.loads(read_frame(requests)[1])
        connection = open_engine(request, read_frame(requests)[1])
        _say(answers, count_events(connection, CountingJob.from_wire(request["job"]), answers))
    except (EOFError, BrokenPipeError):
        return
    except InvalidReplay as error:
        _say(answers, {"error": str(error)})
    except (duckdb.OutOfMemoryException, MemoryError):
        _say(answers, {"error": "the replay needs more memory than one may use"})
    except duckdb.Error:
        _say(answers, {"error": "the files of the event data store cannot be read; the server's log may say more"})


def open_engine(request: dict[str, Any], fresh: bytes) -> duckdb.DuckDBPyConnection:
    """Return the locked engine with one table, VIEW, of a job's files and rows (Arrow's stream format, or nothing)."""
    connection = duckdb.connect(":memory:")
    for name, value in request["settings"].items():
        connection.execute(f"SET {name} = {quoted_text(value) if isinstance(value, str) else value}")
    paths = ", ".join(map(quoted_text, _plain_files(request)))
    connection.execute(f"SET allowed_paths = [{paths}]")
    _make_view(connection, request, fresh)
    for setting in _LOCKS:
        connection.execute(f"SET {setting}")
    return connection


def _make_view(connection: duckdb.DuckDBPyConnection, request: dict[str, Any], fresh: bytes) -> None:
    listed = ", ".join(map(quoted_name, request["columns"]))
    sources = []
    if plain := _plain_files(request):
        paths = ", ".join(map(quoted_text, plain))
        sources.append(f"SELECT {listed} FROM read_parquet([{paths}], hive_partitioning = false, union_by_name = true)")
    if request.get("file_keys"):
        from opentrail.adapters.query_engine.encrypted_files import encrypted_files

        connection.register("encrypted", encrypted_files(request, request["settings"]["threads"]))
        sources.append(f"SELECT {listed} FROM encrypted")
    if fresh:
        connection.register("fresh", _arrow_table(fresh))
        sources.append(f"SELECT {listed} FROM fresh")
    if not sources:
        kinds = zip(request["columns"], request["column_types"], strict=True)
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted_name(name)}" for name, kind in kinds)
        sources.append(f"SELECT {empty} WHERE false")
    connection.execute(f"CREATE VIEW {VIEW} AS {' UNION ALL '.join(sources)}")


def _plain_files(request: dict[str, Any]) -> list[str]:
    return [file for file in request["files"] if file not in request.get("file_keys", ())]


def _arrow_table(content: bytes) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def count_events(connection: duckdb.DuckDBPyConnection, job: CountingJob, answers: IO[bytes]) -> dict[str, Any]:
    """Count a job's events; returns what the process answers last."""
    rules = [read_replay_rule(rule.name, rule.language, rule.text) for rule in job.rules]
    metrics = [read_metric(rule.metric_value, rule.default_value) if rule.metric_value else None for rule in job.rules]
    total = _one_number(connection, event_count(job.start, job.end))
    counting = _Counting(connection, job, rules, metrics, _Said(answers, total))
    by_members = [place for place, rule in enumerate(rules) if is_countable(rule, metrics[place])]
    by_asking = [place for place in range(len(rules)) if place not in by_members]
    methods = [
        counting.by_members(by_members) if by_members else "",
        counting.by_asking(by_asking) if by_asking else "",
    ]
    return {
        "passed": total,
        "total": total,
        "events": total,
        "counted": counting.counter.to_wire(),
        "method": max(methods, key=_METHODS.index),
    }


_METHODS = ("", "columns", "texts", "scan")
"""From what takes least to what takes most: the last one that was needed is told."""


class _Said:
    """Tells how far a count is, from time to time."""

    def __init__(self, answers: IO[bytes], total: int) -> None:
        self._answers = answers
        self._total = total
        self._passed = 0
        self._said_at = time.monotonic()

    def pass_rows(self, rows: int) -> None:
        """Take note of rows that were passed."""
        self._passed += rows
        if time.monotonic() - self._said_at >= _SAY_SECONDS:
            self._said_at = time.monotonic()
            _say(self._answers, {"passed": min(self._passed, self._total), "total": self._total})


class _Counting:
    """Counts some of a job's rules after others, into one counter."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        job: CountingJob,
        rules: Sequence[ReplayRule],
        metrics: Sequence[Metric | None],
        said: _Said,
    ) -> None:
        self._connection = connection
        self._job = job
        self._rules = rules
        self._metrics = metrics
        self._said = said
        self._columns = dict.fromkeys(_columns_of(connection))
        self.counter = Counter(rules, metrics, job.start, job.end, job.max_examples)

    def by_members(self, places: Sequence[int]) -> str:
        """Count rules that columns decide; returns the method's name."""
        condition = self._condition(places)
        counting = MemberCounting(
            self._connection, self._job, self._rules, self._metrics, places, self.counter.tallies, condition
        )
        self.counter.unreadable += counting.run(self._said.pass_rows)
        return "columns"

    def by_asking(self, places: Sequence[int]) -> str:
        """Decode what conditions leave and ask the rules; returns the method's name."""
        condition, job = self._condition(places), self._job
        asked = Counter(
            self._rules,
            self._metrics,
            job.start,
            job.end,
            job.max_examples,
            places=frozenset(places),
            tallies=self.counter.tallies,
        )
        probe = Probe(
            [] if self._needs_all(places) else [self._rules[place] for place in places], is_escaped_alike=False
        )
        where = [span_condition(job.start, job.end), *filter(None, (condition, text_condition(probe)))]
        for rows in _records(self._connection, f"SELECT eventjson FROM {VIEW} WHERE {' AND '.join(where)}"):
            for record in rows:
                if probe.may_match(record):
                    asked.take(record)
            self._said.pass_rows(len(rows))
        self.counter.unreadable += asked.unreadable
        return "columns" if condition else "texts" if probe.is_useful else "scan"

    def _condition(self, places: Sequence[int]) -> str | None:
        if self._needs_all(places):
            return None
        return necessary_condition([self._rules[place] for place in places], self._columns)

    def _needs_all(self, places: Sequence[int]) -> bool:
        """Say whether events that a rule does not pick count, too: a default value is published for them."""
        metrics = [self._metrics[place] for place in places]
        return any(metric is not None and metric.default is not None for metric in metrics)


def _records(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[list[bytes]]:
    result = connection.execute(sql)
    while rows := result.fetchmany(_ROWS_A_STEP):
        yield [text.encode() for (text,) in rows]


def _columns_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {VIEW}").fetchall()]


def _one_number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


def _say(answers: IO[bytes], said: dict[str, Any]) -> None:
    answers.write(orjson.dumps(said) + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
