"""One process of a count over an event data store: ``python -m opentrail.adapters.query_engine.counting_worker``.

The engine reads the records that conditions on columns leave, and the rules are asked about each. It is locked first:
it reads its files and no others.
"""

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

import duckdb
import orjson

from opentrail.adapters.query_engine.frames import read_frame
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.ports.replay import CountingJob
from opentrail.query.replay.columns import event_count, necessary_condition, span_condition
from opentrail.query.replay.counting import Counter
from opentrail.query.replay.lake import VIEW
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.narrowing import Probe
from opentrail.query.replay.rules import InvalidReplay, read_replay_rule

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
    paths = ", ".join(map(quoted_text, request["files"]))
    connection.execute(f"SET allowed_paths = [{paths}]")
    _make_view(connection, request, fresh)
    for setting in _LOCKS:
        connection.execute(f"SET {setting}")
    return connection


def _make_view(connection: duckdb.DuckDBPyConnection, request: dict[str, Any], fresh: bytes) -> None:
    listed = ", ".join(map(quoted_name, request["columns"]))
    sources = []
    if request["files"]:
        paths = ", ".join(map(quoted_text, request["files"]))
        sources.append(f"SELECT {listed} FROM read_parquet([{paths}], hive_partitioning = false, union_by_name = true)")
    if fresh:
        connection.register("fresh", _arrow_table(fresh))
        sources.append(f"SELECT {listed} FROM fresh")
    if not sources:
        kinds = zip(request["columns"], request["column_types"], strict=True)
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted_name(name)}" for name, kind in kinds)
        sources.append(f"SELECT {empty} WHERE false")
    connection.execute(f"CREATE VIEW {VIEW} AS {' UNION ALL '.join(sources)}")


def _arrow_table(content: bytes) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def count_events(connection: duckdb.DuckDBPyConnection, job: CountingJob, answers: IO[bytes]) -> dict[str, Any]:
    """Count a job's events; returns what the process answers last."""
    rules = [read_replay_rule(rule.name, rule.language, rule.text) for rule in job.rules]
    metrics = [read_metric(rule.metric_value, rule.default_value) if rule.metric_value else None for rule in job.rules]
    needs_all = any(metric is not None and metric.default is not None for metric in metrics)
    columns = dict.fromkeys(_columns_of(connection))
    total = _one_number(connection, event_count(job.start, job.end))
    condition = None if needs_all else necessary_condition(rules, columns)
    counter = Counter(rules, metrics, job.start, job.end, job.max_examples)
    probe = Probe([] if needs_all else rules, is_escaped_alike=False)
    where = span_condition(job.start, job.end) + (f" AND {condition}" if condition else "")
    said_at = time.monotonic()
    for passed, record in enumerate(_records(connection, f"SELECT eventjson FROM {VIEW} WHERE {where}"), 1):
        if probe.may_match(record):
            counter.take(record)
        if passed % _ROWS_A_STEP == 0 and time.monotonic() - said_at >= _SAY_SECONDS:
            said_at = time.monotonic()
            _say(answers, {"passed": passed, "total": total})
    method = "columns" if condition else "texts" if probe.is_useful else "scan"
    return {"passed": total, "total": total, "events": total, "counted": counter.to_wire(), "method": method}


def _records(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[bytes]:
    result = connection.execute(sql)
    while rows := result.fetchmany(_ROWS_A_STEP):
        for (text,) in rows:
            yield text.encode()


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
