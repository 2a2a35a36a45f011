"""An event data store with a KMS key: nothing of its events is on the disk or in the bucket in the clear, and all that
is done with a store works on it for as long as the key can be used."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.adapters.lake_table.bucket_audit import BucketLakeAudit
from opentrail.adapters.lake_table.encryption import is_encrypted, parquet_file
from opentrail.adapters.lake_table.local import LocalLakeTables
from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.adapters.query_engine.counting import DuckDbCounting
from opentrail.adapters.query_engine.duckdb import DuckDbEngine
from opentrail.adapters.query_log.local import LocalQueryLog
from opentrail.aws.cloudtrail import SERVICE, errors
from opentrail.aws.service import Outcome
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_sealing import LakeSealing
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.ports.lake_audit import LakeAudit
from opentrail.ports.lake_keys import KeyRingStoreKeys, StoreKeyRefused
from opentrail.ports.lake_table import SNAPSHOT_HOURS, Batch, LoadedBatch
from opentrail.ports.replay import CountingJob, RuleToCount
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.lake_verification import LakeVerification
from opentrail.query.replay.lake import tables_of
from opentrail.query.result_delivery import ResultDelivery
from opentrail.query.store_result_keys import StoreResultKeys
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.key import KeyState
from opentrail.resource.lake_query import LakeQuery
from tests.builders import World, a_credential, a_key, a_root, an_event
from tests.memory.object_store import InMemoryObjectStores
from tests.memory.table_objects import InMemoryObjects

CANARY = "canary-of-the-store"
POLICY = orjson.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudtrail.amazonaws.com"},
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": "*",
            },
        ],
    }
).decode()
KEY = a_key(policy=POLICY)
pytestmark = pytest.mark.slow


def records(first: int, count: int, **members: Any) -> list[bytes]:
    """Return events that have the canary wherever a caller can put a text."""
    return [
        orjson.dumps(
            an_event(
                "CreateUser",
                eventID=f"{CANARY}-{number}",
                requestParameters={"userName": f"{CANARY}-{number}"},
                userAgent=CANARY,
                userIdentity={"type": "IAMUser", "userName": CANARY, "arn": f"arn:aws:iam::123456789012:user/{CANARY}"},
                **members,
            )
        )
        for number in range(first, first + count)
    ]


def loaded(first: int, count: int) -> LoadedBatch:
    return LoadedBatch(records(first, count))


class Stage:
    """A lake with its queries, in a folder, or in a bucket that the folder mirrors."""

    def __init__(self, folder: Path, objects: InMemoryObjects | None) -> None:
        self.folder = folder
        self.objects = objects
        self.world = World()
        self.keys = KeyRingStoreKeys(self.world.key_ring)
        mirror = None if objects is None else Mirror(objects, "s3://audit", folder / "lake", "this one", 1 << 30)
        self.tables = LocalLakeTables(folder / "lake", mirror, self.keys)
        stores = self.world.event_data_stores
        sealing = LakeSealing(stores, stores.seals, self.world.signer, self.world.clock)
        self.sealing = sealing
        self.lake = LakeDelivery(self.world.journal, stores, self.tables, self.world.clock, on_open=sealing.seal)
        self.queries = LakeQueries(
            LocalQueryLog(folder / "queries", LakeQuery.from_json),
            self.tables.engine(DuckDbEngine(folder / "queries", spare_seconds=60)),
            self.lake,
            self.world.clock,
            self.world.identifiers,
            delivery=ResultDelivery(InMemoryObjectStores(self.world.bucket), self.world.signer, first_pause_seconds=0),
            results=StoreResultKeys(self.keys, stores),
        )
        self.ports = replace(self.world.ports, queries=self.queries, lake=self.lake)

    async def run(self, operation: str, **parameters: Any) -> dict[str, Any]:
        call = self.world.call(operation, parameters, credential=a_credential(a_root()))
        outcome = await SERVICE.handlers[operation].run(self.ports, call)
        await self.world.carry_out(outcome)
        return dict(outcome.output)

    async def make_store(self, name: str, **parameters: Any) -> str:
        return str((await self.run("CreateEventDataStore", Name=name, **parameters))["EventDataStoreArn"])

    async def store(self, arn: str) -> EventDataStore:
        store = await self.world.event_data_stores.event_data_store(arn)
        assert store is not None
        return store

    async def record(self, *events: bytes) -> None:
        await self.world.journal.append([EventEntry(event) for event in events])

    async def fill(self, arn: str) -> int:
        """Bring events in every way, join their files, and leave some that no file has; return how many they are."""
        for first in range(0, 16, 2):
            await self.record(*records(first, 2))
            await self.lake.flush()
        await self.record(*records(90, 1, eventTime="1999-01-01T00:00:00Z"))
        await self.lake.flush()
        await self.lake.append(arn, Batch("import/1", ("s3://logs/a.json.gz",), partial(loaded, 14, 10)))
        table = self.lake.table(arn)
        assert table is not None
        assert await table.compact() >= 8
        await self.record(*records(50, 2))
        return 16 + 8 + 2

    async def answer(self, sql: str) -> list[list[str | None]]:
        query = await self.ended((await self.run("StartQuery", QueryStatement=sql))["QueryId"])
        assert query["QueryStatus"] == "FINISHED", query
        shown = await self.run("GetQueryResults", QueryId=query["QueryId"])
        return [[next(iter(cell.values())) for cell in row] for row in shown["QueryResultRows"]]

    async def ended(self, query_id: str) -> dict[str, Any]:
        while True:
            shown = await self.run("DescribeQuery", QueryId=query_id)
            if shown["QueryStatus"] not in ("QUEUED", "RUNNING"):
                return shown
            await asyncio.sleep(0.02)

    async def set_key(self, state: KeyState) -> None:
        before = await self.world.keys.find(KEY.arn)
        assert before is not None
        await self.world.keys.change(before, replace(before, state=state))

    def telling(self, word: str = CANARY) -> list[str]:
        """Return what, of all files and objects, has a word in the clear."""
        found = {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        if self.objects is not None:
            found |= {key: body for key, (body, _) in self.objects.kept.items()}
        return sorted(name for name, body in found.items() if word.encode() in body or is_plain(name, body))

    async def verify(self, arn: str) -> tuple[list[str], int]:
        """Return what a verification finds, and how many events it counted."""
        await self.sealing.seal_all(self.lake.table)
        seal = await self.world.event_data_stores.seals.seal(arn)
        audit: LakeAudit = LocalLakeAudit(self.folder / "lake", 1, self.keys)
        if (objects := self.objects) is not None:
            audit = BucketLakeAudit(lambda: objects, 1, self.keys)
        now = self.world.clock.now()
        assert seal is not None
        summary = await LakeVerification(await self.store(arn), [seal], audit, self.world.signer, now).run()
        return [finding.text() for finding in summary.findings], summary.events

    async def close(self) -> None:
        await self.queries.close()
        await self.tables.close()


def is_plain(name: str, body: bytes) -> bool:
    """Say whether a file has rows in the clear: those of Parquet are compressed, so that no word stands in them."""
    return name.endswith(".parquet") and not body.startswith(b"PARE")


@pytest.fixture(params=["home", "bucket"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, InMemoryObjects() if request.param == "bucket" else None)
    await stage.world.add_key(KEY, "alias/lake")
    yield stage
    await stage.close()


async def test_nothing_of_an_encrypted_store_lies_anywhere_in_the_clear(stage: Stage) -> None:
    arn = await stage.make_store("secret", KmsKeyId="alias/lake")
    table = arn.rpartition("/")[2]
    count = await stage.fill(arn)

    names = await stage.answer(f"SELECT userIdentity.userName, count(*) FROM {table} GROUP BY 1")
    rows = await stage.answer(f"SELECT eventJson FROM {table} WHERE eventID = '{CANARY}-3'")
    started = await stage.run("StartQuery", QueryStatement=f"SELECT CAST(userAgent AS integer) FROM {table}")
    failed = await stage.ended(started["QueryId"])

    assert names == [[CANARY, str(count)]]
    assert orjson.loads(rows[0][0] or "")["requestParameters"] == {"userName": f"{CANARY}-3"}
    assert failed["QueryStatus"] == "FAILED"
    assert CANARY not in failed["ErrorMessage"]
    # The statement is its writer's, and shown as it was written.
    assert [name for name in stage.telling() if not name.endswith("query.json")] == []
    assert await stage.verify(arn) == ([], count - 2)


async def test_the_same_search_finds_a_store_without_a_key(stage: Stage) -> None:
    arn = await stage.make_store("open")
    await stage.fill(arn)
    await stage.answer(f"SELECT eventID FROM {arn.rpartition('/')[2]}")

    kinds = {Path(name).suffix for name in stage.telling()}

    assert kinds == {".parquet", ".ndjson", ""}


async def test_stores_with_and_without_a_key_are_asked_together_and_counted_by_rules(stage: Stage) -> None:
    secret, public = await stage.make_store("secret", KmsKeyId=KEY.arn), await stage.make_store("open")
    one, other = secret.rpartition("/")[2], public.rpartition("/")[2]
    await stage.record(*records(0, 5))
    await stage.lake.flush()
    await stage.record(*records(5, 1))

    joined = await stage.answer(f"SELECT count(*) FROM {one} a JOIN {other} b ON a.eventID = b.eventID")
    job = CountingJob(
        (RuleToCount("r", "event-pattern", orjson.dumps({"detail": {"eventName": ["CreateUser"]}}).decode()),),
        0, int(time.time()) + 10**8, 5, "123456789012", ("us-east-1",),
    )  # fmt: skip
    counting = stage.tables.counting(DuckDbCounting(stage.folder / "queries"))
    counted = await counting.count(tables_of(await stage.lake.snapshot(secret), job), job, lambda done, total: None)

    assert joined == [["6"]]
    assert counted.events == 6
    assert {Path(name).parts[-4] for name in stage.telling() if name.endswith(".parquet")} == {other}


async def test_a_key_that_cannot_be_used_stops_reading_and_writing_and_nothing_is_lost(stage: Stage) -> None:
    arn = await stage.make_store("secret", KmsKeyId="alias/lake")
    sql = f"SELECT eventID FROM {arn.rpartition('/')[2]}"
    await stage.record(*records(0, 3))
    await stage.lake.flush()
    query_id = (await stage.run("StartQuery", QueryStatement=sql))["QueryId"]
    await stage.ended(query_id)

    await stage.set_key(KeyState.DISABLED)
    await stage.record(*records(3, 3))
    now = stage.world.clock.now()
    await stage.lake.tick(now)
    await stage.lake.tick(now + timedelta(minutes=1))
    with pytest.raises(errors.InsufficientEncryptionPolicyException):
        await stage.run("StartQuery", QueryStatement=sql)
    with pytest.raises(errors.InsufficientEncryptionPolicyException):
        await stage.run("GetQueryResults", QueryId=query_id)
    with pytest.raises(StoreKeyRefused, match="disabled"):
        await stage.lake.append(arn, Batch("import/1", ("s3://logs/a",), partial(loaded, 90, 1)))
    refused = [(state.is_failing, state.is_refused) for state in stage.lake.states()]
    held = stage.lake.holds()
    await stage.set_key(KeyState.ENABLED)
    await stage.lake.tick(now + timedelta(minutes=10))
    await stage.lake.flush()

    assert refused == [(True, True)]
    assert held < stage.world.journal.head()
    assert [(state.is_failing, state.is_refused) for state in stage.lake.states()] == [(False, False)]
    assert len(await stage.answer(sql)) == 6
    assert len((await stage.run("GetQueryResults", QueryId=query_id))["QueryResultRows"]) == 3


async def test_a_store_that_ends_after_its_key_was_destroyed_is_removed(stage: Stage) -> None:
    arn = await stage.make_store("secret", KmsKeyId="alias/lake", TerminationProtectionEnabled=False)
    await stage.record(*records(0, 3))
    await stage.lake.flush()
    await stage.record(*records(3, 3))
    await stage.set_key(KeyState.DISABLED)
    await stage.run("DeleteEventDataStore", EventDataStore=arn)

    gone = await stage.store(arn)
    await stage.world.carry_out(Outcome(settings=(SettingsEntry(arn, None),)))
    await stage.lake.tick(stage.world.clock.now() + timedelta(minutes=30))

    assert stage.lake.states() == []
    assert not (stage.folder / "lake" / gone.id).exists()


async def test_a_key_that_a_store_gets_later_encrypts_what_it_has(stage: Stage) -> None:
    arn = await stage.make_store("audit")
    await stage.record(*records(0, 3), *records(90, 1, eventTime="1999-01-01T00:00:00Z"))
    await stage.lake.flush()

    updated = await stage.run("UpdateEventDataStore", EventDataStore=arn, KmsKeyId="alias/lake")
    await stage.record(*records(3, 3))
    await stage.lake.flush()
    table = stage.lake.table(arn)
    assert table is not None
    between = {is_encrypted(file.location): file.rows for file in (await table.version()).files}
    await table.compact()
    version = await table.version()

    assert updated["KmsKeyId"] == KEY.arn
    assert between == {False: 3, True: 3}
    assert {is_encrypted(file.location): file.rows for file in version.files} == {True: 6}
    assert len(await stage.answer(f"SELECT eventID FROM {arn.rpartition('/')[2]}")) == 6
    assert await stage.verify(arn) == ([], 6)
    if stage.objects is None:
        forget(stage.folder)
        await table.vacuum()
        assert [name for name in stage.telling() if not name.endswith("query.json")] == []


def forget(folder: Path) -> None:
    """Have all files be older than any snapshot that reads them."""
    for path in folder.rglob("*"):
        then = time.time() - SNAPSHOT_HOURS * 3600 - 60
        os.utime(path, (then, then))


async def test_a_file_opens_with_its_own_key_alone(stage: Stage) -> None:
    arn = await stage.make_store("secret", KmsKeyId="alias/lake")
    for first in (0, 1):
        await stage.record(*records(first, 1))
        await stage.lake.flush()
    one, other = (await stage.lake.snapshot(arn)).files

    with parquet_file(one.location, one.key) as file:
        assert file.metadata.num_rows == 1
    with pytest.raises(OSError, match=r"\w"):
        pq.ParquetFile(one.location)
    with pytest.raises(OSError, match=r"\w"):
        parquet_file(one.location, other.key)
