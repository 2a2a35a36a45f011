"""Seeded runs of lake delivery over Delta tables, in a process that dies at any step of a write.

Whatever the seed: every event that a store's selectors pick from its creation on is in its table exactly once until the
retention ends its day, a query sees all of them at any moment, and ``verify-lake`` finds nothing wrong: commits,
compactions, days that ended, their tombstones and the seals agree. Every other seed has its table in a bucket that is
away for a while now and then, whose calls are cut off before and after they did their work, and whose copy in the home
gets lost. Of three seeds one has a KMS key, and one gets a key on the way; the key cannot be used now and then.
"""

import asyncio
import os
import random
import shutil
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.lake_table.audit import LocalLakeAudit
from opentrail.adapters.lake_table.bucket_audit import BucketLakeAudit
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.adapters.lake_table.encryption import is_encrypted, parquet_file
from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_sealing import LakeSealing
from opentrail.pipeline.lake_upkeep import LakeUpkeep
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.ports.lake_audit import LakeAudit
from opentrail.query.lake_verification import LakeVerification
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from tests.builders import ACCOUNT, REGION, World
from tests.memory.store_keys import InMemoryStoreKeys
from tests.memory.table_objects import InMemoryObjects
from tests.simulation.fail_points import PowerCut

SEEDS = int(os.environ.get("OPENTRAIL_SIMULATION_SEEDS", "200"))
SEEDS_PER_TEST = 10
QUICK_SEEDS = 12
STEPS = 12
RETENTION_DAYS = 7
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-4333-8444-555555555555"
KEPT_BYTES = 40_000
"""Of a table in a bucket, in the home: a few of its files."""


