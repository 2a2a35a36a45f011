"""One Delta table for each event data store, in folders of the home (port: lake_table; docs/formats/lake.md).

Parquet files are written and flushed first, then the version of the log that names them: delta-rs flushes nothing, so
the flushing is ours. A process has one writer for a table, and holds the home against other processes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from opentrail.adapters.lake_table import compaction
from opentrail.adapters.lake_table.appending import ReadBatch, WrittenFile, write_file
from opentrail.adapters.lake_table.arrow import arrow_schema
from opentrail.adapters.lake_table.encryption import is_encrypted, marked, opened_files, parquet_file
from opentrail.adapters.lake_table.files import (
    is_whole_parquet,
    make_folder,
    sync,
    write_set_aside,
)
from opentrail.adapters.lake_table.known_ids import KnownIds
from opentrail.adapters.lake_table.mirror import Backing, LocalBacking, Mirror, remove_table
from opentrail.adapters.lake_table.records import build_rows, read_records
from opentrail.adapters.lake_table.set_aside import encrypt_files, plain_files
from opentrail.adapters.lake_table.statements import (
    MEMBER,
    Place,
    actions_of,
    commit_statement,
    days_of,
    head_at,
    place_after,
    read_commit,
    statements,
    upkeep_statement,
)
from opentrail.adapters.lake_table.turns import BatchPlan, Turns
from opentrail.adapters.lake_table.workers import RowMaker, Workers
from opentrail.ports import Unavailable
from opentrail.ports.journal import Position
from opentrail.ports.lake_keys import NoStoreKeys, StoreKeys
from opentrail.ports.lake_table import (
    SNAPSHOT_HOURS,
    Appended,
    ArrowStream,
    Batch,
    BatchTaken,
    Commit,
    DayProof,
    LakeFile,
    Standing,
    TableDamaged,
    TableVersion,
    Unfit,
    check_batch,
)
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind
from opentrail.resource.lake_columns import PARTITION_COLUMN, Column, Scalar, stored_columns

THREADS = 2
"""Tables that are written or read at the same time."""

BATCHES_BEHIND = 2
"""Batches that are committed, or wait for a process, while the processes make the rows of others."""

COMMITS_PER_RELEASE = 8
"""Commits of batches after which memory is given back that the next batch would ask for again."""

VERSIONS_PER_CHECKPOINT = 100
"""Versions of a table's log after which it gets a further checkpoint."""

APPLICATION = "opentrail"
"""Whose numbers the table's application transactions are: the number of the last commit of events."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}

Fault = Callable[[str], None]
"""Called with the name of each step that is about to be done: tests end the process there."""

_Result = TypeVar("_Result")


def _no_fault(step: str) -> None:
    pass


class DeltaLakeTables:
    """Implements LakeTables below ``folder``: a folder for each event data store, named by its id.

    With a ``mirror`` of that folder the tables lie in its bucket. The rows of batches are made in ``processes`` of
    their own, 0: in a thread. ``keys`` encrypt the files of stores that have one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        processes: int = 0,
        fault: Fault = _no_fault,
        mirror: Mirror | None = None,
        keys: StoreKeys | None = None,
    ) -> None:
        self._folder = folder
        self._mirror = mirror
        self._keys = keys or NoStoreKeys()
        self._fault = fault
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lake")
        self._appending = _Appending(processes)
        self._opened: dict[str, _Table] = {}

    async def open(self, store: EventDataStore) -> "DeltaLakeTable":
        before = self._opened.get(store.id)
        folder = self._folder / store.id
        backing = self._mirror.backing(folder) if self._mirror is not None else LocalBacking(folder)
        table = _Table(folder, store.kind, self._fault, before.turns if before else Turns(), backing)
        table.has_key = bool(store.kms_key_id)
        self._opened[store.id] = table
        if before is not None:
            await _in_thread(self._threads, before.retire)
        await _in_thread(self._threads, table.open)
        return DeltaLakeTable(table, self._threads, self._appending, lambda: self._keys.data_key(store))

    async def remove(self, arn: str) -> None:
        await _in_thread(self._threads, lambda: remove_table(self._folder / arn.rpartition("/")[2], self._mirror))

    async def close(self) -> None:
        """Let threads and processes end."""
        await asyncio.to_thread(self._appending.close)
        await asyncio.to_thread(self._threads.shutdown)


