"""One batch on its way into a table: read and made into rows without the table, then written once it has a number."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake.transaction import AddAction

from opentrail.adapters.lake_table.building import DayRows, RowBuilder
from opentrail.adapters.lake_table.encryption import marked
from opentrail.adapters.lake_table.files import file_stats, write_parquet
from opentrail.adapters.lake_table.records import numbered
from opentrail.digest.merkle import root_of
from opentrail.ports.lake_table import DayProof, LoadedBatch, SetAside, Unfit
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import PARTITION_COLUMN


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What a batch has: the ids of its rows by day, in their order, how many records fit no day, and its report.

    ``aside`` has those records where they were asked for.
    """

    ids: Mapping[date, pa.Array]
    unfit: Mapping[Unfit, int]
    report: Any
    aside: Sequence[SetAside] = ()

    @property
    def rows(self) -> int:
        return sum(map(len, self.ids.values()))


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file with rows of one day, durable: its path in the table, bytes, and Delta's statistics."""

    path: str
    day: date
    size_bytes: int
    stats: str
    proof: DayProof | None = None

    def action(self, *, is_new: bool) -> AddAction:
        """Return what adds the file to the table."""
        now = int(time.time() * 1000)  # Delta's own note of when a file came, which nothing here reads
        return AddAction(self.path, self.size_bytes, {PARTITION_COLUMN: str(self.day)}, now, is_new, self.stats)


def write_file(
    root: Path, name: str, day: date, rows: pa.Table, proof: DayProof | None = None, *, data_key: bytes = b""
) -> WrittenFile:
    """Write rows of one day to a file of the table at ``root``, durably; with a data key encrypted."""
    path = f"{PARTITION_COLUMN}={day}/{marked(name, data_key)}.parquet"
    size = write_parquet(root / path, rows, data_key)
    return WrittenFile(path, day, size, file_stats(rows), proof)


class BatchRows:
    """The rows of one batch at a time, in the process where they are made."""

    def __init__(self) -> None:
        self._days: dict[date, DayRows] = {}

    @property
    def has_rows(self) -> bool:
        """Whether rows were read that are not written yet."""
        return bool(self._days)

    def read(
        self, kind: EventDataStoreKind, load: Callable[[], LoadedBatch], oldest: datetime, newest: datetime
    ) -> ReadBatch:
        """Load a batch and make its rows. Raises what ``load`` does."""
        loaded = load()
        found, aside = self._read(kind, loaded.events, oldest, newest)
        if loaded.judged is not None and any(one.unfit is Unfit.UNREADABLE for one in aside):
            loaded = loaded.judged()
            found, aside = self._read(kind, loaded.events, oldest, newest)
        return ReadBatch(found, Counter(one.unfit for one in aside), loaded.report)

    def read_entries(
        self, kind: EventDataStoreKind, events: Sequence[bytes], oldest: datetime, newest: datetime
    ) -> ReadBatch:
        """Make the rows of journal entries, and give what no day takes."""
        found, aside = self._read(kind, events, oldest, newest)
        return ReadBatch(found, Counter(one.unfit for one in aside), None, aside)

    def _read(
        self, kind: EventDataStoreKind, events: Iterable[bytes], oldest: datetime, newest: datetime
    ) -> tuple[dict[date, pa.Array], list[SetAside]]:
        self._days = {}
        builder = RowBuilder(kind, oldest, newest)
        builder.add_all(events)
        self._days = builder.days()
        return {day: rows.table["eventid"].combine_chunks() for day, rows in self._days.items()}, builder.aside

    def write(
        self, root: Path, number: int, new: Mapping[date, pa.Array | None], data_key: bytes = b""
    ) -> list[WrittenFile]:
        """Write the rows read last as those of commit ``number``: of each day those that are ``new``, None for all."""
        days, self._days = self._days, {}
        written = []
        for day, of_day in days.items():
            rows, leaves, mask = of_day.table, of_day.leaves, new[day]
            if mask is not None:
                rows = rows.filter(mask)
                leaves = [leaf for leaf, is_new in zip(leaves, mask.to_pylist(), strict=True) if is_new]
            if leaves:
                proof = DayProof(len(leaves), root_of(leaves))
                own = numbered(rows, number)
                written.append(write_file(root, f"commit-{number:012d}", day, own, proof, data_key=data_key))
        return written
