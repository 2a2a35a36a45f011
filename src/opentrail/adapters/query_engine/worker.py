"""The process that runs one query and ends, forked of a host: ``python -m opentrail.adapters.query_engine.worker``.

A query comes in on a socket, pages of its result go out on it. The host has the engine loaded and its macros made.
Before the statement is seen the engine is locked: of files it can read those of the query's tables and no others; it
writes only to its spill folder.
"""

import contextlib
import os
import re
import resource
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import duckdb
import orjson

from opentrail.adapters.query_engine.forking import serve_forks
from opentrail.adapters.query_engine.frames import Kind, read_frame, write_frame
from opentrail.lakesql.macros import preparation
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.ports.query_engine import PAGE_ROWS

if TYPE_CHECKING:
    from opentrail.adapters.query_engine.row_sources import SourceRows

_NICENESS = 5
"""Recording goes before asking."""

_MESSAGE_CHARACTERS = 900

_PROGRESS_SECONDS = 0.25
"""How often the part that is done is told."""


def main() -> None:
    """Be the host of queries' processes; orders come in on the socket that standard input is."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    engine = _taught_engine()
    with socket.socket(fileno=sys.stdin.fileno()) as orders:
        serve_forks(orders, lambda told, answers: run_query(engine, told, answers), _load_arrow)


def _load_arrow() -> None:
    """Load what rows that are not in files need, so that the next query finds it."""
    import pyarrow  # noqa: F401


def run_query(engine: duckdb.DuckDBPyConnection, requests: BinaryIO, stream: BinaryIO) -> None:
    """Run the one query that ``requests`` holds."""
    answers = _Answers(stream)
    try:
        query = orjson.loads(read_frame(requests)[1])
        os.chdir(query["settings"]["temp_directory"])
        resource.setrlimit(resource.RLIMIT_DATA, (query["process_bytes"], query["process_bytes"]))
        fresh = {name: read_frame(requests)[1] for name in query["fresh"]}
        scanned: list[SourceRows] = []
        connection = engine.cursor()  # a session of its own: with the host's all queries would draw the same random()
        made = _prepare(connection, query, fresh, scanned)
        bytes_before = bytes_read() if made.encrypted else 0
        with _telling_progress(connection, answers):
            rows = _run(connection, query["sql"], answers)
        taken = _statistics(connection, made, sum(map(len, fresh.values())))
        if made.encrypted:
            taken["bytes_scanned"] = bytes_read() - bytes_before + sum(map(len, fresh.values()))
        taken["bytes_scanned"] += sum(source.bytes for source in scanned)
        taken["rows_scanned"] = sum(source.rows for source in scanned)
        answers.write(Kind.DONE, orjson.dumps({"rows": rows, **taken}))
    except duckdb.Error as error:
        answers.write(Kind.FAILED, _message(error).encode())
    except MemoryError:
        answers.write(Kind.FAILED, b"Query exceeded the memory that one query may use")
    except (EOFError, ConnectionError):
        return


class _Answers:
    """What the server is told, by two threads: each frame goes out whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writing = threading.Lock()

    def write(self, kind: Kind, content: bytes) -> None:
        with self._writing:
            write_frame(self._stream, kind, content)


@contextmanager
def _telling_progress(connection: duckdb.DuckDBPyConnection, answers: _Answers) -> Iterator[None]:
    """Tell how far the query is until it ends. Nothing is told after that."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(_PROGRESS_SECONDS):
            percent = connection.query_progress()
            if percent >= 0:
                with contextlib.suppress(ConnectionError):
                    answers.write(Kind.PROGRESS, orjson.dumps(min(percent, 100.0) / 100))

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    try:
        yield
    finally:
        ended.set()
        telling.join()


def _taught_engine() -> duckdb.DuckDBPyConnection:
    """Return an engine with all that does not depend on the query, and no thread yet: a fork would not have it."""
    connection = duckdb.connect(":memory:", config={"threads": 1, "async_threads": 0})
    for statement in preparation():
        connection.execute(statement)
    for setting in _SETTLED:
        connection.execute(f"SET GLOBAL {setting}")
    return connection


@dataclass
class _Made:
    """The query's tables, by how the engine reads them: how many there are, how many have files that it reads itself,
    of how many Arrow gives it rows, and how many of these are of encrypted files."""

    tables: int
    with_files: int
    arrow: int = 0
    encrypted: int = 0


def _prepare(
    connection: duckdb.DuckDBPyConnection, query: dict[str, Any], fresh: dict[str, bytes], scanned: "list[SourceRows]"
) -> _Made:
    """Give the engine the query's tables and bounds, and lock it."""
    made = _Made(len(query["tables"]), sum(bool(_plain_files(table)) for table in query["tables"]))
    for name, value in query["settings"].items():
        connection.execute(f"SET {name} = {quoted_text(value) if isinstance(value, str) else value}")
    paths = ", ".join(quoted_text(path) for table in query["tables"] for path in _plain_files(table))
    connection.execute(f"SET allowed_paths = [{paths}]")
    for table in query["tables"]:
        if table["sources"]:
            # Imported here because it brings Arrow, which most queries do without.
            from opentrail.adapters.query_engine.row_sources import SourceRows, teach_log_functions

            teach_log_functions(connection)
            scanned.append(SourceRows(table))
            connection.register(table["name"], scanned[-1].reader())
        else:
            _make_view(connection, table, fresh.get(table["name"]), made, query["settings"]["threads"])
    for setting in _LOCKS:
        connection.execute(f"SET {setting}")
    return made