class _Appending:
    """Threads that wait, and processes that work, for batches of all tables."""

    def __init__(self, processes: int) -> None:
        self.workers = Workers(processes)
        self.threads = ThreadPoolExecutor(processes + BATCHES_BEHIND, thread_name_prefix="lake batches")

    def close(self) -> None:
        self.threads.shutdown()
        self.workers.close()


class DeltaLakeTable:
    """Implements LakeTable. Writes take turns; a read sees the table before or after each."""

    def __init__(
        self, table: "_Table", threads: ThreadPoolExecutor, appending: "_Appending", data_key: "DataKeySource"
    ) -> None:
        self._table = table
        self._data_key = data_key
        self._threads = threads
        self._appending = appending
        self._writing = asyncio.Lock()

    @property
    def committed(self) -> Position:
        return self._table.place.position

    @property
    def standing(self) -> Standing:
        return Standing(self._table.place.number, self._table.place.head)

    async def head_at(self, number: int) -> str:
        return await self._write(lambda: self._table.head_at(number))

    async def commit(
        self, events: Sequence[bytes], position: Position, oldest: datetime, newest: datetime
    ) -> Commit | None:
        def commit() -> Commit | None:
            with self._appending.workers.lease(len(events)) as maker:
                return self._table.in_turn(
                    lambda: self._table.commit(events, position, oldest, newest, maker, data_key)
                )

        async with self._writing:
            data_key = await self._data_key()
            return await asyncio.shield(_in_thread(self._threads, commit))

    async def append(self, batch: Batch, oldest: datetime, newest: datetime) -> Appended:
        check_batch(batch)
        data_key = await self._data_key()
        append = partial(self._table.append, batch, oldest, newest, self._appending.workers, data_key)
        return await asyncio.shield(_in_thread(self._appending.threads, append))

    async def has_batch(self, batch_id: str) -> bool:
        return await _in_thread(self._threads, lambda: self._table.has_batch(batch_id))

    async def version(self) -> TableVersion:
        data_key = await self._data_key()
        return self._table.opened_version(data_key) if data_key else self._table.current

    async def rows(self, events: Sequence[bytes], oldest: datetime, newest: datetime) -> tuple[ArrowStream, int]:
        return await _in_thread(self._threads, lambda: self._table.rows(events, oldest, newest))

    async def compact(self) -> int:
        if not await self._write(self._table.is_to_be_compacted):
            return 0
        data_key = await self._data_key()
        return await self._write(lambda: self._table.compact(data_key))

    async def ending_days(self, before: date) -> Mapping[date, DayProof]:
        return await self._write(lambda: self._table.ending_days(before))

    async def drop_days(self, before: date, commits: int, tombstone: Mapping[str, Any]) -> Sequence[date]:
        return await self._write(lambda: self._table.drop_days(before, commits, tombstone))

    async def vacuum(self) -> int:
        return await self._write(self._table.vacuum)

    async def commits(self) -> Sequence[Commit]:
        """Return what every commit of events says, oldest first."""
        return await _in_thread(self._threads, self._table.commits)

    async def _write(self, work: Callable[[], _Result]) -> _Result:
        async with self._writing:
            return await asyncio.shield(_in_thread(self._threads, lambda: self._table.in_turn(work)))


DataKeySource = Callable[[], Awaitable[bytes]]
"""Opens a store's data key anew, empty for a store without one. Raises StoreKeyRefused."""


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except (OSError, DeltaError) as error:
        raise Unavailable(f"the lake's table failed: {error}") from error
    except pa.ArrowException as error:
        raise TableDamaged(f"a file of the lake cannot be read: {error}") from error


