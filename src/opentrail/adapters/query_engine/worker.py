"""The process that runs one query and ends: ``python -m opentrail.adapters.query_engine.worker``.

A query comes in on standard input, pages of its result go out on standard output. Before the statement is seen the
engine is locked: of files it can read those of the query's tables and no others; it writes only to its spill folder.
"""

import contextlib
import os
import re
import resource
import sys
from typing import Any

import duckdb
import orjson

from opentrail.adapters.query_engine.frames import Kind, read_frame, write_frame
from opentrail.lakesql.macros import preparation
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.ports.query_engine import PAGE_ROWS

_NICENESS = 5
"""Recording goes before asking."""

_MESSAGE_CHARACTERS = 900


def main() -> None:
    """Run the one query that standard input holds."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        query = orjson.loads(read_frame(requests)[1])
        fresh = {name: read_frame(requests)[1] for name in query["fresh"]}
        connection = _open_engine(query, fresh)
        rows = _run(connection, query["sql"], answers)
        write_frame(answers, Kind.DONE, orjson.dumps({"rows": rows, "bytes_scanned": _bytes_read(connection)}))
    except duckdb.Error as error:
        write_frame(answers, Kind.FAILED, _message(error).encode())
    except MemoryError:
        write_frame(answers, Kind.FAILED, b"Query exceeded the memory that one query may use")
    except (EOFError, BrokenPipeError):
        return


def _open_engine(query: dict[str, Any], fresh: dict[str, bytes]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    for name, value in query["settings"].items():
        connection.execute(f"SET {name} = {quoted_text(value) if isinstance(value, str) else value}")
    paths = ", ".join(quoted_text(path) for table in query["tables"] for path in table["files"])
    connection.execute(f"SET allowed_paths = [{paths}]")
    for statement in preparation():
        connection.execute(statement)
    for table in query["tables"]:
        _make_view(connection, table, fresh.get(table["name"]))
    for setting in _LOCKS:
        connection.execute(f"SET {setting}")
    return connection


_LOCKS = (
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "python_enable_replacements = false",
    "enable_profiling = 'no_output'",
    "lock_configuration = true",
)
"""What is switched off before the statement runs; the last one keeps all of it so."""


def _make_view(connection: duckdb.DuckDBPyConnection, table: dict[str, Any], fresh: bytes | None) -> None:
    listed = ", ".join(quoted_name(column) for column in table["columns"])
    sources = []
    if table["files"]:
        paths = ", ".join(quoted_text(path) for path in table["files"])
        sources.append(f"SELECT {listed} FROM read_parquet([{paths}], hive_partitioning = false, union_by_name = true)")
    if fresh:
        name = f"{table['name']}_fresh"
        connection.register(name, _arrow_table(fresh))
        sources.append(f"SELECT {listed} FROM {name}")
    if not sources:
        nulls = zip(table["columns"], table["column_types"], strict=True)
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted_name(column)}" for column, kind in nulls)
        sources.append(f"SELECT {empty} WHERE false")
    connection.execute(f"CREATE VIEW {table['name']} AS {' UNION ALL '.join(sources)}")


def _arrow_table(content: bytes) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def _run(connection: duckdb.DuckDBPyConnection, sql: str, answers: Any) -> int:
    result = connection.execute(sql)
    count = 0
    while rows := result.fetchmany(PAGE_ROWS):
        count += len(rows)
        write_frame(answers, Kind.PAGE, len(rows).to_bytes(4, "big") + orjson.dumps(rows, default=str))
    return count


def _bytes_read(connection: duckdb.DuckDBPyConnection) -> int:
    profile = orjson.loads(connection.get_profiling_information())
    return int(profile.get("io", {}).get("total_bytes_read", 0))


def _message(error: duckdb.Error) -> str:
    """Return what the query's writer may read of an engine's error: its first line, without paths and inner names."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return "Query exceeded the memory that one query may use"
    first = str(error).split("\n", 1)[0].partition("Error: ")[2] or "The query could not be run"
    first = re.sub(r"(?:/[^\s'\"]+)+", "...", re.sub(r" \([a-z]?\d*\.?[^)]*\)\.? Use TRY.*| Use TRY.*", "", first))
    return first[:_MESSAGE_CHARACTERS]


if __name__ == "__main__":
    main()