class Run:
    """One seed: one store over a growing journal, with a process that keeps dying inside the table's writes."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.gets_key = seed % 3 == 1
        self.keys = InMemoryStoreKeys()
        self.folder = folder
        self.world = World()
        self.expected: dict[str, datetime] = {}
        self.recorded = 0
        self.ended = 0
        self.cuts = 0
        self.left: int | None = None
        self.objects = InMemoryObjects(self._bucket_fault) if seed % 2 else None
        self.mirror: Mirror | None = None
        self.store = EventDataStore(
            arn=event_data_store_arn(REGION, ACCOUNT, f"11111111-1111-4111-8111-{seed:012d}"),
            name="audit",
            account_id=ACCOUNT,
            home_region=REGION,
            created_at=self.world.clock.now(),
            updated_at=self.world.clock.now(),
            retention_days=RETENTION_DAYS,
            kms_key_id="" if seed % 3 else KEY,
        )
        self.start_process()

    def start_process(self, *, is_safe: bool = False) -> None:
        self.left = None if is_safe else self.chance.choice((None, self.chance.randint(1, 30)))
        if self.objects is not None:
            self.objects.is_away = False
            self.objects.now = self.world.clock.now
            self.mirror = Mirror(self.objects, "s3://audit", self.folder, "this one", KEPT_BYTES)
        self.tables = DeltaLakeTables(self.folder, fault=self._fault, mirror=self.mirror, keys=self.keys)
        self.lake = LakeDelivery(self.world.journal, self.world.event_data_stores, self.tables, self.world.clock)

    def _fault(self, step: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise PowerCut

    def _bucket_fault(self, call: str, key: str, is_done: bool) -> None:
        if call != "list":
            self._fault(call)

    async def end_process(self, *, is_last: bool = False) -> None:
        await self.tables.close()
        if self.mirror is not None:
            self.mirror.close()
            if self.chance.random() < 0.3 and not is_last:
                shutil.rmtree(self.folder / self.store.id, ignore_errors=True)

    async def put_store(self) -> None:
        entry = SettingsEntry(self.store.arn, self.store.to_json())
        await self.world.trails.apply(await self.world.journal.append([entry]), entry)

    async def record(self) -> None:
        self.recorded += 1
        number = self.recorded
        moment = (self.world.clock.now() - timedelta(days=self.chance.choice((0, 0, 0, 1, 5)))).replace(microsecond=0)
        is_old = self.chance.random() < 0.05
        event = {
            "eventVersion": "1.11",
            "eventTime": "1999-01-01T00:00:00Z" if is_old else moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventID": f"event-{number:06d}",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT if self.chance.random() < 0.9 else "999999999999",
            "eventCategory": self.chance.choice(("Management", "Management", "Data")),
            "managementEvent": True,
        }
        is_ours = event["recipientAccountId"] == ACCOUNT and event["eventCategory"] == "Management"
        await self.world.journal.append([EventEntry(orjson.dumps(event))])
        if is_ours and not is_old:
            self.expected[str(event["eventID"])] = moment

    async def turn_key(self) -> None:
        """Give a store its key, or have a round in which the key that it has cannot be used."""
        if self.gets_key and self.chance.random() < 0.2:
            self.gets_key = False
            self.store = replace(self.store, kms_key_id=KEY)
            await self.put_store()
        elif self.store.kms_key_id and self.chance.random() < 0.2:
            self.keys.is_refused = True
            try:
                await self.lake.tick(self.world.clock.now())
            finally:
                self.keys.is_refused = False

    async def step(self) -> None:
        for _ in range(self.chance.randint(0, 30)):
            await self.record()
        self.world.clock.advance(self.chance.choice((1, 12, 12, 2 * 24 * 3600)))
        try:
            await self.turn_key()
            if self.objects is not None and self.chance.random() < 0.2:
                self.objects.is_away = True
                await self.lake.tick(self.world.clock.now())
                self.objects.is_away = False
                return
            await self.lake.tick(self.world.clock.now())
            reader = self.lake._readers.get(self.store.arn)
            if reader is not None and reader.table is not None and self.chance.random() < 0.4:
                await reader.table.compact()
                await reader.table.vacuum()
            if self.chance.random() < 0.3:
                await self.check_seen()
            if self.chance.random() < 0.4:
                await self.keep_up()
        except PowerCut:
            self.cuts += 1
            await self.end_process()
            self.start_process()

    async def keep_up(self) -> None:
        """End the days whose time is over, and seal the table."""
        world = self.world
        view = SettingsView(world.journal, world.trails)
        stores, signer = world.event_data_stores, world.signer
        upkeep = LakeUpkeep(self.lake, stores, world.journal, signer, world.clock, world.identifiers, view.catch_up)
        await upkeep.catch_up()
        await LakeSealing(stores, stores.seals, signer, world.clock).seal_all(self.lake.table)

    async def check_seen(self) -> None:
        """Everything within the retention is there once; what is older may have ended, or come too late."""
        seen = [name for name in await self.seen() if name.startswith("event-")]
        since = self.store.keeps_since(self.world.clock.now())
        assert len(seen) == len(set(seen))
        assert set(seen) <= self.expected.keys()
        assert {name for name, moment in self.expected.items() if moment >= since} <= set(seen)

    async def seen(self) -> list[str]:
        snapshot = await self.lake.snapshot(self.store.arn)
        found = [] if snapshot.fresh is None else snapshot.fresh["eventid"].to_pylist()  # type: ignore[index]
        paths = [Path(file.location) for file in snapshot.files]
        with nullcontext() if self.mirror is None else self.mirror.reading(paths):
            for file in snapshot.files:
                with parquet_file(file.location, file.key) as parquet:
                    found += parquet.read(columns=["eventid"])["eventid"].to_pylist()
        return sorted(found)

    async def finish(self) -> None:
        await self.end_process()
        self.start_process(is_safe=True)
        await self.lake.flush()
        await self.check_seen()
        assert (await self.lake.snapshot(self.store.arn)).fresh_rows == 0
        await self.keep_up()
        await self.lake.flush()
        await self.check_proofs()
        await self.check_secrecy()
        await self.end_process(is_last=True)

    async def check_secrecy(self) -> None:
        """After a compaction nothing of a store with a key is listed, or set aside, in the clear."""
        if not self.store.kms_key_id:
            return
        async with self.lake.writing(self.store.arn) as table:
            assert table is not None
            await table.compact()
        snapshot = await self.lake.snapshot(self.store.arn)
        aside = (self.folder / self.store.id / "set-aside").glob("*.ndjson")
        names = [file.location for file in snapshot.files] + list(map(str, aside))
        assert all(is_encrypted(name) for name in names)

    async def check_proofs(self) -> None:
        seal = await self.world.event_data_stores.seals.seal(self.store.arn)
        audit: LakeAudit = LocalLakeAudit(self.folder, 1, self.keys)
        if (objects := self.objects) is not None:
            audit = BucketLakeAudit(lambda: objects, 1, self.keys)
        now = self.world.clock.now()
        verification = LakeVerification(self.store, [seal] if seal else [], audit, self.world.signer, now)
        summary = await verification.run()
        assert [finding.text() for finding in summary.findings if not finding.is_sound] == []
        self.ended = summary.ended_days


async def run(seed: int, folder: Path) -> Run:
    run = Run(seed, folder)
    await run.put_store()
    for _ in range(STEPS):
        await run.step()
    await run.finish()
    return run


def check(seeds: range, folder: Path) -> None:
    runs = [asyncio.run(run(seed, folder)) for seed in seeds]

    assert sum(run.cuts for run in runs) > 0, "the seeds of this range never cut the power"
    assert sum(run.ended for run in runs) > 0, "the seeds of this range never ended a day"


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_there_twice_in_a_few_runs(tmp_path: Path) -> None:
    check(range(1_000, 1_000 + QUICK_SEEDS), tmp_path)


@pytest.mark.simulate
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_nothing_is_lost_and_nothing_is_there_twice(first: int, tmp_path: Path) -> None:
    check(range(first, first + SEEDS_PER_TEST), tmp_path)