class _Table:
    """The work itself, in the threads. ``current`` is replaced as one once a version is durable.

    Tables opened over the same folder share ``turns``, and only the last one writes.
    """

    def __init__(self, folder: Path, kind: EventDataStoreKind, fault: Fault, turns: Turns, backing: Backing) -> None:
        self.turns = turns
        self._backing = backing
        self._root = folder / "table"
        self._log = self._root / "_delta_log"
        self._aside = folder / "set-aside"
        self._flushed = folder / "flushed-version"
        self._kind = kind
        self._fault = fault
        self._is_usable = False
        self.has_key = False
        self.schema = arrow_schema((*stored_columns(kind), Column(PARTITION_COLUMN, Scalar.TEXT)))

    def in_turn(self, work: Callable[[], _Result]) -> _Result:
        """Do ``work`` while nobody else writes, and give back the memory that it took."""
        with self.turns.alone():
            try:
                return work()
            finally:
                pa.default_memory_pool().release_unused()

    def retire(self) -> None:
        """Let nothing be written by this object any more, once what is being written is done."""
        with self.turns.alone():
            self._is_usable = False

    def open(self) -> None:
        with self.turns.alone():
            self._open()

    def _open(self) -> None:
        make_folder(self._root)
        self._undo_torn_version()
        self._backing.pull()
        if not (self._log.is_dir() and any(self._log.glob("*.json"))):
            self._create()
        self._delta = self._opened()
        self.place = next((place_after(said) for _, said in statements(self._log)), Place())
        self.current = self._read_version()
        self._known = KnownIds()
        self._batch_ids: set[str] | None = None
        self._is_usable = True

    def _create(self) -> None:
        DeltaTable.create(
            str(self._root),
            self.schema,
            partition_by=[PARTITION_COLUMN],
            configuration=_CONFIGURATION,
            post_commithook_properties=_NO_HOOKS,
        )
        self._sync_version(0)

    def _opened(self) -> DeltaTable:
        try:
            return DeltaTable(str(self._root))
        except DeltaError:
            # A checkpoint that a power cut tore: the log has every version, so it is only a shortcut.
            for path in [*self._log.glob("*.checkpoint*.parquet"), self._log / "_last_checkpoint"]:
                path.unlink(missing_ok=True)
            try:
                return DeltaTable(str(self._root))
            except DeltaError as error:
                raise TableDamaged(f"the table's log cannot be read: {error}") from error

    def _undo_torn_version(self) -> None:
        """Take back the last version when a power cut left it, or a file that it names, in part.

        Nobody was told of it then. A version that was flushed is never taken back, whatever its files look like now.
        """
        versions = sorted(path for path in self._log.glob("*.json") if path.stem.isdigit())
        if not versions or int(versions[-1].stem) <= self._flushed_version():
            return
        try:
            added = [action["add"] for action in actions_of(versions[-1]) if "add" in action]
        except TableDamaged:
            added = None
        if added is None or not all(is_whole_parquet(self._root / add["path"], add["size"]) for add in added):
            versions[-1].unlink()
            sync(self._log)

    def _flushed_version(self) -> int:
        try:
            return int(self._flushed.read_text())
        except (FileNotFoundError, ValueError):
            return -1

    def commit(
        self,
        events: Sequence[bytes],
        position: Position,
        oldest: datetime,
        newest: datetime,
        maker: RowMaker,
        data_key: bytes = b"",
    ) -> Commit | None:
        self._check_usable()
        if position <= self.place.position or not events:
            return None
        number = self.place.number + 1
        found = maker.read_entries(self._kind, events, oldest, newest)
        self._fault("set aside")
        if found.aside:
            lines = [{"reason": one.reason, "event": one.event.decode(errors="replace")} for one in found.aside]
            path = self._aside / f"{marked(f'{number:012d}', data_key)}.ndjson"
            write_set_aside(path, lines, data_key)
            self._backing.put([path])
        self._fault("write")
        written = maker.write(self._root, number, dict.fromkeys(found.ids), data_key)
        for day in found.ids:
            self._known.forget(day)
        proofs = {file.day: file.proof for file in written if file.proof is not None}
        commit = Commit(number, position, proofs, len(found.aside))
        self._put([file.action(is_new=True) for file in written], commit_statement(commit, self.place.head))
        return commit

    def append(
        self, batch: Batch, oldest: datetime, newest: datetime, workers: Workers, data_key: bytes = b""
    ) -> Appended:
        """Append a batch; rows are made and written while others do the same, and committed in turn."""
        if self.has_batch(batch.id):
            raise BatchTaken(batch.id)
        with ExitStack() as in_line:
            with workers.lease_for(batch.about_bytes) as maker:
                found = maker.read(self._kind, batch.load, oldest, newest)
                plan = in_line.enter_context(self.turns.in_line(batch.id, partial(self._plan, batch, found, data_key)))
                self._fault("write")
                written = maker.write(self._root, plan.number, plan.new, data_key)
            with self.turns.first(plan):
                commit = self._commit_batch(batch, plan, written) if written else None
        rows = sum(proof.count for proof in commit.days.values()) if commit else 0
        too_old, too_new, unreadable = (found.unfit.get(why, 0) for why in Unfit)
        return Appended(commit, rows, found.rows - rows, too_old, too_new, unreadable, found.report)

    def _plan(self, batch: Batch, found: ReadBatch, data_key: bytes, before: Sequence[BatchPlan]) -> BatchPlan:
        """Say what a batch brings beside what the table has, and what those ``before`` it will bring."""
        self._check_usable()
        if batch.id in self._batches():
            raise BatchTaken(batch.id)
        new, its_ids = {}, {}
        for day, ids in found.ids.items():
            files = opened_files((file for file in self.current.files if file.day == day), data_key)
            coming = [plan.ids[day] for plan in before if day in plan.ids]
            with self._backing.reading(Path(file.location) for file in files):
                new[day] = mask = self._known.new_among(day, ids, files, coming)
            its_ids[day] = ids if mask is None else ids.filter(mask)
        number = self.place.number + 1 + sum(plan.has_rows for plan in before)
        return BatchPlan(batch.id, number, new, its_ids)

    def _commit_batch(self, batch: Batch, plan: BatchPlan, written: Sequence[WrittenFile]) -> Commit:
        self._check_usable()
        proofs = {file.day: file.proof for file in written if file.proof is not None}
        commit = Commit(plan.number, self.place.position, proofs, 0, batch.id, batch.sources)
        self._put([file.action(is_new=True) for file in written], commit_statement(commit, self.place.head))
        self._batches().add(batch.id)
        for day in proofs:
            self._known.add(day, plan.ids[day])
        if commit.number % COMMITS_PER_RELEASE == 0:
            pa.default_memory_pool().release_unused()
        return commit

    def has_batch(self, batch_id: str) -> bool:
        with self.turns.held():
            return batch_id in self._batches()

    def _batches(self) -> set[str]:
        if self._batch_ids is None:
            self._batch_ids = {commit.batch for commit in self.commits() if commit.batch}
        return self._batch_ids

    def _put(self, actions: Sequence[AddAction | RemoveAction], statement: str) -> None:
        """Make a version of the table with these actions, durable on return.

        When it fails on the way, only opening the table again tells whether the version is there.
        """
        self._is_usable = False
        self._backing.put(self._root / action.path for action in actions if isinstance(action, AddAction))
        self._fault("commit")
        place = place_after(statement)
        self._delta.create_write_transaction(
            list(actions),
            mode="append",
            schema=self.schema,
            partition_by=[PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata={MEMBER: statement}, app_transactions=[Transaction(APPLICATION, place.number)]
            ),
            post_commithook_properties=_NO_HOOKS,
        )
        self._fault("flush")
        self._delta.update_incremental()
        self._sync_version(self._delta.version())
        self._fault("done")
        self.place = place
        self.current = self._read_version()
        self._is_usable = True

    def _check_usable(self) -> None:
        if not self._is_usable:
            raise Unavailable("the lake's table was opened anew, or a version of it failed half way")

    def _sync_version(self, version: int) -> None:
        sync(self._log / f"{version:020d}.json")
        sync(self._log)
        self._backing.publish(self._log / f"{version:020d}.json")
        self._flushed.write_text(str(version))

    def _read_version(self) -> TableVersion:
        listed = pa.table(self._delta.get_add_actions(flatten=True)).to_pydict()
        files = (
            LakeFile(str(self._root / path), size, rows or 0, date.fromisoformat(day))
            for path, size, rows, day in zip(
                listed["path"],
                listed["size_bytes"],
                listed["num_records"],
                listed[f"partition.{PARTITION_COLUMN}"],
                strict=True,
            )
        )
        ordered = tuple(sorted(files, key=lambda file: (file.day, file.location)))
        return TableVersion(self._delta.version(), self.place.position, ordered)

    def rows(self, events: Sequence[bytes], oldest: datetime, newest: datetime) -> tuple[pa.Table, int]:
        days, _ = read_records(self._kind, events, oldest, newest)
        number = self.place.number + 1
        tables = [build_rows(self._kind, records, number) for records in days.values()]
        rows = pa.concat_tables(tables) if tables else arrow_schema(stored_columns(self._kind)).empty_table()
        return rows, rows.num_rows

    def opened_version(self, data_key: bytes) -> TableVersion:
        """Return the table as it is now, with what opens its files."""
        current = self.current
        return replace(current, files=tuple(opened_files(current.files, data_key)))

    def is_to_be_compacted(self) -> bool:
        """Say whether there are files to join, or to encrypt."""
        return any(True for _ in self._groups()) or (self.has_key and any(plain_files(self._aside)))

    def _groups(self) -> Iterator[tuple[date, list[LakeFile]]]:
        is_due = (lambda file: not is_encrypted(file.location)) if self.has_key else None
        return compaction.groups(self.current.files, is_due)

    def compact(self, data_key: bytes = b"") -> int:
        self._check_usable()
        gone = 0
        if data_key:
            encrypt_files(self._aside, data_key, self._backing)
        for number, (day, files) in enumerate(self._groups()):
            self._fault("write")
            with self._backing.reading(Path(file.location) for file in files):
                read = pa.concat_tables(
                    parquet_file(file.location, file.key).read() for file in opened_files(files, data_key)
                )
            rows = read.sort_by([("eventtime", "ascending"), ("_commit", "ascending"), ("_index", "ascending")])
            if rows.num_rows != sum(file.rows for file in files):
                raise TableDamaged(f"the files of {day} do not have the rows that the table's log says")
            name = f"compact-{self.current.version + 1:012d}-{number:04d}"
            actions: list[AddAction | RemoveAction] = [self._remove(file, is_new=False) for file in files]
            actions.append(write_file(self._root, name, day, rows, data_key=data_key).action(is_new=False))
            details = {"day": str(day), "files": len(files), "rows": rows.num_rows}
            self._put(actions, upkeep_statement("compaction", self.place, details))
            gone += len(files)
        return gone

    def _remove(self, file: LakeFile, *, is_new: bool) -> RemoveAction:
        place = str(Path(file.location).relative_to(self._root))
        now = int(time.time() * 1000)
        return RemoveAction(place, is_new, now, file.size_bytes, {PARTITION_COLUMN: str(file.day)})

    def ending_days(self, before: date) -> dict[date, DayProof]:
        days = {file.day for file in self.current.files if file.day < before}
        return days_of(self.commits(), days) if days else {}

    def head_at(self, number: int) -> str:
        return head_at((said for _, said in statements(self._log)), number)

    def drop_days(self, before: date, commits: int, tombstone: Mapping[str, Any]) -> Sequence[date]:
        self._check_usable()
        if commits != self.place.number:
            return []
        files = [file for file in self.current.files if file.day < before]
        days = sorted({file.day for file in files})
        for day in days:
            self._known.forget(day)
        if days:
            details = {"days": [str(day) for day in days], "tombstone": dict(tombstone)}
            actions = [self._remove(file, is_new=True) for file in files]
            self._put(actions, upkeep_statement("drop", self.place, details))
        return days

    def vacuum(self) -> int:
        """Delete what no version of the last hours lists; checkpoint the log on the way."""
        self._fault("vacuum")
        self._checkpoint()
        listed = {Path(file.location) for file in self.current.files}
        since = time.time() - SNAPSHOT_HOURS * 3600
        kept = {self._root / path for path in self._removed_since(since)}
        gone = [
            path
            for path in self._root.glob(f"{PARTITION_COLUMN}=*/*")
            if path not in listed and path not in kept and path.stat().st_mtime < since
        ]
        for path in gone:
            path.unlink()
        for folder in self._root.glob(f"{PARTITION_COLUMN}=*"):
            if not any(folder.iterdir()):
                folder.rmdir()
        return len(gone) + self._backing.vacuum(listed | kept, since)

    def _checkpoint(self) -> None:
        """Shorten the reading of a log that has grown; opening leaves out a checkpoint that a power cut tore."""
        last = max((int(path.name[:20]) for path in self._log.glob("*.checkpoint*.parquet")), default=0)
        if self.current.version - last >= VERSIONS_PER_CHECKPOINT:
            self._delta.create_checkpoint()
            made = [
                *self._log.glob(f"{self._delta.version():020d}.checkpoint*.parquet"),
                self._log / "_last_checkpoint",
            ]
            for path in (*made, self._log):
                sync(path)
            self._backing.put(made)

    def _removed_since(self, since: float) -> set[str]:
        """Return the paths of files that versions of the log removed after ``since`` (seconds of the epoch)."""
        found: set[str] = set()
        for path in sorted(self._log.glob("*.json"), reverse=True):
            if not path.stem.isdigit() or path.stat().st_mtime < since:
                break
            removed = [action["remove"] for action in actions_of(path) if "remove" in action]
            found |= {remove["path"] for remove in removed}
        return found

    def commits(self) -> list[Commit]:
        found = [read_commit(said) for _, said in statements(self._log)]
        return [commit for commit in reversed(found) if commit is not None]