_SETTLED = (
    "TimeZone = 'UTC'",
    "parquet_metadata_cache = true",  # else every footer is read when tables are bound, and again by the query
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    "python_enable_replacements = false",
)
"""What is the same for every query, so that no fork needs to say it."""

_LOCKS = (
    "enable_external_access = false",
    "enable_profiling = 'no_output'",
    "enable_progress_bar = true",
    "enable_progress_bar_print = false",
    "progress_bar_time = 0",
    "lock_configuration = true",
)
"""What is switched off before the statement runs; the last one keeps all of it so."""


def _make_view(
    connection: duckdb.DuckDBPyConnection, table: dict[str, Any], fresh: bytes | None, made: _Made, threads: int
) -> None:
    """Make the view of one table. Its files are taken to have the columns of the first, the oldest of them, so that no
    other is opened for that: tables only ever gain columns. Where that one lacks some, all are looked at."""
    if fresh:
        connection.register(f"{table['name']}_fresh", _arrow_table(fresh))
        made.arrow += 1
    if table.get("file_keys"):
        # Imported here because it brings Arrow, which most queries do without.
        from opentrail.adapters.query_engine.encrypted_files import encrypted_files

        connection.register(f"{table['name']}_encrypted", encrypted_files(table, threads))
        made.arrow += 1
        made.encrypted += 1
    try:
        connection.execute(_view(table, "", is_fresh=bool(fresh)))
    except duckdb.BinderException:
        connection.execute(_view(table, ", union_by_name = true", is_fresh=bool(fresh)))


def _view(table: dict[str, Any], option: str, *, is_fresh: bool) -> str:
    listed = ", ".join(map(quoted_name, table["columns"]))
    sources = []
    if plain := _plain_files(table):
        paths = ", ".join(map(quoted_text, plain))
        sources.append(f"SELECT {listed} FROM read_parquet([{paths}], hive_partitioning = false{option})")
    if table.get("file_keys"):
        sources.append(f"SELECT {listed} FROM {table['name']}_encrypted")
    if is_fresh:
        sources.append(f"SELECT {listed} FROM {table['name']}_fresh")
    if not sources:
        nulls = zip(table["columns"], table["column_types"], strict=True)
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {quoted_name(column)}" for column, kind in nulls)
        sources.append(f"SELECT {empty} WHERE false")
    return f"CREATE VIEW {table['name']} AS {' UNION ALL '.join(sources)}"


def _plain_files(table: dict[str, Any]) -> list[str]:
    return [file for file in table["files"] if file not in table.get("file_keys", ())]


def _arrow_table(content: bytes) -> Any:
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def _run(connection: duckdb.DuckDBPyConnection, sql: str, answers: _Answers) -> int:
    result = connection.execute(sql)
    count = 0
    while rows := result.fetchmany(PAGE_ROWS):
        count += len(rows)
        answers.write(Kind.PAGE, len(rows).to_bytes(4, "big") + orjson.dumps(rows, default=str))
    return count


