"""What every lake table promises, whatever it is built on."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import boto3
import orjson
import pytest

from opentrail.adapters.lake_table.bucket import S3Objects, TableBucket
from opentrail.adapters.lake_table.delta import DeltaLakeTable, DeltaLakeTables
from opentrail.adapters.lake_table.encryption import parquet_file
from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.adapters.lake_table.workers import MIN_ROWS
from opentrail.clock import format_time
from opentrail.digest.merkle import tree_hash
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, Position
from opentrail.ports.lake_table import (
    Appended,
    Batch,
    BatchTaken,
    DayProof,
    LakeTable,
    LakeTables,
    LoadedBatch,
    TableDamaged,
)
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from tests.memory.lake_table import InMemoryLakeTable, InMemoryLakeTables, Rows
from tests.memory.store_keys import InMemoryStoreKeys
from tests.memory.table_objects import InMemoryObjects
from tests.support.moto_server import moto_server

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLDEST, NEWEST = NOW - timedelta(days=30), NOW + timedelta(days=1)
STORE = EventDataStore(
    arn=event_data_store_arn("us-east-1", "123456789012", "11111111-1111-4111-8111-111111111111"),
    name="audit",
    account_id="123456789012",
    home_region="us-east-1",
    created_at=NOW,
    updated_at=NOW,
)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


_SLOW = pytest.mark.slow


@pytest.fixture(
    params=["memory", "delta", "bucket", pytest.param("encrypted", marks=_SLOW), pytest.param("s3", marks=_SLOW)]
)
async def tables(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LakeTables]:
    if request.param == "memory":
        yield InMemoryLakeTables()
        return
    folder, mirror = tmp_path / "lake", None
    if request.param == "bucket":
        mirror = Mirror(InMemoryObjects(), "s3://memory", folder, "this one", KEPT_BYTES)
    elif request.param == "s3":
        place = TableBucket(f"lake-{uuid4()}", "some/where/", request.getfixturevalue("moto"), "us-east-1", "k", "s")
        make_bucket(place)
        mirror = Mirror(S3Objects(place), place.location, folder, "this one", KEPT_BYTES)
    kind = EncryptedTables if request.param == "encrypted" else DeltaLakeTables
    made = kind(folder, mirror=mirror, keys=InMemoryStoreKeys())
    yield made
    await made.close()
    if mirror is not None:
        mirror.close()


class EncryptedTables(DeltaLakeTables):
    """Tables of which each store has a KMS key."""

    async def open(self, store: EventDataStore) -> DeltaLakeTable:
        return await super().open(replace(store, kms_key_id="arn:aws:kms:us-east-1:123456789012:key/1"))


KEPT_BYTES = 1
"""No file stays in the home that is not being read: each is brought again."""


def make_bucket(place: TableBucket) -> None:
    client = boto3.client(
        "s3", endpoint_url=place.url, region_name=place.region, aws_access_key_id="k", aws_secret_access_key="s"
    )
    client.create_bucket(Bucket=place.bucket)


def event(number: int, time: str = "2026-11-21T08:00:00Z") -> bytes:
    return orjson.dumps({"eventVersion": "1.11", "eventTime": time, "eventID": f"id-{number}", "more": {"x": 1.5}})


def at(number: int) -> Position:
    return Position(f"{number:020d}")


async def stored(table: LakeTable) -> list[bytes]:
    """Return the records of a table by day, each day in order."""
    if isinstance(table, InMemoryLakeTable):
        return table.records
    assert isinstance(table, DeltaLakeTable)
    rows = []
    for file in (await table.version()).files:
        with table._table._backing.reading([Path(file.location)]):
            read = parquet_file(file.location, file.key).read(columns=["eventjson", "_commit", "_index"]).to_pylist()
            assert len(read) == file.rows
        rows += [(file.day, row["_commit"], row["_index"], row["eventjson"].encode()) for row in read]
    return [row[3] for row in sorted(rows)]


async def put(table: LakeTable, position: int, *events: bytes) -> None:
    await table.commit(events, at(position), OLDEST, NEWEST)


async def test_new_table_is_empty_and_at_the_start(tables: LakeTables) -> None:
    table = await tables.open(STORE)

    assert table.committed == START
    assert (await table.version()).files == ()


async def test_committed_records_are_there_once_as_they_came(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    events = [event(number) for number in range(5)]

    await put(table, 5, *events[:3])
    await put(table, 9, *events[3:])

    assert await stored(table) == events
    assert table.committed == (await table.version()).position == at(9)


async def test_table_opened_again_stands_where_it_was(tables: LakeTables) -> None:
    await put(await tables.open(STORE), 5, event(1), event(2))

    again = await tables.open(STORE)

    assert again.committed == at(5)
    assert await stored(again) == [event(1), event(2)]


async def test_what_is_committed_already_is_not_committed_again(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    await put(table, 5, event(1))

    assert await table.commit([event(1)], at(5), OLDEST, NEWEST) is None
    assert await table.commit([], at(7), OLDEST, NEWEST) is None
    assert await stored(table) == [event(1)]
    assert table.committed == at(5)


async def test_commit_says_count_and_root_of_each_day(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    late, early = event(1, "2026-11-21T08:00:01Z"), event(2, "2026-11-21T08:00:00Z")
    before = event(3, "2026-11-20T23:59:59Z")

    commit = await table.commit([late, early, before], at(5), OLDEST, NEWEST)

    assert commit is not None
    assert {day: (proof.count, proof.root) for day, proof in commit.days.items()} == {
        date(2026, 11, 20): (1, tree_hash([before])),
        date(2026, 11, 21): (2, tree_hash([early, late])),
    }
    assert commit.number == 1


@pytest.mark.parametrize(
    "record",
    [
        b"{",
        b"[]",
        b"{}",
        event(1, "yesterday"),
        event(1, "0001-01-01T00:00:00+23:00"),
        event(1, (OLDEST - timedelta(seconds=1)).isoformat()),
        event(1, (NEWEST + timedelta(seconds=1)).isoformat()),
    ],
)
async def test_record_that_fits_no_day_is_set_aside(tables: LakeTables, record: bytes) -> None:
    table = await tables.open(STORE)

    commit = await table.commit([record, event(2)], at(5), OLDEST, NEWEST)

    assert commit is not None
    assert commit.set_aside == 1
    assert await stored(table) == [event(2)]


async def test_rows_that_are_not_committed_are_those_that_a_commit_would_add(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    await put(table, 5, event(1))

    rows, count = await table.rows([event(2), b"{}"], OLDEST, NEWEST)

    assert count == 1
    records = rows.records if isinstance(rows, Rows) else [row.encode() for row in rows["eventjson"].to_pylist()]  # type: ignore[index]
    assert records == [event(2)]
    assert await stored(table) == [event(1)]


async def test_compaction_keeps_every_record_and_the_position(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    events = [event(number, f"2026-11-21T08:00:{number:02d}Z") for number in range(20)]
    for number, one in enumerate(events, 1):
        await put(table, number, one)

    await table.compact()

    assert await stored(table) == events
    assert table.committed == at(20)
    assert len((await table.version()).files) <= 1
    again = await tables.open(STORE)
    assert (again.committed, await stored(again)) == (at(20), events)
    await put(again, 21, event(99))
    assert len(await stored(again)) == 21


async def test_dropped_days_are_gone_and_later_ones_stay(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    old, new = event(1, "2026-11-01T00:00:00Z"), event(2)
    first = await table.commit([old, new], at(5), OLDEST, NEWEST)
    assert first is not None
    line = f"1 1 {first.days[date(2026, 11, 1)].root}".encode()
    assert await table.ending_days(date(2026, 11, 21)) == {date(2026, 11, 1): DayProof(1, tree_hash([line]))}
    assert await table.drop_days(date(2026, 11, 21), 0, {}) == []
    assert await table.drop_days(date(2026, 11, 21), 1, {"signed": "text"}) == [date(2026, 11, 1)]
    assert await table.drop_days(date(2026, 11, 21), 1, {}) == []

    assert await stored(table) == [new]
    assert (await tables.open(STORE)).committed == at(5)


async def test_removed_table_starts_anew(tables: LakeTables) -> None:
    await put(await tables.open(STORE), 5, event(1))

    await tables.remove(STORE.arn)
    await tables.remove(STORE.arn)

    assert await stored(await tables.open(STORE)) == []


async def test_commit_of_nothing_but_what_is_set_aside_moves_the_position(tables: LakeTables) -> None:
    table = await tables.open(STORE)

    commit = await table.commit([b"{}"], at(5), OLDEST, NEWEST)

    assert commit is not None
    assert (commit.set_aside, commit.days) == (1, {})
    assert (await tables.open(STORE)).committed == at(5)


async def test_table_says_how_far_its_commits_are_and_were(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    first = table.standing
    await put(table, 5, event(1))
    second = table.standing
    await put(table, 9, event(2))
    await table.compact()

    again = await tables.open(STORE)

    assert (first.number, second.number, again.standing.number) == (0, 1, 2)
    assert again.standing == table.standing
    assert [await again.head_at(number) for number in range(3)] == [first.head, second.head, table.standing.head]
    with pytest.raises(TableDamaged):
        await again.head_at(3)


def loaded(events: Sequence[bytes]) -> LoadedBatch:
    return LoadedBatch(events, report={"files": 2})


async def append(table: LakeTable, name: str, *events: bytes) -> Appended:
    batch = Batch(name, ("s3://logs/a.json.gz", "s3://logs/b.json.gz"), partial(loaded, events))
    return await table.append(batch, OLDEST, NEWEST)


async def test_batch_goes_in_beside_what_the_journal_brings(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    await put(table, 5, event(1))

    appended = await append(table, "import/1", event(2), event(3, "2026-11-20T08:00:00Z"))
    await put(table, 9, event(4))

    assert appended.commit is not None
    assert (appended.rows, appended.report) == (2, {"files": 2})
    assert (appended.commit.number, appended.commit.position, appended.commit.batch) == (2, at(5), "import/1")
    assert appended.commit.sources == ("s3://logs/a.json.gz", "s3://logs/b.json.gz")
    assert appended.commit.days[date(2026, 11, 21)] == DayProof(1, tree_hash([event(2)]))
    assert sorted(await stored(table)) == sorted([event(1), event(2), event(3, "2026-11-20T08:00:00Z"), event(4)])
    assert table.committed == (await tables.open(STORE)).committed == at(9)


async def test_batch_is_taken_once_even_by_a_table_opened_anew(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    await append(table, "import/1", event(1))

    assert await table.has_batch("import/1")
    with pytest.raises(BatchTaken):
        await append(table, "import/1", event(2))
    again = await tables.open(STORE)
    assert await again.has_batch("import/1")
    assert not await again.has_batch("import/2")
    with pytest.raises(BatchTaken):
        await append(again, "import/1", event(2))
    assert await stored(again) == [event(1)]


async def test_event_that_the_table_or_the_batch_has_already_is_left_out(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    await put(table, 5, event(1))
    nameless = b'{"eventTime":"2026-11-21T08:00:00Z"}'

    first = await append(table, "import/1", event(1), event(2), event(2), nameless, nameless)
    await put(table, 9, event(3))
    second = await append(table, "import/2", event(1), event(2), event(3), event(4))
    third = await append(table, "import/3", event(3), event(4))

    assert (first.rows, first.duplicates) == (3, 2)
    assert (second.rows, second.duplicates) == (1, 3)
    assert (third.rows, third.duplicates, third.commit) == (0, 2, None)
    assert sorted(await stored(table)) == sorted([event(1), event(2), nameless, nameless, event(3), event(4)])


async def test_event_is_not_taken_for_known_once_its_day_was_dropped_or_compacted(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    old = event(0, "2026-11-01T00:00:00Z")
    for number in range(10):
        await append(table, f"import/{number}", event(number), old)
    await table.compact()
    await table.drop_days(date(2026, 11, 20), table.standing.number, {})

    appended = await append(table, "import/again", old, event(3))

    assert (appended.rows, appended.duplicates) == (1, 1)


async def test_records_of_a_batch_that_fit_no_day_are_counted_and_not_kept(tables: LakeTables) -> None:
    table = await tables.open(STORE)
    too_old = event(1, format_time(OLDEST - timedelta(seconds=1)))
    too_new = event(2, format_time(NEWEST + timedelta(seconds=1)))

    appended = await append(table, "import/1", too_old, too_old, too_new, b"{", b"[]", b"{}", event(3))

    assert (appended.rows, appended.too_old, appended.too_new, appended.unreadable) == (1, 2, 1, 3)
    assert appended.commit is not None
    assert appended.commit.set_aside == 0
    assert await stored(table) == [event(3)]


async def test_batch_that_cannot_be_loaded_changes_nothing(tables: LakeTables) -> None:
    table = await tables.open(STORE)

    with pytest.raises(ZeroDivisionError):
        await table.append(Batch("import/1", ("a",), partial(divmod, 1, 0)), OLDEST, NEWEST)

    assert not await table.has_batch("import/1")
    await append(table, "import/1", event(1))
    assert await stored(table) == [event(1)]


@pytest.mark.parametrize(("name", "sources"), [("", ("a",)), ("x" * 201, ("a",)), ("import/1", ())])
async def test_batch_without_id_or_sources_is_refused(tables: LakeTables, name: str, sources: tuple[str, ...]) -> None:
    table = await tables.open(STORE)

    with pytest.raises(ValueError, match="a batch has an id and sources"):
        await table.append(Batch(name, sources, partial(loaded, [event(1)])), OLDEST, NEWEST)


async def test_table_that_was_opened_anew_is_written_no_more_by_the_old_object(tmp_path: Path) -> None:
    tables = DeltaLakeTables(tmp_path / "lake")
    old = await tables.open(STORE)
    new = await tables.open(STORE)

    with pytest.raises(Unavailable):
        await put(old, 5, event(1))
    with pytest.raises(Unavailable):
        await append(old, "import/1", event(1))
    await put(new, 5, event(1))
    assert await stored(new) == [event(1)]
    await tables.close()


@pytest.mark.slow
async def test_batches_are_made_into_rows_in_processes_of_their_own_that_may_end(tmp_path: Path) -> None:
    tables = DeltaLakeTables(tmp_path / "lake", processes=2)
    table = await tables.open(STORE)
    batches = [append(table, f"import/{number}", event(number), event(0)) for number in range(1, 5)]

    appended = await asyncio.gather(*batches)

    assert sum(one.rows for one in appended) == 5
    assert sum(one.duplicates for one in appended) == 3
    assert {one.commit.number for one in appended if one.commit} == {1, 2, 3, 4}
    with pytest.raises(ZeroDivisionError):
        await table.append(Batch("import/5", ("a",), partial(divmod, 1, 0)), OLDEST, NEWEST)
    with pytest.raises(Unavailable):
        await table.append(Batch("import/6", ("a",), partial(os._exit, 1)), OLDEST, NEWEST)
    await append(table, "import/6", event(6))
    assert sorted(await stored(table)) == sorted(event(number) for number in (0, 1, 2, 3, 4, 6))
    await tables.close()


@pytest.mark.slow
async def test_large_commit_is_made_in_a_process_too_and_says_the_same(tmp_path: Path) -> None:
    events = [event(number) for number in range(MIN_ROWS)]
    told = []
    for processes in (0, 1):
        tables = DeltaLakeTables(tmp_path / str(processes), processes=processes)
        table = await tables.open(STORE)
        told.append(await table.commit([*events, b"{"], at(5), OLDEST, NEWEST))
        assert await stored(table) == events
        await tables.close()

    assert told[0] == told[1]
    assert told[0] is not None
    assert told[0].set_aside == 1
