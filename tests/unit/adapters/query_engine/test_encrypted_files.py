"""Encrypted files in the engine: read as others are, with keys that no statement can name."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from pyarrow.parquet.encryption import create_encryption_properties

from opentrail.adapters.query_engine.duckdb import DuckDbEngine, EngineLimits
from opentrail.ports.query_engine import EngineStatistics, EngineTable, Needle, QueryFailed

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
ROWS = 3_000
pytestmark = pytest.mark.asyncio(loop_scope="module")


def write(path: Path, first: int, key: bytes = b"") -> str:
    numbers = range(first, first + ROWS)
    rows = pa.table({"n": numbers, "s": [f"s{at}" for at in numbers], "t": [{"u": at % 7} for at in numbers]})
    options = {"encryption_properties": create_encryption_properties(footer_key=key)} if key else {}
    pq.write_table(rows, path, row_group_size=1_000, data_page_size=4_096, **options)
    return str(path)


def a_table(folder: Path) -> EngineTable:
    """Two encrypted files, each with its own key, a plain one, and three rows in memory."""
    files = [write(folder / "a", 0, KEY), write(folder / "b", ROWS, OTHER_KEY), write(folder / "c", 2 * ROWS)]
    fresh = pa.table({"n": [-1, -2, -3], "s": ["fresh"] * 3, "t": [{"u": 1}] * 3})
    keys = {files[0]: KEY, files[1]: OTHER_KEY}
    return EngineTable(
        "lake_table_0", ("n", "s", "t"), ("BIGINT", "VARCHAR", "STRUCT(u BIGINT)"), tuple(files), fresh,
        file_keys=keys, is_encrypted=True,
    )  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DuckDbEngine]:
    engine = DuckDbEngine(tmp_path_factory.mktemp("engine"), spare_seconds=600)
    yield engine
    await engine.close()


async def run(engine: DuckDbEngine, sql: str, *tables: EngineTable) -> tuple[list[list[str | None]], EngineStatistics]:
    rows: list[list[str | None]] = []

    async def keep(page: bytes, count: int) -> None:
        rows.extend(orjson.loads(page))

    statistics = await engine.run(sql, tables, keep)
    return rows, statistics


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", 3 * ROWS + 3),
        ("n % 5 = 0", 3 * ROWS // 5),
        pytest.param("s = 's4000'", 1, marks=pytest.mark.slow),
        pytest.param("n BETWEEN 2990 AND 3009", 20, marks=pytest.mark.slow),
        pytest.param("t.u = 3 AND n < 700", 100, marks=pytest.mark.slow),
        pytest.param("s IN ('s1', 's3001', 's6001', 'fresh')", 6, marks=pytest.mark.slow),
        pytest.param("s LIKE '%999' OR s IS NULL", 9, marks=pytest.mark.slow),
    ],
)
async def test_files_with_their_own_keys_are_one_table_with_others(
    engine: DuckDbEngine, tmp_path: Path, condition: str, expected: int
) -> None:
    sql = f"SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0 WHERE {condition}"

    rows, statistics = await run(engine, sql, a_table(tmp_path))

    assert rows == [[str(expected)]]
    assert statistics.rows_matched == expected
    assert statistics.bytes_scanned > 0


@pytest.mark.slow
async def test_groups_of_rows_that_arrow_cuts_are_read(engine: DuckDbEngine, tmp_path: Path) -> None:
    count = 200_000
    rows = pa.table(
        {"n": range(count), "s": ["s"] * count, "t": [{"u": at % 7, "v": {"w": at}} for at in range(count)]}
    )
    path = str(tmp_path / "a")
    kinds = ("BIGINT", "VARCHAR", "STRUCT(u BIGINT, v STRUCT(w BIGINT))")
    table = replace(a_table(tmp_path), column_types=kinds, files=(path,), file_keys={path: KEY}, fresh=None)
    pq.write_table(rows, path, row_group_size=count, encryption_properties=create_encryption_properties(footer_key=KEY))

    found, _ = await run(
        engine, "SELECT CAST(sum(t.u) AS VARCHAR), CAST(sum(t.v.w) AS VARCHAR) FROM lake_table_0", table
    )

    assert found == [[str(sum(at % 7 for at in range(count))), str(sum(range(count)))]]


@pytest.mark.slow
async def test_needles_leave_encrypted_files_in(engine: DuckDbEngine, tmp_path: Path) -> None:
    table = replace(a_table(tmp_path), needles=(Needle("s", ("s4000",)),))

    rows, _ = await run(engine, "SELECT s FROM lake_table_0 WHERE s = 's4000'", table)

    assert rows == [["s4000"]]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:], id="altered"),
        pytest.param(lambda content: content[:-200], id="cut", marks=pytest.mark.slow),
    ],
)
async def test_a_file_that_does_not_open_is_said_to_be_so(
    engine: DuckDbEngine, tmp_path: Path, changed: object
) -> None:
    table = a_table(tmp_path)
    path = tmp_path / "a"
    path.write_bytes(changed(path.read_bytes()))  # type: ignore[operator]

    with pytest.raises(QueryFailed, match=r"^A file of the event data store cannot be read$"):
        await run(engine, "SELECT max(s), max(t.u), max(n) FROM lake_table_0", table)


@pytest.mark.slow
async def test_no_statement_of_the_engines_own_shows_a_key(engine: DuckDbEngine, tmp_path: Path) -> None:
    table = a_table(tmp_path)
    shapes = [KEY, base64.b64encode(KEY), KEY.hex().encode(), KEY.hex().upper().encode(), repr(KEY).encode()]
    asked = [
        *(f"SELECT to_json(x)::VARCHAR FROM {name}() x" for name in TELLING_FUNCTIONS),
        "SELECT sql FROM sqlite_master",
        "SELECT to_json(x)::VARCHAR FROM (DESCRIBE lake_table_0) x",
        "SELECT to_json(x)::VARCHAR FROM (SHOW ALL TABLES) x",
        "EXPLAIN ANALYZE SELECT count(*) FROM lake_table_0 WHERE n > 5",
        "EXPLAIN SELECT * FROM lake_table_0_encrypted",
        "SELECT getvariable('k1')",
        "SELECT * FROM read_blob('/proc/self/mem')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_blob('/proc/self/cmdline')",
        f"SELECT * FROM parquet_metadata('{tmp_path}/a')",
        f"SELECT * FROM read_parquet('{tmp_path}/a')",
        f"SELECT * FROM read_parquet('{tmp_path}/a', encryption_config = {{footer_key: 'k1'}})",
        f"COPY lake_table_0 TO '{tmp_path}/out.parquet'",
        "CALL enable_logging()",
        "PRAGMA add_parquet_key('k1', 'MDEyMzQ1Njc4OTAxMjM0NQ==')",
        "SELECT * FROM encrypted_files", "SELECT * FROM table", "SELECT * FROM keys", "SELECT * FROM os",
    ]  # fmt: skip
    answered = 0

    for sql in asked:
        try:
            rows, _ = await run(engine, sql, table)
            told, answered = orjson.dumps(rows), answered + 1
        except QueryFailed as failure:
            told = str(failure).encode()
        assert not [shape for shape in shapes if shape in told], sql

    assert answered >= 8
    assert not (tmp_path / "out.parquet").exists()


TELLING_FUNCTIONS = (
    "duckdb_settings", "duckdb_views", "duckdb_tables", "duckdb_columns", "duckdb_functions", "duckdb_secrets",
    "duckdb_variables", "duckdb_memory", "duckdb_temporary_files", "duckdb_logs", "duckdb_log_contexts",
    "duckdb_optimizers", "duckdb_prepared_statements", "duckdb_external_file_cache", "duckdb_databases",
)  # fmt: skip


@pytest.mark.slow
async def test_rows_of_encrypted_stores_are_never_spilled(tmp_path: Path) -> None:
    seen: list[int] = []
    engine = DuckDbEngine(tmp_path / "spill", EngineLimits(memory_bytes=100 << 20))
    sql = "SELECT s FROM (SELECT md5(CAST(x AS VARCHAR)) || repeat('x', 60) AS s FROM range(3000000) a(x)) ORDER BY s"

    def look() -> None:
        seen.append(sum(path.stat().st_size for path in (tmp_path / "spill").rglob("*") if path.is_file()))

    async def keep(page: bytes, count: int) -> None:
        look()

    def look_at(part: float) -> None:
        look()

    with pytest.raises(QueryFailed, match="exceeded the memory"):
        await engine.run(sql, [a_table(tmp_path)], keep, on_progress=look_at)
    look()
    spilled, seen = seen, []
    await engine.run(sql, [replace(a_table(tmp_path), is_encrypted=False)], keep, on_progress=look_at)
    await engine.close()

    assert not any(spilled)
    assert any(seen)
