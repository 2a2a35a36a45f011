"""Tables read as they stand by other engines: every committed event once, after compaction, days that ended and all."""

import asyncio
import subprocess
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.conformance.lake.test_manipulations import EVENTS, Lake, build
from tests.support.clients import require_library

NEEDLES = {
    "eventid",
    "requestid",
    "sharedeventid",
    "sourceipaddress",
    "useridentity, principalid",
    "useridentity, arn",
    "useridentity, accesskeyid",
    "useridentity, username",
}
"""What is looked for by its value, as DuckDB spells columns within columns."""

SAIL = Path(__file__).parent / "sail_reader.py"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return asyncio.run(build(tmp_path_factory.mktemp("read")))


def records(lake: Lake) -> list[str]:
    """Return every record of the table, read file by file, in the order of event ids."""
    rows = [
        row for file in lake.files() for row in pq.ParquetFile(file).read(columns=["eventid", "eventjson"]).to_pylist()
    ]
    return [row["eventjson"] for row in sorted(rows, key=lambda row: row["eventid"])]


def test_delta_rs_reads_the_table(lake: Lake) -> None:
    table = pa.table(DeltaTable(str(lake.table)).to_pyarrow_table()).sort_by("eventid")

    assert table.num_rows == EVENTS
    assert table["eventjson"].to_pylist() == records(lake)


def test_duckdb_reads_the_current_files(lake: Lake) -> None:
    files = [str(file) for file in lake.files()]
    statement = "SELECT eventjson, useridentity.type FROM read_parquet(?, hive_partitioning = true) ORDER BY eventid"

    rows = duckdb.execute(statement, [files]).fetchall()

    assert [row[0] for row in rows] == records(lake)
    assert {row[1] for row in rows} == {"Root", None}


def test_members_that_no_column_names_are_in_the_record(lake: Lake) -> None:
    found = [orjson.loads(record) for record in records(lake)]

    assert sum(event.get("x-more") == 1 for event in found) == EVENTS - 1


def test_needles_have_bloom_filters(lake: Lake) -> None:
    statement = "SELECT path_in_schema FROM parquet_metadata(?) WHERE bloom_filter_length > 0"

    for file in (*lake.files("compact-*"), *lake.files("commit-*")):
        filtered = {path for (path,) in duckdb.execute(statement, [str(file)]).fetchall()}
        assert filtered >= NEEDLES


@pytest.mark.e2e
def test_sail_reads_the_table(lake: Lake) -> None:
    command = [require_library("python"), str(SAIL), str(lake.table)]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr[-2000:]
    read = orjson.loads(ran.stdout)
    assert read["records"] == records(lake)
    assert (len(set(read["ids"])), read["roots"]) == (EVENTS, EVENTS - 1)
