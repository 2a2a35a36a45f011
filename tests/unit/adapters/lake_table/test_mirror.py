"""Tables in a bucket: what the bucket says holds, whatever the home's folder has."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.lake_table.delta import DeltaLakeTable, DeltaLakeTables
from opentrail.adapters.lake_table.mirror import OWNER_KEY, Mirror
from opentrail.ports import Unavailable
from opentrail.ports.journal import Position
from opentrail.ports.lake_table import Batch, LoadedBatch, TableDamaged
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from tests.memory.table_objects import InMemoryObjects

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
LOG = f"{STORE.id}/table/_delta_log/"


class LostAnswerError(Unavailable):
    """What a call raises whose answer does not come."""


class Bench:
    """One home over a bucket, that can be opened anew as after the death of its process."""

    def __init__(self, folder: Path, kept_bytes: int = 1 << 30) -> None:
        self.folder = folder / "lake"
        self.kept_bytes = kept_bytes
        self.failing: tuple[str, str, bool] | None = None
        self.objects = InMemoryObjects(self._fault)

    def _fault(self, call: str, key: str, is_done: bool) -> None:
        if self.failing is not None:
            name, part, when = self.failing
            if (call, is_done) == (name, when) and part in key:
                self.failing = None
                raise LostAnswerError(key)

    def mirror(self, *, owner: str = "home 1", location: str = "s3://audit/lake") -> Mirror:
        return Mirror(self.objects, location, self.folder, owner, self.kept_bytes)

    async def open(self, *, owner: str = "home 1", location: str = "s3://audit/lake") -> DeltaLakeTable:
        return await DeltaLakeTables(self.folder, mirror=self.mirror(owner=owner, location=location)).open(STORE)

    def versions(self) -> list[str]:
        return sorted(key.removeprefix(LOG) for key in self.objects.kept if key.startswith(LOG))

    def local_files(self) -> list[Path]:
        return sorted(self.folder.glob("*/table/calendarday=*/*.parquet"))


def event(number: int) -> bytes:
    return orjson.dumps({"eventTime": "2026-11-21T08:00:00Z", "eventID": f"id-{number}"})


async def put(table: DeltaLakeTable, number: int) -> None:
    await table.commit([event(number)], Position(f"{number:020d}"), OLDEST, NEWEST)


async def ids(table: DeltaLakeTable) -> list[str]:
    found: list[str] = []
    for file in (await table.version()).files:
        with table._table._backing.reading([Path(file.location)]):
            found += pq.ParquetFile(file.location).read(columns=["eventid"])["eventid"].to_pylist()
    return sorted(found)


async def test_commit_is_in_the_bucket_before_it_is_acknowledged(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    await put(table, 1)

    other = Bench(tmp_path / "other")
    other.objects.kept = bench.objects.kept

    assert await ids(await other.open()) == ["id-1"]


async def test_version_that_only_the_home_has_was_never_committed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    await put(table, 1)
    bench.failing = ("put", "2.json", False)

    with pytest.raises(Unavailable):
        await put(table, 2)

    again = await bench.open()
    assert again.committed == Position(f"{1:020d}")
    assert await ids(again) == ["id-1"]
    await put(again, 2)
    assert await ids(again) == ["id-1", "id-2"]


@pytest.mark.parametrize("loses_home", [False, True])
async def test_version_whose_answer_was_lost_is_committed_once(tmp_path: Path, *, loses_home: bool) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    bench.failing = ("put", "1.json", True)

    with pytest.raises(Unavailable):
        await put(table, 1)
    with pytest.raises(Unavailable):
        await put(table, 1)

    if loses_home:
        for path in (bench.folder / STORE.id / "table" / "_delta_log").iterdir():
            path.unlink()
    again = await bench.open()
    assert again.committed == Position(f"{1:020d}")
    await put(again, 1)
    assert await ids(again) == ["id-1"]
    assert len(bench.versions()) == 2


async def test_version_that_somebody_else_put_is_never_replaced(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    bench.objects.kept[f"{LOG}{1:020d}.json"] = b'{"commitInfo":{}}\n', NOW

    with pytest.raises(Unavailable, match="another version"):
        await put(table, 1)

    assert bench.objects.kept[f"{LOG}{1:020d}.json"][0] == b'{"commitInfo":{}}\n'


async def test_location_of_another_installation_is_not_touched(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await put(await bench.open(), 1)
    before = dict(bench.objects.kept)

    with pytest.raises(Unavailable, match="another installation"):
        await bench.open(owner="home 2")

    assert bench.objects.kept == before


async def test_server_that_ignores_the_condition_is_found_out_and_held_by_looking_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.objects.ignores_condition = True

    table = await bench.open()

    assert not bench.objects.honours_condition
    bench.objects.kept[f"{LOG}{1:020d}.json"] = b'{"commitInfo":{}}\n', NOW
    with pytest.raises(Unavailable, match="another version"):
        await put(table, 1)


async def test_table_of_the_home_moves_to_the_bucket_even_when_interrupted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    local = await DeltaLakeTables(bench.folder).open(STORE)
    for number in (1, 2, 3):
        await put(local, number)
    bench.failing = ("put", "2.json", False)
    with pytest.raises(Unavailable):
        await bench.open()

    table = await bench.open()
    await put(table, 4)

    assert await ids(table) == ["id-1", "id-2", "id-3", "id-4"]
    assert len(bench.versions()) == 5
    with pytest.raises(TableDamaged, match="s3://audit/lake"):
        await DeltaLakeTables(bench.folder).open(STORE)


async def test_home_and_bucket_with_two_tables_of_one_store_are_not_mixed(tmp_path: Path) -> None:
    bench, other = Bench(tmp_path), Bench(tmp_path / "other")
    await put(await other.open(), 7)
    await put(await DeltaLakeTables(bench.folder).open(STORE), 1)
    bench.objects.kept = other.objects.kept

    with pytest.raises(TableDamaged, match="another table"):
        await bench.open()


async def test_log_that_lost_versions_is_not_gone_on_with(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    for number in (1, 2, 3):
        await put(table, number)

    last = bench.objects.kept.pop(f"{LOG}{3:020d}.json")
    with pytest.raises(TableDamaged, match="there no more"):
        await bench.open()
    bench.objects.kept[f"{LOG}{3:020d}.json"] = last
    del bench.objects.kept[f"{LOG}{2:020d}.json"]
    with pytest.raises(TableDamaged, match="missing"):
        await bench.open()


async def test_table_is_not_looked_for_at_another_location(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await put(await bench.open(), 1)

    with pytest.raises(TableDamaged, match="not in s3://audit/elsewhere"):
        await bench.open(location="s3://audit/elsewhere")


async def test_home_keeps_files_within_its_bound_but_those_that_are_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kept_bytes=1)
    table = await bench.open()
    for number in (1, 2, 3):
        await put(table, number)
    assert bench.local_files() == []

    files = [Path(file.location) for file in (await table.version()).files]
    with table._table._backing.reading(files):
        with table._table._backing.reading(files[:1]):
            pass
        assert bench.local_files() == files

    assert bench.local_files() == []
    assert await ids(table) == ["id-1", "id-2", "id-3"]


async def test_file_that_the_bucket_lost_is_named(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kept_bytes=1)
    table = await bench.open()
    await put(table, 1)
    key = next(key for key in bench.objects.kept if key.endswith(".parquet"))
    del bench.objects.kept[key]

    with pytest.raises(TableDamaged, match=key):
        await ids(table)


async def test_removed_table_leaves_nothing_and_starts_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    mirror = bench.mirror()
    tables = DeltaLakeTables(bench.folder, mirror=mirror)
    await put(await tables.open(STORE), 1)
    bench.failing = ("delete", "_delta_log", False)

    with pytest.raises(Unavailable):
        await tables.remove(STORE.arn)
    assert bench.versions() != []
    await tables.remove(STORE.arn)

    assert list(bench.objects.kept) == [OWNER_KEY]
    assert not (bench.folder / STORE.id).exists()
    assert await ids(await tables.open(STORE)) == []


async def test_vacuum_deletes_what_no_version_lists_once_it_is_old(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    table = await bench.open()
    for number in range(1, 10):
        await put(table, number)
    stray = f"{STORE.id}/table/calendarday=2026-11-21/commit-000000000099.parquet"
    bench.objects.kept[stray] = b"left by a process that died", datetime(2026, 1, 1, tzinfo=UTC)
    await table.compact()

    gone = await table.vacuum()

    assert gone == 1
    assert stray not in bench.objects.kept
    assert sum(key.endswith(".parquet") for key in bench.objects.kept) == 10
    assert await ids(table) == sorted(f"id-{number}" for number in range(1, 10))


async def test_records_set_aside_and_batches_are_in_the_bucket_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kept_bytes=1)
    table = await bench.open()
    await table.commit([b"{", event(1)], Position(f"{1:020d}"), OLDEST, NEWEST)

    appended = await table.append(Batch("import/1", ("a",), partial(_loaded, [event(1), event(2)])), OLDEST, NEWEST)

    assert (appended.rows, appended.duplicates) == (1, 1)
    assert bench.objects.kept[f"{STORE.id}/set-aside/000000000001.ndjson"][0].count(b"\n") == 1
    assert await ids(await bench.open()) == ["id-1", "id-2"]


def _loaded(events: Sequence[bytes]) -> LoadedBatch:
    return LoadedBatch(events)
