"""The engine's process: what it answers, what it cannot reach, and how it ends."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from opentrail.adapters.lake_table.files import ROWS_PER_GROUP, write_parquet
from opentrail.adapters.query_engine.duckdb import DuckDbEngine, EngineLimits
from opentrail.adapters.query_engine.processes import Host
from opentrail.ports.query_engine import EngineStatistics, EngineTable, Needle, QueryFailed, QueryTimedOut
from tests.builders import NOON


def a_table(folder: Path, rows: int = 2500, fresh: int = 3) -> EngineTable:
    path = folder / "one.parquet"
    pq.write_table(pa.table({"n": list(range(rows)), "s": [f"s{at}" for at in range(rows)]}), path)
    memory = pa.table({"n": [-at for at in range(1, fresh + 1)], "s": ["fresh"] * fresh}) if fresh else None
    return EngineTable("lake_table_0", ("n", "s"), ("BIGINT", "VARCHAR"), (str(path),), memory)


async def run(
    folder: Path, sql: str, tables: Sequence[EngineTable] = (), limits: EngineLimits | None = None
) -> tuple[list[list[str | None]], EngineStatistics]:
    rows: list[list[str | None]] = []

    async def keep(page: bytes, count: int) -> None:
        read = orjson.loads(page)
        assert len(read) == count
        rows.extend(read)

    statistics = await DuckDbEngine(folder / "spill", limits).run(sql, tables, keep)
    return rows, statistics


async def test_files_and_fresh_rows_are_one_table(tmp_path: Path) -> None:
    rows, statistics = await run(
        tmp_path, "SELECT CAST(n AS VARCHAR) FROM lake_table_0 ORDER BY n", [a_table(tmp_path)]
    )

    assert [row[0] for row in rows] == [str(number) for number in (-3, -2, -1, *range(2500))]
    assert statistics.rows == 2503
    assert statistics.bytes_scanned > 0
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "matched"),
    [
        ("SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0", 2503),
        ("SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0 WHERE n % 5 = 0", 500),
        ("SELECT s FROM lake_table_0 WHERE n < 50 ORDER BY n DESC LIMIT 5", 53),
        ("SELECT s FROM lake_table_0 WHERE n < 50 GROUP BY s HAVING count(*) > 1", 53),
        ("SELECT s FROM lake_table_0 WHERE md5(s) || s LIKE '%s7_' AND CAST(n AS VARCHAR) LIKE '7%'", 10),
        ("SELECT s FROM lake_table_0 WHERE n = 7 UNION ALL SELECT 'x' FROM range(100)", 1),
    ],
)
async def test_the_events_that_conditions_let_through_are_counted(tmp_path: Path, sql: str, matched: int) -> None:
    _, statistics = await run(tmp_path, sql, [a_table(tmp_path)])

    assert (statistics.rows_matched, statistics.tables_unread) == (matched, 0)


async def test_rows_whose_columns_are_fetched_late_are_counted_once(tmp_path: Path) -> None:
    table = a_table(tmp_path, fresh=0)

    rows, statistics = await run(tmp_path, "SELECT s FROM lake_table_0 WHERE n % 500 = 7 ORDER BY n LIMIT 3", [table])

    assert rows == [["s7"], ["s507"], ["s1007"]]
    assert statistics.rows_matched == 5


@pytest.mark.asyncio(loop_scope="module")
async def test_a_value_that_does_not_fit_is_named_in_trinos_words(shared_engine: DuckDbEngine) -> None:
    said = []
    for value in ("CAST('four' AS INTEGER)", "CAST('then' AS TIMESTAMP)", "CAST(9999999999 AS INTEGER)"):
        with pytest.raises(QueryFailed) as failure:
            await shared_engine.run(f"SELECT CAST({value} AS VARCHAR)", [], _keep_none)
        said.append(str(failure.value))

    assert said == [
        "Cannot cast 'four' to integer",
        "Value cannot be cast to timestamp: then",
        "Out of range for integer: 9999999999",
    ]


@pytest.mark.parametrize(
    ("condition", "unread"), [("", 1), ("WHERE n >= 0", 1), ("WHERE n < 0", 0), ("WHERE n < 50", 0)]
)
async def test_a_table_that_needs_no_reading_is_told_of(tmp_path: Path, condition: str, unread: int) -> None:
    sql = f"SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0 {condition}"

    rows, statistics = await run(tmp_path, sql, [a_table(tmp_path, fresh=0)])

    assert (statistics.tables_unread, statistics.rows_matched) == (unread, 0 if unread else int(str(rows[0][0])))


@pytest.mark.slow
async def test_a_long_query_tells_how_far_it_is(tmp_path: Path) -> None:
    path, told = tmp_path / "many.parquet", list[float]()
    pq.write_table(pa.table({"n": list(range(400_000))}), path, row_group_size=20_000)
    table = EngineTable("lake_table_0", ("n",), ("BIGINT",), (str(path),), None)
    sql = (
        f"SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0 WHERE {'md5(' * 12}CAST(n AS VARCHAR){')' * 12} LIKE 'a%'"
    )

    async def keep(page: bytes, count: int) -> None:
        return

    await DuckDbEngine(tmp_path / "spill", EngineLimits(threads=1)).run(sql, [table], keep, None, told.append)

    assert told
    assert told == sorted(told)
    assert 0 <= told[0] <= told[-1] <= 1


async def test_what_a_killed_process_spilled_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    (tmp_path / "spill-history-1-1").mkdir()
    (tmp_path / "some-query").mkdir()

    DuckDbEngine(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["some-query"]


async def test_a_table_without_any_row_is_empty(tmp_path: Path) -> None:
    table = EngineTable("lake_table_0", ("n",), ("BIGINT",), (), None)

    assert (await run(tmp_path, "SELECT CAST(n AS VARCHAR) FROM lake_table_0", [table]))[0] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{other}')",
        "SELECT * FROM read_blob('{other}')",
        "SELECT * FROM read_csv('{other}')",
        "SELECT * FROM read_json('{other}')",
        "SELECT * FROM read_parquet('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_parquet('{folder}/*.parquet')",
        "SELECT * FROM parquet_metadata('{secret}')",
        "COPY lake_table_0 TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '/dev/stdout'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{folder}/x.so'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
        "SET memory_limit = '100GB'",
        "PRAGMA enable_profiling = 'json'",
        "CREATE SECRET x (TYPE S3)",
        "SELECT * FROM read_text('http://127.0.0.1:1/')",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT getenv('PATH')",
        "SELECT * FROM environment",
        "CREATE TABLE x AS SELECT * FROM read_text('/proc/self/environ')",
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_engine_reaches_no_other_file_and_no_setting(
    shared_engine: DuckDbEngine, tmp_path: Path, sql: str
) -> None:
    table = a_table(tmp_path)
    secret = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"secret": ["MARK"]}), secret)
    (tmp_path / "other.txt").write_text("MARK")
    before = sorted(path.name for path in tmp_path.iterdir())

    with pytest.raises(QueryFailed) as failure:
        await shared_engine.run(
            sql.format(folder=tmp_path, secret=secret, other=tmp_path / "other.txt"), [table], _keep_none
        )

    assert "exceeded the memory" not in str(failure.value)
    assert "MARK" not in str(failure.value)
    assert str(tmp_path) not in str(failure.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DuckDbEngine]:
    """An engine whose host forks for each query."""
    engine = DuckDbEngine(tmp_path_factory.mktemp("engine"), spare_seconds=600)
    yield engine
    await engine.close()


SLOW = "SELECT CAST(count(*) AS VARCHAR) FROM range(1000000000) a(x), range(1000) b(y) WHERE hash(x + y) = 1"


async def test_a_cancelled_query_stops_at_once(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def keep(page: bytes, count: int) -> None:
        raise AssertionError("no page was expected")

    engine = DuckDbEngine(tmp_path)
    task = asyncio.create_task(engine.run(SLOW, [], keep, started.set))
    await started.wait()
    await asyncio.sleep(0.5)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert time.monotonic() - began < 2
    assert list(tmp_path.iterdir()) == []


async def test_a_query_ends_at_the_time_limit(tmp_path: Path) -> None:
    with pytest.raises(QueryTimedOut, match="run time limit of 1 seconds"):
        await run(tmp_path, SLOW, limits=EngineLimits(seconds=1))


async def test_a_query_ends_at_the_memory_limit(tmp_path: Path) -> None:
    limits = EngineLimits(memory_bytes=32 << 20, spill_bytes=1 << 20)

    with pytest.raises(QueryFailed, match="memory"):
        await run(tmp_path, "SELECT CAST(len(list(x)) AS VARCHAR) FROM range(100000000) a(x)", limits=limits)


@pytest.mark.slow
async def test_what_the_engine_does_not_count_ends_at_the_limit_of_the_process(tmp_path: Path) -> None:
    limits = EngineLimits(memory_bytes=64 << 20, unmanaged_bytes=256 << 20, seconds=60)

    with pytest.raises(QueryFailed, match="exceeded the memory"):
        await run(
            tmp_path, "SELECT CAST(len(list_transform(range(500000000), lambda i: 'abc')) AS VARCHAR)", limits=limits
        )


async def test_the_engine_sees_no_variable_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "MARK")

    rows, _ = await run(tmp_path, "SELECT CAST(count(*) AS VARCHAR) FROM duckdb_settings() WHERE value LIKE '%MARK%'")

    assert rows == [["0"]]


async def a_host(engine: DuckDbEngine) -> Host:
    """Return the host that the engine keeps."""
    kept = engine._processes._host
    assert kept is not None
    return await kept


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def a_host_with_one_fork(engine: DuckDbEngine) -> tuple[Host, str]:
    """Return the host once a query runs, and the process of that one."""
    await until(lambda: engine._processes._host is not None and engine._processes._host.done())
    host = await a_host(engine)
    await until(lambda: bool(forks(host)))
    [fork] = forks(host)
    return host, fork


def forks(host: Host) -> list[str]:
    return Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()


async def test_one_host_waits_for_the_next_query_and_no_process_serves_two(tmp_path: Path) -> None:
    engine, hosts = DuckDbEngine(tmp_path, spare_seconds=60), list[Host]()
    pages: list[bytes] = []

    async def keep(page: bytes, count: int) -> None:
        pages.append(page)

    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        sql = "SELECT CAST(count(*) AS VARCHAR), CAST(random() AS VARCHAR) FROM lake_table_0"
        await engine.run(sql, [a_table(folder, rows=number + 1, fresh=number)], keep)
        hosts.append(await a_host(engine))
        assert forks(hosts[-1]) == []

    counts, numbers = zip(*(orjson.loads(page)[0] for page in pages), strict=True)
    assert counts == ("1", "3", "5")
    assert len(set(numbers)) == 3
    assert hosts == [hosts[0]] * 3
    await engine.close()
    assert hosts[0].process.returncode == 0
    assert engine._processes._host is None


async def test_queries_at_a_time_are_answered_each_by_itself(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path, EngineLimits(at_once=3), spare_seconds=60)
    pages: list[bytes] = []

    async def keep(page: bytes, count: int) -> None:
        pages.append(page)

    slow = asyncio.create_task(engine.run(SLOW, [], keep))
    await asyncio.gather(*(engine.run(f"SELECT '{number}'", [], keep) for number in range(6)))
    assert len(forks(await a_host(engine))) == 1
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)

    assert sorted(pages) == [b'[["%d"]]' % number for number in range(6)]
    assert forks(await a_host(engine)) == []
    await engine.close()


async def test_a_host_that_dies_ends_its_queries_and_is_replaced(tmp_path: Path) -> None:
    engine, rows = DuckDbEngine(tmp_path, spare_seconds=60), list[bytes]()

    async def keep(page: bytes, count: int) -> None:
        rows.append(page)

    slow = asyncio.create_task(engine.run(SLOW, [], keep))
    host, fork = await a_host_with_one_fork(engine)
    host.process.kill()

    with pytest.raises(QueryFailed):
        await slow
    await until(lambda: not Path(f"/proc/{fork}/exe").exists())
    await engine.run("SELECT CAST(7 AS VARCHAR)", [], keep)
    await engine.close()

    assert [orjson.loads(page) for page in rows] == [[["7"]]]


async def test_a_host_whose_server_is_gone_ends_with_all_queries(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path, spare_seconds=60)
    slow = asyncio.create_task(engine.run(SLOW, [], _keep_none))
    host, _ = await a_host_with_one_fork(engine)

    host._orders.shutdown(socket.SHUT_RDWR)

    assert await asyncio.wait_for(host.process.wait(), 60) == 0
    with pytest.raises(QueryFailed):
        await slow
    await engine.close()


async def _keep_none(page: bytes, count: int) -> None:
    raise AssertionError("no page was expected")


async def test_a_host_that_nobody_asks_ends(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path, spare_seconds=0.01)
    await engine.run("SELECT 'x' WHERE false", [], _keep_none)
    await until(lambda: engine._processes._host is None)
    await asyncio.wait_for(asyncio.gather(*engine._processes._ending), 60)
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_files_that_cannot_have_what_is_looked_for_are_not_opened(
    shared_engine: DuckDbEngine, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.parquet" for number in range(3)]
    for number, file in enumerate(files):
        write_parquet(file, pa.table({"eventid": [f"{number}-{at}" for at in range(99)]}))
    memory = pa.table({"eventid": ["0-7", "fresh"]})
    whole = EngineTable("lake_table_0", ("eventid",), ("VARCHAR",), tuple(map(str, files)), memory)
    found: dict[str, list[bytes]] = {"0-7": [], "fresh": [], "nowhere": []}
    for text, pages in found.items():

        async def keep(page: bytes, _: int, pages: list[bytes] = pages) -> None:
            pages.append(page)

        sql = f"SELECT CAST(count(*) AS VARCHAR) FROM lake_table_0 WHERE eventid = '{text}'"
        everything = await shared_engine.run(sql, [whole], keep)
        narrowed = await shared_engine.run(sql, [replace(whole, needles=(Needle("eventid", (text,)),))], keep)
        assert narrowed.rows_matched == everything.rows_matched
        assert narrowed.bytes_scanned < everything.bytes_scanned

    assert found == {"0-7": [b'[["2"]]'] * 2, "fresh": [b'[["1"]]'] * 2, "nowhere": [b'[["0"]]'] * 2}


@pytest.mark.asyncio(loop_scope="module")
async def test_what_little_filters_leave_is_read_by_one_thread(shared_engine: DuckDbEngine, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for path in paths:
        write_parquet(path, pa.table({"eventid": [f"{path.stem}-{at}" for at in range(9)]}))
    table = EngineTable("lake_table_0", ("eventid",), ("VARCHAR",), tuple(map(str, paths)), None)
    rare, common = Needle("eventid", ("1-7",)), Needle("eventid", ("0-7", "1-7"))
    found: list[list[str]] = []

    async def keep(page: bytes, _: int) -> None:
        found.extend(orjson.loads(page))

    for needles in ((), (rare,), (common,)):
        sql = "SELECT CAST(count(*) AS VARCHAR), CAST(current_setting('threads') AS VARCHAR) FROM lake_table_0"
        await shared_engine.run(sql, [replace(table, needles=needles)], keep)

    assert found == [["18", "2"], ["9", "1"], ["18", "2"]]


async def test_files_that_have_fewer_columns_than_others_are_read(tmp_path: Path) -> None:
    old, new = tmp_path / "1.parquet", tmp_path / "2.parquet"
    pq.write_table(pa.table({"n": [1]}), old)
    pq.write_table(pa.table({"n": [2], "s": ["new"]}), new)
    table = EngineTable("lake_table_0", ("n", "s"), ("BIGINT", "VARCHAR"), (str(old), str(new)), None)

    rows, _ = await run(tmp_path, "SELECT CAST(n AS VARCHAR), s FROM lake_table_0 ORDER BY n", [table])

    assert rows == [["1", None], ["2", "new"]]


def test_a_needle_is_found_by_bloom_filters_and_statistics_alone(tmp_path: Path) -> None:
    day, files, rows = NOON.date(), list[str](), 2 * ROWS_PER_GROUP
    for number in range(2):
        ids = [f"{(at * 7919 + number) % (2 * rows):08x}-0000-4000-8000-000000000000" for at in range(0, 2 * rows, 2)]
        start = NOON + timedelta(hours=number)
        times = pa.array([start + timedelta(milliseconds=at) for at in range(rows)], pa.timestamp("us", tz="UTC"))
        files.append(str(tmp_path / f"{day}-{number}.parquet"))
        write_parquet(Path(files[-1]), pa.table({"eventid": ids, "eventtime": times}))
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = 'UTC'; CREATE VIEW lake_table_0 AS SELECT * FROM read_parquet({files})")

    def groups(condition: str) -> str:
        plan = connection.execute(f"EXPLAIN ANALYZE SELECT count(*) FROM lake_table_0 WHERE {condition}").fetchall()
        found = re.search(r"Row Groups Scanned:\s*(\d+ / \d+)", plan[0][1])
        assert found is not None, plan
        return found[1]

    wanted = pq.read_table(files[1])["eventid"][7].as_py()
    assert groups(f"eventid = '{wanted}'") == "1 / 4"
    assert groups("eventid = '00000000-ffff-4000-8000-000000000000'") == "0 / 4"
    assert groups(f"eventtime >= TIMESTAMP '{NOON + timedelta(hours=1):%Y-%m-%d %H:%M:%S}'") == "2 / 4"
    assert groups("eventid LIKE '%-0000-%'") == "4 / 4"
