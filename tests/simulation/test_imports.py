"""Seeded runs of imports over Delta tables, in a process that dies at any step of list, append, note or checkpoint.

Whatever the seed: every event of the source is in the table exactly once, beside those that the journal brings
meanwhile; every failure is listed once; and the counts add up to what the source holds.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.import_log.local import LocalImportLog
from opentrail.adapters.lake_table.delta import DeltaLakeTables
from opentrail.pipeline import import_job
from opentrail.pipeline.imports import Imports
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.ports.log_source import LogObject
from opentrail.resource.event_data_store import EventDataStore, event_data_store_arn
from opentrail.resource.lake_import import ImportFailure, ImportSource, ImportStatus, LakeImport
from tests.builders import ACCOUNT, REGION, World
from tests.memory.imports import InMemoryLogSource
from tests.simulation.fail_points import PowerCut

SEEDS = int(os.environ.get("OPENTRAIL_SIMULATION_SEEDS", "200"))
SEEDS_PER_TEST = 20
QUICK_SEEDS = 3
MAX_PROCESSES = 40


class Run:
    """One seed: an import that processes keep dying over, beside a journal that brings live events."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder / str(seed)
        self.world = World()
        self.cuts = 0
        now = self.world.clock.now()
        arn = event_data_store_arn(REGION, ACCOUNT, f"11111111-1111-4111-8111-{seed:012d}")
        self.store = EventDataStore(arn, "imported", ACCOUNT, REGION, now, now, retention_days=30)
        self.expected: set[str] = set()
        self.broken = 0
        self.live: list[str] = []
        self.objects = {f"a/{number:03d}": self._object(number) for number in range(self.chance.randint(5, 40))}
        self.import_id = ""

    def _event(self, event_id: str, category: str = "Management") -> bytes:
        day = self.world.clock.now().day - self.chance.randint(0, 3)
        return orjson.dumps(
            {
                "eventVersion": "1.11",
                "eventTime": f"2026-11-{day:02d}T08:00:00Z" if day > 0 else "2026-11-01T08:00:00Z",
                "eventID": event_id,
                "awsRegion": REGION,
                "recipientAccountId": ACCOUNT,
                "eventCategory": category,
                "managementEvent": True,
            }
        )

    def _object(self, number: int) -> bytes:
        if self.chance.random() < 0.1:
            self.broken += 1
            return b"nonsense"
        ids = [f"event-{number}-{at}" for at in range(self.chance.randint(1, 5))]
        self.expected.update(ids)
        return b"[" + b",".join(map(self._event, ids)) + b"]"

    def fault(self, step: str) -> None:
        """Cut the power at the step that the seed says; nothing works from then on."""
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise PowerCut

    async def start_process(self, *, is_safe: bool) -> None:
        self.left = None if is_safe else self.chance.randint(1, 60)
        self.tables = DeltaLakeTables(self.folder / "lake", fault=self.fault)
        self.lake = LakeDelivery(self.world.journal, self.world.event_data_stores, self.tables, self.world.clock)
        source = FaultySource(self.objects, self)
        self.imports = Imports(
            FaultyLog(self.folder / "imports", self),
            self.world.event_data_stores,
            lambda asked, selection: source,
            self.lake,
            self.world.clock,
            self.world.identifiers,
        )
        await self.imports.open()

    async def live_on(self) -> None:
        """Have the journal bring events meanwhile, and the table kept up."""
        for _ in range(self.chance.randint(0, 5)):
            self.live.append(f"live-{len(self.live)}")
            await self.world.journal.append([EventEntry(self._event(self.live[-1]))])
        if self.chance.random() < 0.5:
            await self.lake.flush()
        async with self.lake.writing(self.store.arn) as table:
            if table is not None and self.chance.random() < 0.3:
                await table.compact()
                await table.vacuum()

    async def one_process(self) -> LakeImport | None:
        """Run one process to the import's end or its own; return the import once it has ended."""
        await self.start_process(is_safe=self.cuts >= MAX_PROCESSES)
        try:
            if not self.import_id:
                self.import_id = (await self.imports.start(self.store, ImportSource("s3://logs/a"))).id
            await self.live_on()
            found = self.imports.find(self.import_id, ACCOUNT)
            assert found is not None
            ended: LakeImport | None = await self.imports.wait(found, 20)
        except PowerCut:
            ended = None
        finally:
            self.cuts += self.left is not None and self.left <= 0
            for task in list(self.imports._tasks.values()):
                task.cancel()
            await asyncio.gather(*self.imports._tasks.values(), return_exceptions=True)
            await self.tables.close()
        if not self.import_id:
            kept = await LocalImportLog(self.folder / "imports").imports()
            self.import_id = kept[0].id if kept else ""
        return ended if ended is not None and ended.status.is_final else None

    async def seen(self) -> list[str]:
        snapshot = await self.lake.snapshot(self.store.arn)
        found = [] if snapshot.fresh is None else snapshot.fresh["eventid"].to_pylist()  # type: ignore[index]
        for file in snapshot.files:
            found += pq.ParquetFile(file.location).read(columns=["eventid"])["eventid"].to_pylist()
        return sorted(found)

    async def check(self, ended: LakeImport) -> None:
        await self.start_process(is_safe=True)
        assert await self.seen() == sorted([*self.expected, *self.live])
        failures, _ = await self.imports.failures(ended, 0, 1000)
        assert len({one.location for one in failures}) == len(failures) == self.broken
        said = ended.statistics
        assert ended.status is (ImportStatus.FAILED if self.broken else ImportStatus.COMPLETED)
        assert said.failed_entries == self.broken
        assert said.files_completed == len(self.objects)
        assert said.events_completed + said.duplicates == len(self.expected)
        await self.tables.close()


