"""Lake tables in memory, for tests of what stands on them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from opentrail.clock import parse_time
from opentrail.digest.merkle import tree_hash
from opentrail.ports.journal import START, Position
from opentrail.ports.lake_table import Commit, DayProof, Standing, TableDamaged, TableVersion
from opentrail.resource.event_data_store import EventDataStore


class Rows:
    """Records as a query would read them, in the order of time."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = list(records)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        raise NotImplementedError("rows in memory have no Arrow form")


class InMemoryLakeTable:
    """Behaves as the port says; ``days`` holds the records, ``aside`` what was set aside."""

    def __init__(self) -> None:
        self.days: dict[date, list[bytes]] = {}
        self.aside: list[bytes] = []
        self.commits: list[Commit] = []
        self.tombstones: list[Mapping[str, Any]] = []
        self.versions = 0

    @property
    def committed(self) -> Position:
        return self.commits[-1].position if self.commits else START

    @property
    def standing(self) -> Standing:
        return Standing(len(self.commits), self._head(len(self.commits)))

    async def head_at(self, number: int) -> str:
        if number > len(self.commits):
            raise TableDamaged(f"commit {number} is not there")
        return self._head(number)

    def _head(self, number: int) -> str:
        return hashlib.sha256(repr(self.commits[:number]).encode()).hexdigest() if number else "0" * 64

    @property
    def records(self) -> list[bytes]:
        return [record for _, records in sorted(self.days.items()) for record in records]

    async def commit(
        self, events: Sequence[bytes], position: Position, oldest: datetime, newest: datetime
    ) -> Commit | None:
        if position <= self.committed or not events:
            return None
        days, aside = _sorted(events, oldest, newest)
        proofs = {day: DayProof(len(records), tree_hash(records)) for day, records in days.items()}
        for day, records in days.items():
            self.days.setdefault(day, []).extend(records)
        self.aside += aside
        self.commits.append(Commit(len(self.commits) + 1, position, proofs, len(aside)))
        self.versions += 1
        return self.commits[-1]

    async def version(self) -> TableVersion:
        return TableVersion(self.versions, self.committed, ())

    async def rows(self, events: Sequence[bytes], oldest: datetime, newest: datetime) -> tuple[Rows, int]:
        days, _ = _sorted(events, oldest, newest)
        rows = Rows([record for _, records in sorted(days.items()) for record in records])
        return rows, len(rows.records)

    async def compact(self) -> int:
        return 0

    async def ending_days(self, before: date) -> Mapping[date, DayProof]:
        days = [day for day in sorted(self.days) if day < before]
        lines = {
            day: [f"{one.number} {one.days[day].count} {one.days[day].root}" for one in self.commits if day in one.days]
            for day in days
        }
        return {day: DayProof(len(self.days[day]), tree_hash(line.encode() for line in lines[day])) for day in days}

    async def drop_days(self, before: date, commits: int, tombstone: Mapping[str, Any]) -> Sequence[date]:
        if commits != len(self.commits):
            return []
        gone = [day for day in sorted(self.days) if day < before]
        for day in gone:
            del self.days[day]
        if gone:
            self.tombstones.append(tombstone)
        return gone

    async def vacuum(self) -> int:
        return 0


class InMemoryLakeTables:
    """The tables that were opened, by ARN; they outlive the process that a test plays."""

    def __init__(self) -> None:
        self.tables: dict[str, InMemoryLakeTable] = {}

    async def open(self, store: EventDataStore) -> InMemoryLakeTable:
        return self.tables.setdefault(store.arn, InMemoryLakeTable())

    async def remove(self, arn: str) -> None:
        self.tables.pop(arn, None)


def _sorted(events: Sequence[bytes], oldest: datetime, newest: datetime) -> tuple[dict[date, list[bytes]], list[bytes]]:
    days: dict[date, list[tuple[datetime, bytes]]] = {}
    aside = []
    for data in events:
        try:
            moment = parse_time(orjson.loads(data)["eventTime"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            aside.append(data)
            continue
        if oldest <= moment <= newest:
            days.setdefault(moment.date(), []).append((moment, data))
        else:
            aside.append(data)
    return {day: [data for _, data in sorted(found, key=lambda pair: pair[0])] for day, found in days.items()}, aside
