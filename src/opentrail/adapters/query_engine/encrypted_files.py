"""Encrypted Parquet files as a table of the engine: Arrow decrypts them, in the engine's process, as they are read.

DuckDB has a reader of such files of its own, which (2.0) gives up on conditions and on columns of several pages. So the
files reach it as an Arrow data set, to which it passes on which columns and, of conditions, which row groups it needs.
Their keys are in no setting, view or table of the engine: no statement can name them.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem
from pyarrow.parquet.encryption import create_decryption_properties

BATCH_ROWS = 65_536
"""More than a row group of these files has: of a group that is cut the engine refuses the parts with nested columns."""

BATCHES_AHEAD = 2
FILES_AHEAD = 2
"""What is read ahead of the engine, row groups and files: it bounds the memory of a scan."""


class EncryptedFiles(ds.FileSystemDataset):  # type: ignore[misc]
    """Files each with its own key; the engine asks it for a scan with columns and a condition."""

    def scanner(self, **options: Any) -> "_WholeBatches":
        return _WholeBatches(
            super().scanner(
                **options, batch_size=BATCH_ROWS, batch_readahead=BATCHES_AHEAD, fragment_readahead=FILES_AHEAD
            )
        )


class _WholeBatches:
    """A scan whose batches begin where their columns do. One that does not is copied."""

    def __init__(self, scanner: ds.Scanner) -> None:
        self._scanner = scanner

    def to_reader(self) -> pa.RecordBatchReader:
        """Return the scan, to be read once."""
        reader = self._scanner.to_reader()
        return pa.RecordBatchReader.from_batches(reader.schema, map(_whole, reader))


def _whole(batch: pa.RecordBatch) -> pa.RecordBatch:
    if not any(column.offset for column in batch.columns):
        return batch
    return batch.take(pa.array(range(batch.num_rows), pa.int64()))


def encrypted_files(table: dict[str, Any], threads: int) -> EncryptedFiles | None:
    """Return the encrypted files of a table, None when it has none; to be registered before the engine is locked.

    Raises duckdb.IOException for a file that does not open.
    """
    keys: Mapping[str, str] = table.get("file_keys", {})
    files = [file for file in table["files"] if file in keys]
    if not files:
        return None
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    system, fragments = LocalFileSystem(), []
    for file in files:
        opening = create_decryption_properties(footer_key=b64decode(keys[file]))
        form = ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(decryption_properties=opening)
        )
        fragments.append(form.make_fragment(file, system))
    try:
        schema = _schema(fragments, table["columns"])
    except pa.ArrowMemoryError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise duckdb.IOException("IO Error: A file of the event data store cannot be read") from error
    return EncryptedFiles(fragments, schema, form, system)


def _schema(fragments: Sequence[ds.ParquetFileFragment], columns: Sequence[str]) -> pa.Schema:
    """Return the columns of the first file, the oldest; where it lacks some all files are looked at: tables only ever
    gain columns."""
    schema: pa.Schema = fragments[0].physical_schema
    if not set(columns) <= set(schema.names):
        schema = pa.unify_schemas([fragment.physical_schema for fragment in fragments])
    return schema