def _statistics(connection: duckdb.DuckDBPyConnection, made: _Made, memory_bytes: int) -> dict[str, int]:
    """Return the bytes that the query read, and how many rows of its tables passed the conditions on them."""
    profile = orjson.loads(connection.get_profiling_information())
    matched: list[list[int]] = [[], []]
    for operator in profile.get("operator", ()):
        rows = _passed(operator, matched)
        if rows is not None:
            matched[rows[1]].append(rows[0])
    # The optimizer may read a table more than once; each counts once.
    most = made.tables, max(made.tables, made.arrow)
    count = sum(sum(sorted(found, reverse=True)[:limit]) for found, limit in zip(matched, most, strict=True))
    file_bytes = int(profile.get("io", {}).get("total_bytes_read", 0))
    unread = 0 if _has_empty(profile) else max(0, made.with_files - len(matched[_FILES]))
    return {"bytes_scanned": file_bytes + memory_bytes, "rows_matched": count, "tables_unread": unread}


def _has_empty(operator: dict[str, Any]) -> bool:
    """Say whether the optimizer proved that a part of the query gives nothing, and so left out what that reads."""
    below = [*operator.get("operator", ()), *operator.get("children", ())]
    return operator.get("type") == "EMPTY_RESULT" or any(map(_has_empty, below))


def bytes_read() -> int:
    """Return the bytes that this process has read of files so far: what Arrow reads, the engine does not count."""
    try:
        return int(Path("/proc/self/io").read_bytes().split()[1])
    except OSError:  # not on Linux
        return 0


_FILES, _MEMORY = 0, 1


def _passed(operator: dict[str, Any], matched: list[list[int]]) -> tuple[int, int] | None:
    """Return how many rows of one table come out of an operator, and whether they are of files or of memory; None when
    it gives anything else. What comes out of its children and ends there goes into ``matched``."""
    below = operator.get("children", ())[1 if _fetches_late(operator) else 0 :]
    children = [found for child in below if (found := _passed(child, matched)) is not None]
    kind, rows = str(operator.get("type", "")), int(operator.get("intermediate_rows", 0))
    if not operator.get("children"):
        function = str(operator.get("extra_info", {}).get("Function", "")).upper()
        if "PARQUET" in function:
            return rows, _FILES
        return (rows, _MEMORY) if "ARROW" in function or "ARROW" in kind else None
    if len(children) == 1 and kind in ("FILTER", "PROJECTION"):
        return (rows if kind == "FILTER" else children[0][0]), children[0][1]
    for passed, where in children:
        matched[where].append(passed)
    return None


def _fetches_late(operator: dict[str, Any]) -> bool:
    """Say whether the optimizer has further columns fetched, in the first child, of the rows that the second found."""
    return "file_row_number = file_row_number" in operator.get("extra_info", {}).get("Conditions", ())


def _message(error: duckdb.Error) -> str:
    """Return what the query's writer may read of an engine's error: its first line, without paths and inner names."""
    if isinstance(error, duckdb.OutOfMemoryException) or "_encrypted' failed: Out of memory" in str(error):
        return "Query exceeded the memory that one query may use"
    if "_encrypted' failed" in str(error):
        return "A file of the event data store cannot be read"
    first = str(error).split("\n", 1)[0].partition("Error: ")[2] or "The query could not be run"
    first = re.sub(r"(?:/[^\s'\"]+)+", "...", re.sub(r" \([a-z]?\d*\.?[^)]*\)\.? Use TRY.*| Use TRY.*", "", first))
    return _in_trinos_words(first)[:_MESSAGE_CHARACTERS]


_TYPES = {
    "INT8": "tinyint",
    "INT16": "smallint",
    "INT32": "integer",
    "INT64": "bigint",
    "FLOAT": "real",
    "BOOL": "boolean",
}
_TRINOS_WORDS = (
    (r"Could not convert string '(?P<value>.*)' to (?P<kind>\w+)", "Cannot cast '{value}' to {kind}"),
    (r"[Tt]ype \w+ with value (?P<value>\S+) can't be cast .* type (?P<kind>\w+)", "Out of range for {kind}: {value}"),
    (r'invalid (?P<kind>date|timestamp) field format: "(?P<value>.*)", exp', "Value cannot be cast to {kind}: {value}"),
)


def _in_trinos_words(message: str) -> str:
    """Return what the engine says of a value that does not fit its type as Trino says it."""
    for pattern, words in _TRINOS_WORDS:
        if (found := re.search(pattern, message)) is not None:
            kind = found["kind"]
            return words.format(value=found["value"], kind=_TYPES.get(kind, kind.lower()))
    return message


if __name__ == "__main__":
    main()
