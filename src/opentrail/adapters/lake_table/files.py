"""Files of a table on the local disk, each step durable before the next one stands on it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from opentrail.adapters.lake_table.encryption import (
    file_key_of,
    is_encrypted,
    looks_whole,
    seal_lines,
    writing_options,
)
from opentrail.resource.lake_columns import INDEX_COLUMN

ROWS_PER_GROUP = 50_000
"""Small enough that a needle's group is read fast, large enough that a day has few (docs/formats/lake.md)."""

ENCRYPTED_ROWS_PER_GROUP = 8_192
"""Of encrypted files queries have whole groups in memory, decrypted."""

_BLOOM_COLUMNS = (
    "eventid",
    "requestid",
    "sharedeventid",
    "eventname",
    "eventsource",
    "errorcode",
    "sourceipaddress",
    "vpcendpointid",
    "recipientaccountid",
    "useridentity.type",
    "useridentity.principalid",
    "useridentity.arn",
    "useridentity.accountid",
    "useridentity.accesskeyid",
    "useridentity.username",
    "useridentity.sessioncontext.sessionissuer.arn",
    "useridentity.sessioncontext.sessionissuer.username",
    "eventdata.uid",
    "eventdata.resourceid",
    "eventdata.evidenceid",
)
"""What needles are looked for by; a table has those of its own columns."""

_FALSE_POSITIVES = 0.01

_PAGE_BYTES = 64 << 10
"""Of which only those are unpacked that have a row in question: with a few rows found, most of a group's are not."""

_UNIQUE_COLUMNS = ("eventjson", "eventjsonchecksum", "eventid", "requestid", INDEX_COLUMN)
"""Without a dictionary: every row has another value."""

_TEXT_COLUMNS = ("eventjson", "eventjsonchecksum", "requestparameters", "responseelements", "additionaleventdata")
"""Without least and greatest values: nobody looks for ranges of them."""


def write_parquet(path: Path, rows: pa.Table, data_key: bytes = b"") -> int:
    """Write rows to a file, durably, over a leftover of the same name; return its size in bytes.

    A file whose name is marked is encrypted (``encryption``), and has no Bloom filters: Arrow encrypts none.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.part")
    options, group = parquet_options(rows.schema, rows.num_rows), ROWS_PER_GROUP
    if secret := writing_options(path, data_key):
        options, group = {**options, **secret, "bloom_filter_options": None}, ENCRYPTED_ROWS_PER_GROUP
    pq.write_table(rows, temporary, row_group_size=group, **options)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
    return path.stat().st_size


def parquet_options(schema: pa.Schema, rows: int) -> dict[str, Any]:
    """Return how files with these columns and so many rows are written: compression, statistics, Bloom filters."""
    stored = [path for field in schema for path in _stored_paths(field.name, field.type)]
    bloom = {"ndv": min(rows, ROWS_PER_GROUP), "fpp": _FALSE_POSITIVES}
    filtered = {path for field in schema for path in _leaves(field.name, field.type)}.intersection(_BLOOM_COLUMNS)
    return {
        "data_page_size": _PAGE_BYTES,
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [name for name in stored if name not in _UNIQUE_COLUMNS],
        "write_statistics": [name for name in stored if name not in _TEXT_COLUMNS],
        "bloom_filter_options": dict.fromkeys(sorted(filtered), bloom),
    }


def file_stats(rows: pa.Table) -> str:
    """Return what the table's log says of a file, so that readers skip it by time: Delta's statistics, as JSON."""
    first, last = (pc.min_max(rows["eventtime"]).as_py()[name] for name in ("min", "max"))
    return orjson.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {"eventtime": _stats_time(first)},
            "maxValues": {"eventtime": _stats_time(last)},
            "nullCount": {"eventtime": 0},
        }
    ).decode()


def write_set_aside(path: Path, lines: Sequence[dict[str, Any]], data_key: bytes = b"") -> None:
    """Write what a commit sets aside, one JSON object a line, durably, over a leftover of the same name.

    A file whose name is marked is encrypted (``encryption``).
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.part")
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    key = file_key_of(data_key, path)
    temporary.write_bytes(seal_lines(content, key) if key else content)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each name durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_whole_parquet(path: Path, size_bytes: int) -> bool:
    """Say whether a file has the size that the log says and a footer that can be read, or is encrypted."""
    try:
        if path.stat().st_size != size_bytes:
            return False
        if is_encrypted(path):
            return looks_whole(path)
        pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def _stored_paths(name: str, kind: pa.DataType) -> list[str]:
    """Return the paths of a column's parts that have none, as Parquet names them."""
    if pa.types.is_struct(kind):
        return [path for member in kind for path in _stored_paths(f"{name}.{member.name}", member.type)]
    if pa.types.is_list(kind):
        return _stored_paths(f"{name}.list.element", kind.value_type)
    return [name]


def _leaves(name: str, kind: pa.DataType) -> list[str]:
    """Return the paths of a column's parts that stand once in a row."""
    if pa.types.is_struct(kind):
        return [path for member in kind for path in _leaves(f"{name}.{member.name}", member.type)]
    return [] if pa.types.is_nested(kind) else [name]


def _stats_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
