import asyncio
import multiprocessing
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, select, text, update

from opentrail.adapters.metadata_store import Database, MetadataUnusable, open_database
from opentrail.adapters.metadata_store import database as module
from opentrail.adapters.metadata_store.database import put
from opentrail.adapters.metadata_store.tables import applied_settings, tags, users
from opentrail.ports import Unavailable
from tests.support.metadata import DATABASES, database_url

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_url(request, request.param) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await open_database(url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    yield opened
    await opened.close()


def set_tag(connection: Connection, value: str) -> None:
    put(connection, tags, {"resource_arn": "arn", "tags": value})


def the_tag(connection: Connection) -> str | None:
    return connection.execute(select(tags.c.tags)).scalar()


async def test_what_was_written_is_there_after_opening_again(url: str) -> None:
    first = await open_database(url)
    await first.write(lambda connection: set_tag(connection, "kept"))
    await first.close()

    second = await open_database(url)

    assert await second.read(the_tag) == "kept"
    await second.close()


async def test_a_write_that_raises_leaves_nothing_behind(database: Database) -> None:
    def work(connection: Connection) -> None:
        set_tag(connection, "half done")
        raise LookupError("no")

    with pytest.raises(LookupError):
        await database.write(work)

    assert await database.read(the_tag) is None


async def test_a_read_sees_one_moment(database: Database) -> None:
    await database.write(lambda connection: set_tag(connection, "before"))
    began, written = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> list[str | None]:
        first = the_tag(connection)
        began.set()
        assert written.wait(30)
        return [first, the_tag(connection)]

    looking = asyncio.ensure_future(database.read(look_twice))
    await asyncio.to_thread(began.wait, 30)
    await database.write(lambda connection: set_tag(connection, "after"))
    written.set()

    assert await looking == ["before", "before"]
    assert await database.read(the_tag) == "after"


async def test_writes_are_made_in_the_order_they_were_asked_for(database: Database) -> None:
    def append(connection: Connection, number: int) -> None:
        set_tag(connection, f"{the_tag(connection) or ''}{number},")

    await asyncio.gather(*(database.write(lambda c, n=n: append(c, n)) for n in range(50)))  # type: ignore[misc]

    assert await database.read(the_tag) == "".join(f"{number}," for number in range(50))


async def test_a_cancelled_caller_s_write_is_made_and_told(database: Database) -> None:
    began, go_on, told = threading.Event(), threading.Event(), asyncio.Event()

    def work(connection: Connection) -> None:
        began.set()
        assert go_on.wait(30)
        set_tag(connection, "made")

    writing = asyncio.ensure_future(database.write(work, after=told.set))
    await asyncio.to_thread(began.wait, 30)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert not told.is_set()
    go_on.set()

    await asyncio.wait_for(told.wait(), 30)
    assert await database.read(the_tag) == "made"


async def test_the_driver_s_errors_become_unavailable_without_values(database: Database) -> None:
    with pytest.raises(Unavailable) as refused:
        await database.write(
            lambda connection: connection.execute(text("INSERT INTO nowhere VALUES (:v)"), {"v": "s3cr3t"})
        )

    assert "nowhere" in str(refused.value)
    assert "s3cr3t" not in f"{refused.value} {refused.value.__cause__}"


async def test_a_closed_database_is_unavailable(url: str) -> None:
    database = await open_database(url)
    await database.close()

    with pytest.raises(Unavailable):
        await database.read(the_tag)


async def test_more_waiting_work_than_the_bound_is_refused(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    go_on = threading.Event()
    held = [asyncio.ensure_future(sqlite_database.write(lambda _: go_on.wait(30))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable, match="too many"):
        await sqlite_database.read(the_tag)

    go_on.set()
    assert await asyncio.gather(*held) == [True, True]
    assert await sqlite_database.read(the_tag) is None


async def test_a_check_constraint_keeps_the_applied_settings_to_one_row(database: Database) -> None:
    with pytest.raises(Unavailable):
        await database.write(
            lambda connection: put(connection, applied_settings, {"id": 2, "position": "1", "regions": "[]"})
        )


async def test_text_is_ordered_by_code_point(database: Database) -> None:
    names = ["b", "a", "B", "_", "-", "é", "z", "a b", "ab", "😀", "￿"]

    def work(connection: Connection) -> list[str]:
        for name in names:
            values = {"account_id": "1", "name": name, "user_id": name, "arn": name, "path": "/", "created_at": NOON}
            connection.execute(users.insert().values(values))
        return list(connection.execute(select(users.c.name).order_by(users.c.name)).scalars())

    assert await database.write(work) == sorted(names)


async def test_sqlite_is_set_to_survive_a_power_cut(sqlite_database: Database) -> None:
    def settings(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    full = 2
    assert await sqlite_database.read(settings) == ["wal", full, 1, 5_000]
    assert await sqlite_database.write(settings) == ["wal", full, 1, 5_000]


@pytest.mark.usefixtures("sqlite_database")
def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert modes["metadata.sqlite"] == 0o600
    assert set(modes.values()) == {0o600}


async def test_a_locked_file_is_unavailable_and_works_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_SECONDS", 0.05)
    database = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    other = sqlite3.connect(tmp_path / "metadata.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked"):
        await database.write(lambda connection: set_tag(connection, "x"))
    assert await database.read(the_tag) is None

    other.execute("ROLLBACK")
    await database.write(lambda connection: set_tag(connection, "x"))
    assert await database.read(the_tag) == "x"
    other.close()
    await database.close()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nonsense", "not a database URL"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://user:pw@host/db", "not in mysql"),
        ("sqlite:////nowhere/at/all/metadata.sqlite", "cannot open"),
        ("postgresql://user:hunter2@127.0.0.1:1/db", "cannot open"),
    ],
)
async def test_an_unusable_address_is_named_without_its_password(bad: str, message: str) -> None:
    with pytest.raises(MetadataUnusable, match=message) as refused:
        await open_database(bad)

    assert "hunter2" not in f"{refused.value} {refused.value.__cause__}"


async def test_a_file_that_is_no_database_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "metadata.sqlite").write_bytes(b"not a database at all, but long enough to be looked at" * 50)

    with pytest.raises(MetadataUnusable):
        await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")


