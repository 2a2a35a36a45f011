"""Queries over tables in a bucket: files are here while a query runs, and go when it ends, however it does."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from opentrail.adapters.lake_table.mirror import Mirror
from opentrail.adapters.lake_table.reading import FetchingEngine
from opentrail.ports.lake_table import TableDamaged
from opentrail.ports.query_engine import EngineStatistics, EngineTable
from tests.memory.table_objects import InMemoryObjects

FILE = "11111111-1111-4111-8111-111111111111/table/calendarday=2026-11-21/commit-000000000001.parquet"


class LookingEngine:
    """A query engine that notes what of its tables' files is there."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def run(self, sql: str, tables: Sequence[EngineTable], *_: object) -> EngineStatistics:
        self.seen += [Path(file).read_bytes() for table in tables for file in table.files]
        return EngineStatistics(rows=1, bytes_scanned=1)

    async def close(self) -> None:
        pass


class Held:
    """A bucket whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def __call__(self, call: str, key: str, is_done: bool) -> None:
        self.asked.set()
        assert self.may_answer.wait(30)


def a_table(folder: Path, file: str = FILE) -> EngineTable:
    return EngineTable("t", (), (), (str(folder / file),), None)


def a_mirror(folder: Path, held: Held | None = None) -> Mirror:
    objects = InMemoryObjects(held)
    objects.put(FILE, b"rows")
    return Mirror(objects, "s3://audit", folder, "this one", 0)


async def keep(page: bytes, rows: int) -> None:
    pass


async def test_files_of_a_query_are_here_while_it_runs(tmp_path: Path) -> None:
    mirror, engine = a_mirror(tmp_path), LookingEngine()

    await FetchingEngine(engine, mirror).run("SELECT 1", [a_table(tmp_path), a_table(tmp_path)], keep)

    assert engine.seen == [b"rows", b"rows"]
    assert not (tmp_path / FILE).exists()
    mirror.close()


async def test_query_over_a_file_that_is_nowhere_names_it_and_holds_nothing(tmp_path: Path) -> None:
    mirror, engine = a_mirror(tmp_path), LookingEngine()

    with pytest.raises(TableDamaged, match="lost"):
        await FetchingEngine(engine, mirror).run("SELECT 1", [a_table(tmp_path), a_table(tmp_path, "lost")], keep)

    assert engine.seen == []
    assert not (tmp_path / FILE).exists()
    mirror.close()


async def test_cancelled_query_ends_while_files_are_brought_and_holds_nothing(tmp_path: Path) -> None:
    held = Held()
    mirror, engine = a_mirror(tmp_path, held), LookingEngine()
    held.asked.clear()
    held.may_answer.clear()
    task = asyncio.create_task(FetchingEngine(engine, mirror).run("SELECT 1", [a_table(tmp_path)], keep))
    await asyncio.to_thread(held.asked.wait, 30)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    held.may_answer.set()
    async with asyncio.timeout(30):
        while mirror._pins or (tmp_path / FILE).exists() or mirror._sizes:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.01)
    assert engine.seen == []
    mirror.close()
