"""A lake is manipulated by somebody who can write to its files, once in each way; ``LakeVerification`` names what was
done. None of the manipulations has the signing key."""

import asyncio
import base64
import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from opentrail.adapters.lake_table import audit
from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.adapters.lake_table.statements import FIRST
from opentrail.digest.merkle import tree_hash
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_sealing import LakeSealing
from opentrail.pipeline.lake_upkeep import LakeUpkeep
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import EventEntry
from opentrail.ports.lake_seals import LakeSeal
from opentrail.query.lake_verification import LakeSummary, LakeVerification
from opentrail.resource.event_data_store import EventDataStore
from tests.builders import ACCOUNT, REGION, World
from tests.unit.pipeline.test_lake_delivery import a_store, put_store

COMMITS = 14
EVENTS = 3 * (COMMITS - 1) + 1
"""Those of the day that ended are gone; that it ended is on record too."""


@dataclass
class Lake:
    """A lake of one store as it lies on the disk, and what its installation knows of it."""

    folder: Path
    store: EventDataStore
    seal: LakeSeal
    world: World

    @property
    def table(self) -> Path:
        return self.folder / self.store.id / "table"

    @property
    def log(self) -> Path:
        return self.table / "_delta_log"

    def files(self, pattern: str = "*") -> list[Path]:
        """Return the files that readers are given, by name."""
        delta = DeltaTable(str(self.table))
        paths = pa.table(delta.get_add_actions(flatten=True))["path"].to_pylist()
        return sorted(self.table / path for path in paths if Path(path).match(pattern))

    def rewrite(self, file: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Write a file's rows anew, changed."""
        rows = pq.ParquetFile(file).read()
        pq.write_table(pa.Table.from_pylist(change(rows.to_pylist()), rows.schema), file)

    def versions(self, kind: str = "") -> list[Path]:
        """Return the versions of the log, of one kind or all, oldest first."""
        return [path for path in sorted(self.log.glob("*.json")) if kind in ("", statement(path).get("kind"))]

    async def verify(self, *, workers: int = 1) -> LakeSummary:
        reader = LocalLakeAudit(self.folder, workers)
        now = self.world.clock.now()
        return await LakeVerification(self.store, [self.seal], reader, self.world.signer, now).run()


def statement(path: Path) -> dict[str, Any]:
    for line in path.read_bytes().splitlines():
        said = orjson.loads(line).get("commitInfo", {}).get("opentrail")
        if said:
            return dict(orjson.loads(said))
    return {}


def restate(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a version of the log says of itself."""
    actions = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for action in actions:
        if "commitInfo" in action:
            said = orjson.loads(action["commitInfo"]["opentrail"])
            change(said)
            action["commitInfo"]["opentrail"] = orjson.dumps(said).decode()
    path.write_bytes(b"\n".join(map(orjson.dumps, actions)))


def chain_again(lake: Lake) -> None:
    """Have every statement name the hash of the one before again, as if nothing had been changed."""
    head, number = "0" * 64, 0
    for path in lake.versions():
        said = statement(path)
        if said.get("kind") == "commit":
            restate(path, lambda said, head=head: said.update(previous=head))  # type: ignore[misc]
            number = said["number"]
            head = hashlib.sha256(orjson.dumps(statement(path))).hexdigest()
        elif said:
            restate(path, lambda said, head=head, number=number: said.update(head=head, number=number))  # type: ignore[misc]


async def build(folder: Path) -> Lake:
    """Make a lake: a day that ended, a day that was compacted, one that was not, and records set aside."""
    world = World()
    store = a_store(retention_days=7)
    tables = DeltaLakeTables(folder)
    lake = LakeDelivery(world.journal, world.event_data_stores, tables, world.clock)
    await put_store(world, store)

    async def commit(number: int, count: int = 3) -> None:
        for at in range(count):
            moment = world.clock.now() + timedelta(seconds=at)
            await world.journal.append([EventEntry(event(f"{number}-{at}", moment))])
        if number == COMMITS:
            await world.journal.append([EventEntry(event("old", datetime(1999, 1, 1, tzinfo=UTC)))])
        await lake.flush()
        world.clock.advance(60)

    await commit(1)
    world.clock.advance(timedelta(days=9).total_seconds())
    for number in range(2, 11):
        await commit(number)
    view = SettingsView(world.journal, world.trails)
    await LakeUpkeep(
        lake, world.event_data_stores, world.journal, world.signer, world.clock, world.identifiers, view.catch_up
    ).catch_up()
    table = lake.table(store.arn)
    assert table is not None
    assert await table.compact() > 0
    world.clock.advance(timedelta(days=1).total_seconds())
    for number in range(11, COMMITS + 1):
        await commit(number)
    seals = world.event_data_stores.seals
    await LakeSealing(world.event_data_stores, seals, world.signer, world.clock).seal_all(lake.table)
    await tables.close()
    return Lake(folder, store, seals.seals[store.arn], world)


def event(name: str, moment: datetime) -> bytes:
    return orjson.dumps(
        {
            "eventVersion": "1.11",
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventID": f"event-{name}",
            "eventName": "CreateBucket",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            "managementEvent": True,
            "userIdentity": {"type": "Root", "sessionContext": {"attributes": {"mfaAuthenticated": "true"}}},
            "resources": [{"ARN": "arn:aws:s3:::logs"}],
            "x-more": 1,
        }
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return asyncio.run(build(tmp_path_factory.mktemp("built")))


@pytest.fixture
def lake(built: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(built.folder, tmp_path / "lake")
    return replace(built, folder=tmp_path / "lake")


def change_record(lake: Lake) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0]["eventjson"] = rows[0]["eventjson"].replace("CreateBucket", "DeleteBucket")
        return rows

    lake.rewrite(lake.files("compact-*")[0], change)


def change_row_throughout(lake: Lake) -> None:
    """Change an event in its record, its columns and its checksum alike."""

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        text = rows[0]["eventjson"].replace("CreateBucket", "DeleteBucket")
        checksum = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        rows[0] |= {"eventjson": text, "eventname": "DeleteBucket", "eventjsonchecksum": checksum}
        return rows

    lake.rewrite(lake.files("compact-*")[0], change)


def change_column(lake: Lake) -> None:
    lake.rewrite(
        lake.files("compact-*")[0], lambda rows: [{**row, "eventname": "Nothing"} for row in rows[:1]] + rows[1:]
    )


def change_nested_column(lake: Lake) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[1]["useridentity"]["sessioncontext"]["attributes"]["mfaauthenticated"] = "false"
        return rows

    lake.rewrite(lake.files("commit-*14.parquet")[0], change)


def move_event_in_time(lake: Lake) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0]["eventtime"] -= timedelta(hours=5)
        return rows

    lake.rewrite(lake.files("commit-*14.parquet")[0], change)


def remove_row(lake: Lake) -> None:
    lake.rewrite(lake.files("compact-*")[0], lambda rows: rows[1:])


def remove_row_and_renumber(lake: Lake) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "_index": at} for at, row in enumerate(rows[1:])]

    lake.rewrite(lake.files("commit-*12.parquet")[0], change)


def add_row(lake: Lake) -> None:
    lake.rewrite(lake.files("commit-*12.parquet")[0], lambda rows: [*rows, {**rows[-1], "_index": len(rows)}])


def repeat_row(lake: Lake) -> None:
    lake.rewrite(lake.files("commit-*12.parquet")[0], lambda rows: [*rows, rows[-1]])


def swap_rows(lake: Lake) -> None:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[0]["_index"], rows[1]["_index"] = 1, 0
        return rows

    lake.rewrite(lake.files("commit-*12.parquet")[0], change)


def move_row_to_another_commit(lake: Lake) -> None:
    lake.rewrite(lake.files("commit-*12.parquet")[0], lambda rows: [*rows[:-1], {**rows[-1], "_commit": 13}])


def remove_file(lake: Lake) -> None:
    lake.files("commit-*12.parquet")[0].unlink()


def cut_file(lake: Lake) -> None:
    file = lake.files("commit-*12.parquet")[0]
    file.write_bytes(file.read_bytes()[:-100])


def swap_files(lake: Lake) -> None:
    one, other = lake.files("commit-*12.parquet")[0], lake.files("commit-*13.parquet")[0]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def put_file_twice(lake: Lake) -> None:
    """Have a version of the log's own form name a copy of a file."""
    file = lake.files("commit-*12.parquet")[0]
    copy = file.with_name("commit-000000000099.parquet")
    shutil.copy(file, copy)
    last = lake.versions("commit")[-1]
    add = next(line for line in last.read_bytes().splitlines() if b'"add"' in line)
    action = orjson.loads(add)
    action["add"]["path"] = str(copy.relative_to(lake.table))
    info = {"commitInfo": {"operation": "WRITE"}}
    number = int(lake.versions()[-1].stem) + 1
    (lake.log / f"{number:020d}.json").write_bytes(orjson.dumps(info) + b"\n" + orjson.dumps(action))


def remove_last_commits(lake: Lake) -> None:
    for path in lake.versions()[-2:]:
        path.unlink()


def remove_commit_in_the_middle(lake: Lake) -> None:
    lake.versions("commit")[-2].unlink()


def close_the_gap(lake: Lake) -> None:
    """Remove a commit and its file, and move the later versions up."""
    gone, last = lake.versions("commit")[-2:]
    for line in gone.read_bytes().splitlines():
        action = orjson.loads(line)
        if "add" in action:
            (lake.table / action["add"]["path"]).unlink()
    last.replace(gone)


def rewrite_the_log(lake: Lake) -> None:
    """Remove a commit with its file as if it had never been: later ones take its number, and the chain is made anew."""
    close_the_gap(lake)
    restate(lake.versions()[-1], lambda said: said.update(number=said["number"] - 1))
    file = lake.files("commit-*14.parquet")[0]
    lake.rewrite(file, lambda rows: [{**row, "_commit": 13} for row in rows])
    chain_again(lake)


def change_row_and_its_root(lake: Lake) -> None:
    """Change an event, and the root that its commit says, and every hash that follows."""
    file = lake.files("commit-*12.parquet")[0]
    lake.rewrite(file, lambda rows: rows[:-1])
    left = [text.encode() for text in pq.ParquetFile(file).read()["eventjson"].to_pylist()]
    path = next(path for path in lake.versions("commit") if statement(path)["number"] == 12)

    def change(said: dict[str, Any]) -> None:
        (day,) = said["days"]
        said["days"][day] = {"count": len(left), "root": tree_hash(left)}

    restate(path, change)
    chain_again(lake)


def forge_tombstone(lake: Lake) -> None:
    def change(said: dict[str, Any]) -> None:
        signed = orjson.loads(said["tombstone"]["statement"])
        signed["days"] = {day: {"count": 0, "root": "00"} for day in signed["days"]}
        said["tombstone"]["statement"] = orjson.dumps(signed).decode()

    restate(lake.versions("drop")[0], change)


def unsigned_tombstone(lake: Lake) -> None:
    restate(lake.versions("drop")[0], lambda said: said.update(tombstone={}))


def drop_a_day(lake: Lake) -> None:
    """End a day by a version of the log's own form, with the tombstone of another day."""
    drop = lake.versions("drop")[0]
    place = statement(lake.versions()[-1])
    head = hashlib.sha256(orjson.dumps(place)).hexdigest()
    day = lake.files("compact-*")[0].parent.name.partition("=")[2]
    said = statement(drop) | {"days": [day], "number": place["number"], "head": head, "position": place["position"]}
    file = lake.files("compact-*")[0]
    remove = {
        "path": str(file.relative_to(lake.table)),
        "dataChange": True,
        "deletionTimestamp": 0,
        "extendedFileMetadata": True,
        "partitionValues": {"calendarday": day},
        "size": file.stat().st_size,
    }
    actions = [{"commitInfo": {"opentrail": orjson.dumps(said).decode()}}, {"remove": remove}]
    number = int(lake.versions()[-1].stem) + 1
    (lake.log / f"{number:020d}.json").write_bytes(b"\n".join(map(orjson.dumps, actions)))


def remove_tombstone(lake: Lake) -> None:
    lake.versions("drop")[0].unlink()


def hide_file_by_checkpoint(lake: Lake) -> None:
    """Have a checkpoint leave a file out, which every reader of Delta believes."""
    DeltaTable(str(lake.table)).create_checkpoint()
    (path,) = lake.log.glob("*.checkpoint.parquet")
    rows = pq.read_table(path)
    kept = [row for row in rows.to_pylist() if "commit-000000000012" not in str((row["add"] or {}).get("path"))]
    pq.write_table(pa.Table.from_pylist(kept, rows.schema), path)
    last = lake.log / "_last_checkpoint"
    last.write_bytes(orjson.dumps({"version": int(path.name[:20]), "size": len(kept)}))


def hide_file_by_its_times(lake: Lake) -> None:
    """Have the log say times of a file for which nobody looks."""
    path = next(path for path in lake.versions("commit") if statement(path)["number"] == 12)
    actions = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for action in actions:
        if "add" in action:
            stats = orjson.loads(action["add"]["stats"])
            stats["maxValues"] = stats["minValues"] = {"eventtime": "2016-01-01T00:00:00.000000Z"}
            action["add"]["stats"] = orjson.dumps(stats).decode()
    path.write_bytes(b"\n".join(map(orjson.dumps, actions)))


def tear_log(lake: Lake) -> None:
    lake.versions("commit")[-2].write_bytes(b"{")


def remove_what_was_set_aside(lake: Lake) -> None:
    for path in (lake.folder / lake.store.id / "set-aside").iterdir():
        path.unlink()


def remove_everything(lake: Lake) -> None:
    shutil.rmtree(lake.folder / lake.store.id)


MANIPULATIONS: list[tuple[Callable[[Lake], None], str]] = [
    (change_record, "CHANGED .*compact-.*: event event-.* what its record says"),
    (change_row_throughout, "CHANGED commit 2 of .*: its 3 events are not those committed"),
    (change_column, r"CHANGED .*: event event-.* \(row 0 of commit .\): its column eventname"),
    (change_nested_column, r"CHANGED .*commit-.*14.parquet: event event-14-1 .*: its column useridentity"),
    (move_event_in_time, "CHANGED .*: event event-14-0 .*: its column eventtime"),
    (remove_row, r"REMOVED commit 2 of .*: 1 of its 3 events \(row 0\)"),
    (remove_row_and_renumber, r"REMOVED commit 12 of .*: 1 of its 3 events \(row 2\)"),
    (add_row, "ADDED commit 12 of .*: 1 events more than its 3"),
    (repeat_row, "ADDED commit 12 of .*: 1 events more than its 3"),
    (swap_rows, "CHANGED commit 12 of .*: its 3 events are not those committed"),
    (move_row_to_another_commit, r"REMOVED commit 12 of .*: 1 of its 3 events \(row 2\)"),
    (remove_file, "REMOVED calendarday=.*commit-000000000012.parquet: it is not there"),
    (cut_file, "CHANGED calendarday=.*commit-000000000012.parquet: it cannot be read"),
    (swap_files, "CHANGED calendarday=.*commit-000000000012.parquet: the log says another size"),
    (put_file_twice, "ADDED version .* of the log: no statement"),
    (remove_last_commits, "REMOVED commits 13 to 14: they were there at .*, by its seal"),
    (remove_commit_in_the_middle, "REMOVED version .* of the log: it is not there"),
    (close_the_gap, "REMOVED commit 13: the log goes on behind"),
    (rewrite_the_log, "REMOVED commit 14: they were there at .*, by its seal"),
    (change_row_and_its_root, "CHANGED commit 14 or one before it: the seal of .* vouches for another"),
    (forge_tombstone, "FORGED the tombstone of .*: no key of this installation signed it"),
    (unsigned_tombstone, "FORGED the tombstone of .*: no key of this installation signed it"),
    (drop_a_day, "FORGED the tombstone of .*: it names other days"),
    (remove_tombstone, "REMOVED version .* of the log: it is not there"),
    (hide_file_by_checkpoint, "REMOVED .*commit-000000000012.parquet: a checkpoint keeps it from readers"),
    (hide_file_by_its_times, "CHANGED .*commit-000000000012.parquet: the log says another size"),
    (tear_log, "CHANGED version .* of the log: .* is not JSON"),
    (remove_what_was_set_aside, "CHANGED what commit 14 set aside: 1 records were set aside, 0 are there"),
    (remove_everything, "REMOVED commits 1 to 14: they were there at .*, by its seal"),
]
"""Each manipulation, and what names it."""


async def test_untouched_lake_is_valid(lake: Lake) -> None:
    summary = await lake.verify()

    assert summary.findings == []
    assert (summary.commits, summary.events, summary.ended_days) == (COMMITS, EVENTS, 1)
    assert (summary.set_aside, summary.sealed_commits) == (1, COMMITS)


@pytest.mark.parametrize(("manipulate", "named"), MANIPULATIONS, ids=[made.__name__ for made, _ in MANIPULATIONS])
async def test_manipulation_is_named(lake: Lake, manipulate: Callable[[Lake], None], named: str) -> None:
    manipulate(lake)

    summary = await lake.verify()

    assert not summary.is_valid
    texts = "\n".join(finding.text() for finding in summary.findings)
    assert re.search(named, texts), texts


@pytest.mark.slow
async def test_files_read_in_processes_of_their_own_give_the_same_findings(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_column(lake)
    remove_row_and_renumber(lake)
    swap_files(lake)
    alone = await lake.verify()
    monkeypatch.setattr(audit, "FEW_FILES", 0)

    together = await lake.verify(workers=2)

    assert together == alone
    assert len(alone.findings) > 3


@pytest.mark.parametrize("sealed", [0, 1])
async def test_commits_that_no_seal_covers_are_named_and_leave_the_verdict_as_it_is(lake: Lake, sealed: int) -> None:
    first = statement(next(path for path in lake.versions("commit")))
    head = hashlib.sha256(orjson.dumps(first)).hexdigest() if sealed else FIRST
    said = orjson.loads(lake.seal.statement) | {"commits": sealed, "head": head}
    text = orjson.dumps(said).decode()
    signature = await lake.world.signer.sign(REGION, lake.seal.fingerprint, text.encode())

    summary = await replace(lake, seal=replace(lake.seal, statement=text, signature=signature)).verify()

    assert [finding.text() for finding in summary.findings] == [
        f"UNPROVEN commits {sealed + 1} to {COMMITS}: not sealed yet: only the log vouches"
    ]
    assert summary.is_valid


async def test_forged_seal_is_named(lake: Lake) -> None:
    forged = replace(lake.seal, statement=lake.seal.statement.replace('"commits":14', '"commits":12'))

    summary = await replace(lake, seal=forged).verify()

    assert not summary.is_valid
    assert summary.findings[0].text().startswith("FORGED the seal of")