class FaultySource(InMemoryLogSource):
    """Sometimes does not answer; sometimes the power goes while it does."""

    def __init__(self, objects: dict[str, bytes], run: Run) -> None:
        super().__init__(objects)
        self._run = run

    async def list(self, start_after: str = "") -> AsyncIterator[LogObject]:
        async for one in super().list(start_after):
            self._run.fault("list")
            yield one

    async def read(self, key: str) -> bytes:
        if self._run.chance.random() < 0.05:
            raise Unavailable("busy")
        return await super().read(key)


class FaultyLog(LocalImportLog):
    """Loses its process before or after what it does."""

    def __init__(self, folder: Path, run: Run) -> None:
        super().__init__(folder)
        self._run = run

    async def store(self, lake_import: LakeImport) -> None:
        self._run.fault("before store")
        await super().store(lake_import)
        self._run.fault("after store")

    async def append_failures(self, import_id: str, file: int, start: int, failures: Sequence[ImportFailure]) -> int:
        end = await super().append_failures(import_id, file, start, failures)
        self._run.fault("after failures")
        return end


async def run(seed: int, folder: Path) -> Run:
    run = Run(seed, folder)
    entry = SettingsEntry(run.store.arn, run.store.to_json())
    await run.world.trails.apply(await run.world.journal.append([entry]), entry)
    ended = None
    while ended is None:
        ended = await run.one_process()
    await run.check(ended)
    return run


def check(seeds: range, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "BATCH_OBJECTS", 4)
    monkeypatch.setattr(import_job, "RETRY_SECONDS", (0.0,) * 8)

    runs = [asyncio.run(run(seed, folder)) for seed in seeds]

    assert sum(run.cuts for run in runs) > 0, "the seeds of this range never cut the power"


@pytest.mark.slow
def test_imports_lose_and_double_nothing_in_a_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(range(1_000, 1_000 + QUICK_SEEDS), tmp_path, monkeypatch)


@pytest.mark.simulate
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_imports_lose_and_double_nothing(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(range(first, first + SEEDS_PER_TEST), tmp_path, monkeypatch)
