"""Seeded runs of lake delivery over Delta tables, in a process that dies at any step of a write.

Whatever the seed: every event that a store's selectors pick from its creation on is in its table exactly once, in a
commit whose count and root are true, and a query sees all of them at any moment.
"""

import asyncio
import os
import random
from datetime import timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.lake_table.delta import DeltaLakeTable, DeltaLakeTables
from opentrail.digest.merkle import tree_hash
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_reader import LakeReader
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from tests.builders import ACCOUNT, REGION, World
from tests.simulation.fail_points import PowerCut

SEEDS = int(os.environ.get("OPENTRAIL_SIMULATION_SEEDS", "200"))
SEEDS_PER_TEST = 10
STEPS = 12


class Run:
    """One seed: one store over a growing journal, with a process that keeps dying inside the table's writes."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.world = World()
        self.expected: list[str] = []
        self.cuts = 0
        self.left: int | None = None
        self.store = EventDataStore(
            arn=event_data_store_arn(REGION, ACCOUNT, f"11111111-1111-4111-8111-{seed:012d}"),
            name="audit",
            account_id=ACCOUNT,
            home_region=REGION,
            created_at=self.world.clock.now(),
            updated_at=self.world.clock.now(),
        )
        self.start_process()

    def start_process(self, *, is_safe: bool = False) -> None:
        self.left = None if is_safe else self.chance.choice((None, self.chance.randint(1, 30)))
        self.tables = DeltaLakeTables(self.folder, fault=self._fault)
        self.lake = LakeDelivery(self.world.journal, self.world.event_data_stores, self.tables, self.world.clock)

    def _fault(self, step: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise PowerCut

    async def put_store(self) -> None:
        entry = SettingsEntry(self.store.arn, self.store.to_json())
        await self.world.trails.apply(await self.world.journal.append([entry]), entry)

    async def record(self) -> None:
        number = len(self.expected) + 1
        moment = self.world.clock.now() - timedelta(days=self.chance.choice((0, 0, 0, 1, 5)))
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
        self.expected.append(str(event["eventID"]) if is_ours and not is_old else "")

    async def step(self) -> None:
        for _ in range(self.chance.randint(0, 30)):
            await self.record()
        self.world.clock.advance(self.chance.choice((1, 12)))
        try:
            await self.lake.tick(self.world.clock.now())
            reader = self.lake._readers.get(self.store.arn)
            if reader is not None and reader.table is not None and self.chance.random() < 0.4:
                await reader.table.compact()
                await reader.table.vacuum()
            if self.chance.random() < 0.3:
                assert await self.seen() == sorted(filter(None, self.expected))
        except PowerCut:
            self.cuts += 1
            await self.tables.close()
            self.start_process()

    async def seen(self) -> list[str]:
        snapshot = await self.lake.snapshot(self.store.arn)
        found = [] if snapshot.fresh is None else snapshot.fresh["eventid"].to_pylist()  # type: ignore[index]
        for file in snapshot.files:
            found += pq.ParquetFile(file.location).read(columns=["eventid"])["eventid"].to_pylist()
        return sorted(found)

    async def finish(self) -> None:
        await self.tables.close()
        self.start_process(is_safe=True)
        await self.lake.flush()
        assert await self.seen() == sorted(filter(None, self.expected))
        assert (await self.lake.snapshot(self.store.arn)).fresh_rows == 0
        await self.check_proofs()
        await self.tables.close()

    async def check_proofs(self) -> None:
        reader = self.lake._readers[self.store.arn]
        assert isinstance(reader, LakeReader)
        assert isinstance(reader.table, DeltaLakeTable)
        rows = [
            (row["_commit"], file.day, row["_index"], row["eventjson"].encode())
            for file in (await reader.table.version()).files
            for row in pq.ParquetFile(file.location).read(columns=["_commit", "_index", "eventjson"]).to_pylist()
        ]
        for commit in await reader.table.commits():
            for day, proof in commit.days.items():
                records = [row[3] for row in sorted(rows) if row[:2] == (commit.number, day)]
                assert (len(records), tree_hash(records)) == (proof.count, proof.root)


async def run(seed: int, folder: Path) -> int:
    run = Run(seed, folder)
    await run.put_store()
    for _ in range(STEPS):
        await run.step()
    await run.finish()
    return run.cuts


@pytest.mark.simulate
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_nothing_is_lost_and_nothing_is_there_twice(first: int, tmp_path: Path) -> None:
    cuts = sum(asyncio.run(run(seed, tmp_path)) for seed in range(first, first + SEEDS_PER_TEST))

    assert cuts > 0, "the seeds of this range never cut the power"
