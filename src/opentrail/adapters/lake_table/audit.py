"""Lake tables read by a verification, as they lie in the home folder (port: lake_audit).

The log is read from its JSON alone, whatever its checkpoints say. Files are read in processes of their own, some rows
at a time: each row's record is turned into columns again, and they are compared with those that are stored.
"""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from opentrail.adapters.lake_table.arrow import parse_moment
from opentrail.adapters.lake_table.encryption import MARK, file_key_of, open_lines, parquet_file
from opentrail.adapters.lake_table.records import Record, build_rows, row_type_of
from opentrail.adapters.lake_table.statements import MEMBER, actions_of
from opentrail.digest.lake_chain import FileRows, LogVersion, ranges_of
from opentrail.digest.merkle import leaf_hash, root_of
from opentrail.ports import Unavailable
from opentrail.ports.lake_audit import MAX_NAMED_ROWS, NOT_THERE, FileExtent, FileProof
from opentrail.ports.lake_keys import NoStoreKeys, StoreKeys
from opentrail.ports.lake_table import TableDamaged
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind
from opentrail.resource.lake_columns import COMMIT_COLUMN, INDEX_COLUMN

FEW_FILES = 8
"""So many files are read in this process: starting others would take longer."""

BATCH_ROWS = 4096
"""Rows of a file that are in memory at once, as columns, as records and as columns again."""

AHEAD = 4
"""Files given to each worker ahead of what was asked for."""


class LocalLakeAudit:
    """Implements LakeAudit below ``folder``, with ``workers`` processes. ``keys`` open encrypted files."""

    def __init__(self, folder: Path, workers: int, keys: StoreKeys | None = None) -> None:
        self._folder = folder
        self._workers = workers
        self._keys = keys or NoStoreKeys()

    async def versions(self, store: EventDataStore) -> Sequence[LogVersion]:
        return await asyncio.to_thread(_versions, self._table(store) / "_delta_log")

    async def listed(self, store: EventDataStore, version: int) -> Mapping[str, FileExtent] | str:
        return await asyncio.to_thread(_listed, self._table(store), version)

    async def read(self, store: EventDataStore, paths: Sequence[str]) -> AsyncIterator[FileProof]:
        data_key = await self._keys.data_key(store)
        with executor_of(self._workers if len(paths) > FEW_FILES else 1) as executor:
            waiting: deque[tuple[str, Future[FileProof]]] = deque()
            for path in paths:
                if len(waiting) >= self._workers * AHEAD:
                    yield await result_of(*waiting.popleft())
                waiting.append((path, executor.submit(read_file, self._table(store), path, str(store.kind), data_key)))
            while waiting:
                yield await result_of(*waiting.popleft())

    async def leaves(self, store: EventDataStore, path: str, commit: int) -> Sequence[tuple[int, bytes]]:
        data_key = await self._keys.data_key(store)
        return await asyncio.to_thread(_leaves, self._table(store) / path, commit, data_key)

    async def set_aside(self, store: EventDataStore, commit: int) -> int:
        data_key = await self._keys.data_key(store)
        return await asyncio.to_thread(_lines, self._folder / store.id / "set-aside", commit, data_key)

    def _table(self, store: EventDataStore) -> Path:
        return self._folder / store.id / "table"


def executor_of(workers: int) -> Executor:
    """Return what reads files: a thread, or so many processes."""
    if workers == 1:
        return ThreadPoolExecutor(1, thread_name_prefix="lake audit")
    # A fresh interpreter: Arrow's and Delta's threads do not survive a fork.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


async def result_of(path: str, future: Future[FileProof]) -> FileProof:
    """Return what was read of a file. Raises Unavailable."""
    try:
        return await asyncio.wrap_future(future)
    except BrokenProcessPool as error:
        raise Unavailable(f"the process that reads {path} ended by itself") from error


