"""Rows of SQLite files as a table of the engine, streamed: of a query's events only some batches are in memory.

In the engine's process alone. The files are read by Python before the engine sees their rows: the engine itself opens
none of them.
"""

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import duckdb
import pyarrow as pa

from opentrail.logsql.macros import preparation
from opentrail.logsql.networks import ip_version, is_in_subnet

BATCH_ROWS = 2_000
BATCH_BYTES = 8 << 20
"""What a batch has at most, a single larger row excepted."""

_TYPES = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}

_WITHOUT_OPTIMIZERS = "filter_pushdown,filter_pullup"
"""They put what a column is made of wherever a condition names it, which doubles with each command of a query that
names one twice."""


def teach_log_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Teach an engine that is not locked yet what statements over log events call."""
    connection.execute(f"SET disabled_optimizers = '{_WITHOUT_OPTIMIZERS}'")
    connection.create_function("logs_ip_version", ip_version, ["VARCHAR"], "INTEGER")
    connection.create_function("logs_in_subnet", is_in_subnet, ["VARCHAR", "VARCHAR", "INTEGER"], "BOOLEAN")
    for statement in preparation():
        connection.execute(statement)


class SourceRows:
    """The rows of one table's sources; ``rows`` and ``bytes`` (of texts, UTF-8) are what was read so far."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._sources: list[dict[str, Any]] = table["sources"]
        kinds = [_TYPES[kind] for kind in table["column_types"]]
        self._schema = pa.schema(list(zip(table["columns"], kinds, strict=True)))
        self.rows = 0
        self.bytes = 0

    def reader(self) -> pa.RecordBatchReader:
        """Return what reads all rows once."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        waiting: list[tuple[Any, ...]] = []
        size_bytes = 0
        for source in self._sources:
            for row in _rows(source):
                waiting.append(row)
                size_bytes += len(row[-1])
                if len(waiting) == BATCH_ROWS or size_bytes >= BATCH_BYTES:
                    yield self._batch(waiting, size_bytes)
                    waiting, size_bytes = [], 0
        if waiting:
            yield self._batch(waiting, size_bytes)

    def _batch(self, rows: list[tuple[Any, ...]], size_bytes: int) -> pa.RecordBatch:
        self.rows += len(rows)
        self.bytes += size_bytes
        columns = zip(*rows, strict=True)
        arrays = [pa.array(list(values), kind.type) for values, kind in zip(columns, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _rows(source: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    constants, named = tuple(source["constants"]), source["named"]
    open_one = _opener(source["data_keys"])
    for path in source["files"]:
        try:
            connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
        except sqlite3.OperationalError:
            continue  # it is gone
        with closing(connection):
            connection.execute("PRAGMA query_only = ON")
            for first, *others, text in connection.execute(source["statement"], source["parameters"]):
                name = named.get(first)
                if name is not None:
                    yield (*constants, name, *others, _valid(open_one(text, f"{first} {others[0]}")))


def _opener(data_keys: dict[str, str]) -> Callable[[Any, str], Any]:
    """Return what opens a text that is sealed under one of ``data_keys``; others it leaves as they are."""
    if not data_keys:
        return lambda text, place: text
    # Imported here because most sources have no sealed texts.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from opentrail.envelope import is_sealed_text, open_text, sealing_key

    keys = {bytes.fromhex(key_id): AESGCM(base64.b64decode(key)) for key_id, key in data_keys.items()}

    def opened(text: Any, place: str) -> Any:
        if isinstance(text, str) or not is_sealed_text(text):
            return text
        return open_text(keys[sealing_key(text)], text, place.encode())

    return opened


def _valid(text: bytes | str) -> bytes | str:
    """Return a text that is UTF-8: a surrogate that stands alone, which SDKs can put, is shown as not readable."""
    if isinstance(text, str):
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace").encode()
    return text
