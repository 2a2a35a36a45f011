"""A result written as a Parquet file: numbers, booleans and times as such, everything else as text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from opentrail.resource.lake_query import unique_labels

_TYPES = {
    "boolean": pa.bool_(),
    "tinyint": pa.int64(),
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "real": pa.float64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
"""By Trino's name; rows, arrays and maps stay the JSON text that results show."""


class ResultTable:
    """Writes results with these columns: (label, Trino's type). A label that came before gets a number behind it."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._types = [_TYPES.get(kind, pa.string()) for _, kind in columns]
        self._schema = pa.schema(list(zip(unique_labels([label for label, _ in columns]), self._types, strict=True)))

    def write(self, path: Path, pages: Iterator[list[list[str | None]]]) -> int:
        """Write the rows; the file appears under its name when it is whole. Returns how many rows they were."""
        partial, rows = path.with_name(path.name + ".partial"), 0
        try:
            with pq.ParquetWriter(partial, self._schema, compression="zstd") as writer:
                for page in pages:
                    rows += len(page)
                    writer.write_table(self._table(page))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return rows

    def _table(self, page: list[list[str | None]]) -> pa.Table:
        columns = zip(*page, strict=True) if page else ([] for _ in self._types)
        arrays = [_array(list(values), kind) for values, kind in zip(columns, self._types, strict=True)]
        return pa.table(arrays, schema=self._schema)


def _array(values: list[str | None], kind: pa.DataType) -> pa.Array:
    texts = pa.array(values, pa.string())
    if pa.types.is_timestamp(kind):
        stripped = pa.array([value and value.removesuffix(" UTC") for value in values], pa.string())
        naive = stripped.cast(pa.timestamp("us"))
        return naive.cast(pa.int64()).cast(kind) if kind.tz else naive
    return texts.cast(kind)