def _versions(log: Path) -> list[LogVersion]:
    try:
        paths = sorted(path for path in log.glob("*.json") if path.stem.isdigit())
    except OSError as error:
        raise Unavailable(f"{log} cannot be read: {error}") from error
    return [_version(path) for path in paths]


def _version(path: Path) -> LogVersion:
    number = int(path.stem)
    try:
        actions = actions_of(path)
        statements = [action["commitInfo"].get(MEMBER) for action in actions if "commitInfo" in action]
        return LogVersion(
            number,
            statements[0] if statements and isinstance(statements[0], str) else "",
            tuple(_path_in(action["add"]) for action in actions if "add" in action),
            tuple(_path_in(action["remove"]) for action in actions if "remove" in action),
        )
    except TableDamaged as error:
        return LogVersion(number, "", fault=str(error))
    except (KeyError, TypeError, AttributeError, OSError) as error:
        return LogVersion(number, "", fault=f"it cannot be read: {error}")


def _path_in(action: dict[str, Any]) -> str:
    return unquote(str(action["path"]))


def _listed(table: Path, version: int) -> dict[str, FileExtent] | str:
    try:
        delta = DeltaTable(str(table), version=version)
        listed = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        return {unquote(one["path"]): _told(one) for one in listed}
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        return f"nobody can read the table by it: {str(error)[:200]}"


def _told(listed: dict[str, Any]) -> FileExtent:
    times = (listed.get(f"{name}.eventtime") for name in ("min", "max"))
    oldest, newest = (time if isinstance(time, datetime) else None for time in times)
    return FileExtent(listed["size_bytes"], listed.get("num_records") or 0, oldest, newest)


def read_file(table: Path, path: str, kind: str, data_key: bytes = b"") -> FileProof:
    """Read one file. Runs in a process of its own."""
    file = (table / path).resolve()
    if not file.is_relative_to(table.resolve()):
        return FileProof(path, fault="it is not in the table's folder")
    day = path.partition("/")[0].partition("=")[2]
    reading = _FileReading(EventDataStoreKind(kind), day)
    try:
        with parquet_file(file, file_key_of(data_key, file)) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS):
                reading.add(pa.Table.from_batches([batch]))
    except FileNotFoundError:
        return FileProof(path, fault=NOT_THERE)
    except (TableDamaged, OSError, pa.ArrowException, KeyError, ValueError, TypeError, MemoryError) as error:
        return FileProof(path, fault=f"it cannot be read: {str(error)[:200]}")
    extent = FileExtent(file.stat().st_size, reading.rows, reading.oldest, reading.newest)
    return FileProof(path, extent, tuple(reading.commits()), tuple(reading.odd), reading.odd_count)