def _names_of_tables(url: str, statement: str | None = None) -> set[str]:
    """Run a statement, if any, on the database that was not opened yet; return the tables that are there then."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            if statement:
                connection.execute(text(statement))
            return set(inspect(connection).get_table_names())
    finally:
        engine.dispose()


async def test_an_upgrade_that_breaks_off_late_leaves_nothing_behind(url: str) -> None:
    assert _names_of_tables(url, "CREATE TABLE event_replays (in_the_way INTEGER)") == {"event_replays"}

    with pytest.raises(MetadataUnusable, match="event_replays"):
        await open_database(url)

    assert _names_of_tables(url) == {"event_replays"}


async def test_a_newer_release_s_schema_is_refused(url: str) -> None:
    database = await open_database(url)
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await database.close()

    with pytest.raises(MetadataUnusable, match="newer release"):
        await open_database(url)


def _start(url: str, barrier: "multiprocessing.synchronize.Barrier", done: "multiprocessing.Queue[str]") -> None:
    async def start() -> None:
        database = await open_database(url)
        await database.write(lambda connection: set_tag(connection, "x"))
        await database.close()

    barrier.wait(60)
    try:
        asyncio.run(start())
    except Exception as error:
        done.put(repr(error))
    else:
        done.put("opened")


def test_processes_that_start_at_once_all_find_the_schema(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, done = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_start, args=(url, barrier, done)) for _ in range(4)]
    for process in processes:
        process.start()

    answers = [done.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(30)

    assert answers == ["opened"] * 4


async def test_tasks_that_open_at_once_all_find_the_schema(url: str) -> None:
    opened = await asyncio.gather(*(open_database(url) for _ in range(4)))

    for database in opened:
        await database.write(lambda connection: set_tag(connection, "x"))
        await database.close()


async def test_writes_of_two_processes_that_meet_are_all_made(url: str) -> None:
    databases = [await open_database(url) for _ in range(2)]
    await databases[0].write(
        lambda connection: put(connection, applied_settings, {"id": 1, "position": "", "regions": ""})
    )

    def add_one(connection: Connection) -> None:
        position = connection.execute(select(applied_settings.c.position)).scalar_one()
        time.sleep(0.002)
        connection.execute(update(applied_settings).values(position=position + "x"))

    async def add(database: Database) -> None:
        for _ in range(10):
            await database.write(add_one)

    await asyncio.gather(*map(add, databases))

    assert await databases[0].read(lambda c: c.execute(select(applied_settings.c.position)).scalar()) == "x" * 20
    for database in databases:
        await database.close()


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_url(request, "postgresql") as url:
        yield url


async def test_a_lost_connection_is_unavailable_and_then_made_anew(postgresql_url: str) -> None:
    ours, theirs = await open_database(postgresql_url), await open_database(postgresql_url)
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    began, cut = threading.Event(), threading.Event()

    def cut_off_half_way(connection: Connection) -> None:
        set_tag(connection, "lost")
        began.set()
        assert cut.wait(30)
        set_tag(connection, "lost again")

    writing = asyncio.ensure_future(ours.write(cut_off_half_way))
    await asyncio.to_thread(began.wait, 30)
    await theirs.write(lambda connection: connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}")).all())
    cut.set()
    with pytest.raises(Unavailable):
        await writing

    assert await ours.read(the_tag) is None
    await ours.write(lambda connection: set_tag(connection, "kept"))
    assert await theirs.read(the_tag) == "kept"
    await ours.close()
    await theirs.close()
