"""Lake tables in memory, for tests of what stands on them."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from opentrail.clock import parse_time
from opentrail.digest.merkle import tree_hash
from opentrail.ports.journal import START, Position
from opentrail.ports.lake_table import (
    Appended,
    Batch,
    BatchTaken,
    Commit,
    DayProof,
    Standing,
    TableDamaged,
    TableVersion,
    Unfit,
    check_batch,
)
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
        self.aside += [data for data, _ in aside]
        self.commits.append(Commit(len(self.commits) + 1, position, proofs, len(aside)))
        self.versions += 1
        return self.commits[-1]

    async def append(self, batch: Batch, oldest: datetime, newest: datetime) -> Appended:
        check_batch(batch)
        if await self.has_batch(batch.id):
            raise BatchTaken(batch.id)
        loaded = batch.load()
        days, aside = _sorted(list(loaded.events), oldest, newest)
        if loaded.judged is not None and any(why is Unfit.UNREADABLE for _, why in aside):
            loaded = loaded.judged()
            days, aside = _sorted(list(loaded.events), oldest, newest)
        given = sum(map(len, days.values()))
        new = {day: self._new(day, records) for day, records in days.items()}
        new = {day: records for day, records in new.items() if records}
        commit = None
        if new:
            for day, records in new.items():
                self.days.setdefault(day, []).extend(records)
            proofs = {day: DayProof(len(records), tree_hash(records)) for day, records in new.items()}
            commit = Commit(len(self.commits) + 1, self.committed, proofs, 0, batch.id, batch.sources)
            self.commits.append(commit)
            self.versions += 1
        unfit = Counter(why for _, why in aside)
        rows = sum(map(len, new.values()))
        too_old, too_new, unreadable = unfit[Unfit.TOO_OLD], unfit[Unfit.TOO_NEW], unfit[Unfit.UNREADABLE]
        return Appended(commit, rows, given - rows, too_old, too_new, unreadable, loaded.report)

    async def has_batch(self, batch_id: str) -> bool:
        return any(commit.batch == batch_id for commit in self.commits)

    def _new(self, day: date, records: Sequence[bytes]) -> list[bytes]:
        known = {orjson.loads(record).get("eventID") for record in self.days.get(day, ())}
        new = []
        for record in records:
            event_id = orjson.loads(record).get("eventID")
            if event_id is None or event_id not in known:
                new.append(record)
                known.add(event_id)
        return new

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


def _sorted(
    events: Sequence[bytes], oldest: datetime, newest: datetime
) -> tuple[dict[date, list[bytes]], list[tuple[bytes, Unfit]]]:
    days: dict[date, list[tuple[datetime, bytes]]] = {}
    aside = []
    for data in events:
        try:
            moment = parse_time(orjson.loads(data)["eventTime"]).astimezone(UTC)
        except (ValueError, KeyError, TypeError):
            aside.append((data, Unfit.UNREADABLE))
            continue
        if oldest <= moment <= newest:
            days.setdefault(moment.date(), []).append((moment, data))
        else:
            aside.append((data, Unfit.TOO_OLD if moment < oldest else Unfit.TOO_NEW))
    return {day: [data for _, data in sorted(found, key=lambda pair: pair[0])] for day, found in days.items()}, aside