class _FileReading:
    """The rows of one file, taken some at a time."""

    def __init__(self, kind: EventDataStoreKind, day: str) -> None:
        self.rows = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None
        self.odd: list[str] = []
        self.odd_count = 0
        self._kind = kind
        self._day = day
        self._leaves: dict[int, list[tuple[int, bytes]]] = {}

    def add(self, table: pa.Table) -> None:
        """Take further rows; raises KeyError and ValueError where a column of ours is missing or NULL."""
        self.rows += table.num_rows
        times = pc.min_max(table["eventtime"]).as_py()
        if times["min"] is not None:
            self.oldest = min(self.oldest or times["min"], times["min"])
            self.newest = max(self.newest or times["max"], times["max"])
        texts: list[str] = table["eventjson"].to_pylist()
        commits: list[int] = table[COMMIT_COLUMN].to_pylist()
        indexes: list[int] = table[INDEX_COLUMN].to_pylist()
        records = [text.encode() if text is not None else b"" for text in texts]
        for commit, index, record in zip(commits, indexes, records, strict=True):
            self._leaves.setdefault(int(commit), []).append((int(index), leaf_hash(record)))
        self._compare(table, records)

    def _compare(self, table: pa.Table, records: Sequence[bytes]) -> None:
        read, faulty = self._read(records)
        for at in faulty:
            self._note(table, at, "its eventjson is no record of an event of this day")
        kept = [at for at in range(table.num_rows) if at not in faulty]
        # Taken over as fresh arrays: what `take` gives of nested columns is whole again.
        stored = table if not faulty else table.take(pa.array(kept, pa.int64()))
        rebuilt = build_rows(self._kind, read, 0)
        odd: dict[int, str] = {}
        for name in rebuilt.schema.names:
            if name in (COMMIT_COLUMN, INDEX_COLUMN) or name not in stored.schema.names:
                continue
            if not stored[name].combine_chunks().equals(rebuilt[name].combine_chunks()):
                for row in _differing(stored[name], rebuilt[name]):
                    odd.setdefault(kept[row], name)
        for at, name in sorted(odd.items()):
            self._note(table, at, f"its column {name} is not what its record says")

    def _read(self, records: Sequence[bytes]) -> tuple[list[Record], set[int]]:
        read, faulty = [], set()
        kind = row_type_of(self._kind)
        for at, data in enumerate(records):
            try:
                row = kind.read(data)
                moment = parse_moment(row.eventtime or "")
            except ValueError:
                faulty.add(at)
                continue
            if str(moment.date()) == self._day:
                read.append(Record(moment, data, row))
            else:
                faulty.add(at)
        return read, faulty

    def _note(self, table: pa.Table, at: int, said: str) -> None:
        self.odd_count += 1
        if len(self.odd) < MAX_NAMED_ROWS:
            row = table.slice(at, 1).select(["eventid", COMMIT_COLUMN, INDEX_COLUMN]).to_pylist()[0]
            name = f"event {row['eventid']} (row {row[INDEX_COLUMN]} of commit {row[COMMIT_COLUMN]})"
            self.odd.append(f"{name}: {said}")

    def commits(self) -> Iterator[FileRows]:
        """Yield what was found of each commit."""
        for commit, leaves in sorted(self._leaves.items()):
            leaves.sort()
            ranges = ranges_of(index for index, _ in leaves)
            yield FileRows(commit, len(leaves), ranges, root_of([leaf for _, leaf in leaves]))


def _differing(stored: pa.ChunkedArray, rebuilt: pa.ChunkedArray) -> list[int]:
    pairs = zip(stored.to_pylist(), rebuilt.to_pylist(), strict=True)
    return [at for at, (one, other) in enumerate(pairs) if one != other]


def _leaves(path: Path, commit: int, data_key: bytes) -> list[tuple[int, bytes]]:
    found = []
    try:
        with parquet_file(path, file_key_of(data_key, path)) as parquet:
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group, columns=[COMMIT_COLUMN, INDEX_COLUMN, "eventjson"]).to_pylist()
                found += [
                    (row[INDEX_COLUMN], leaf_hash(row["eventjson"].encode()))
                    for row in rows
                    if row[COMMIT_COLUMN] == commit
                ]
    except (TableDamaged, OSError, pa.ArrowException, KeyError, AttributeError):
        return found
    return found


def _lines(folder: Path, commit: int, data_key: bytes) -> int:
    for name in aside_names(commit):
        try:
            return count_lines(f"{folder.name}/{name}", (folder / name).read_bytes(), data_key)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unavailable(f"{folder / name} cannot be read: {error}") from error
    return 0


def aside_names(commit: int) -> tuple[str, str]:
    """Return the names that what a commit set aside may have: encrypted, and plain."""
    return f"{commit:012d}{MARK}.ndjson", f"{commit:012d}.ndjson"


def count_lines(path: str, content: bytes, data_key: bytes) -> int:
    """Return how many records a file holds that were set aside, none of one that does not open."""
    try:
        key = file_key_of(data_key, path)
        return (open_lines(content, key) if key else content).count(b"\n")
    except TableDamaged:
        return 0
