"""The lake: one append-only table for each event data store, and what a query reads of it.

Events go in by commits, each exactly once. No method changes or removes one event: whole days end with the retention.
The columns of a table are those of ``resource.lake_columns``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Protocol

from opentrail.ports import PortError
from opentrail.ports.journal import Position
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind


class TableNotFound(PortError):
    """The event data store has no table: it is not known, or it is gone for good."""


class TableDamaged(PortError):
    """Files of the table, or its log, are not what was committed; the text says which."""


class BatchTaken(PortError):
    """The table has the batch already."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file of a table: an absolute path or an ``s3://`` address, its size, rows, and the day it is of.

    ``key`` opens an encrypted one and is never to be stored; it is empty for a plain one.
    """

    location: str
    size_bytes: int
    rows: int
    day: date
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A table as of one version of its log: ``files`` hold exactly the events up to ``position``."""

    version: int
    position: Position
    files: tuple[LakeFile, ...]


class ArrowStream(Protocol):
    """Rows in memory, behind the Arrow C stream interface, which DuckDB and every Arrow library read."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@dataclass(frozen=True, slots=True)
class LakeSnapshot:
    """Every event of an event data store at one moment: what is in files, and what is not committed yet.

    ``fresh`` has the columns of ``stored_columns``, as the files do, and ``fresh_rows`` rows; none of its events is in
    ``files``. It is None when everything is committed. Files that are listed stay in place for at least SNAPSHOT_HOURS.
    Events of a store with a KMS key are ``is_encrypted``: they are to be written nowhere in the clear.
    """

    event_data_store_arn: str
    kind: EventDataStoreKind
    version: int
    position: Position
    files: tuple[LakeFile, ...]
    fresh: ArrowStream | None
    fresh_rows: int
    is_encrypted: bool = False


SNAPSHOT_HOURS = 2
"""How long files that compaction or retention replaced can still be read: more than the longest query."""


class Lake(Protocol):
    """What queries need of the lake."""

    async def snapshot(self, arn: str) -> LakeSnapshot:
        """Return all events of an event data store that were recorded before this call, in one consistent step.

        Raises TableNotFound, TableDamaged, Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class DayProof:
    """What a commit says of the events that it brought of one day: their number, and the hex root of the RFC 6962 tree
    over their records (``eventjson``) in the order of ``_index``."""

    count: int
    root: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of new events: the ``number``-th of its table, from 1, with every event up to ``position``.

    ``set_aside`` counts records up to ``position`` that no day of the table takes; they are kept beside it. A commit
    that came past the journal names its ``batch`` and the ``sources`` of its events, and leaves the position as it was.
    """

    number: int
    position: Position
    days: Mapping[date, DayProof]
    set_aside: int
    batch: str = ""
    sources: tuple[str, ...] = ()


class Unfit(Enum):
    """Why a table does not take a record."""

    TOO_OLD = "too old"
    TOO_NEW = "too new"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that the table does not take, and why, in words too."""

    event: bytes
    reason: str
    unfit: Unfit


MAX_BATCH_SOURCES = 10_000
MAX_BATCH_ID = 200
"""Objects that a batch may name, and characters that its id may have."""


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """The records of a batch, each the JSON of one event, and whatever else their reader has to say: all of it once the
    last record is taken, for ``events`` may be read from what holds them as they are asked for.

    ``judged`` loads the same anew without records that are no JSON object or have no time, which its report names. It
    is called when one of ``events`` turns out to be such a record: most batches have none, and are not read twice.
    """

    events: Iterable[bytes]
    report: Any = None
    judged: "Callable[[], LoadedBatch] | None" = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Records from outside the journal that go into a table in one commit: 20,000 to 100,000 of them go in fastest.

    ``id`` is the batch's own for good, such as ``IMPORT_ID/17``: a table takes each id once. ``sources`` names the
    objects that the records stand in. ``load`` reads them; it may be called in another process, so it is a function of
    a module, or a ``functools.partial`` of one over what pickles (compressed bodies rather than plain ones).
    ``about_bytes`` is what the records have together, as far as it is known: for few no process is started.
    """

    id: str
    sources: tuple[str, ...]
    load: Callable[[], LoadedBatch]
    about_bytes: int | None = None


def check_batch(batch: Batch) -> None:
    """Raise ValueError for a batch without an id or sources, or with more than the bounds."""
    if not 0 < len(batch.id) <= MAX_BATCH_ID or not 0 < len(batch.sources) <= MAX_BATCH_SOURCES:
        raise ValueError("a batch has an id and sources, within bounds")


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch: rows added, and records that were not, by why; ``report`` is what ``load`` said.

    ``duplicates`` are records whose eventID another record of the same day has, in the table or earlier in the batch.
    ``unreadable`` are no JSON objects, or have no eventTime that can be read. ``commit`` is None without rows.
    """

    commit: Commit | None
    rows: int
    duplicates: int
    too_old: int
    too_new: int
    unreadable: int
    report: Any


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a table is: how many commits of events it has, and the hex hash that the last one's statement has (its
    ``head``: as each statement holds the hash of the one before, it vouches for all)."""

    number: int
    head: str


class LakeTable(Protocol):
    """One event data store's table. Writers take turns; reading goes on meanwhile."""

    @property
    def committed(self) -> Position:
        """The position up to which the table has every event, START when there was no commit."""
        ...

    @property
    def standing(self) -> Standing:
        """How far the commits of events are."""
        ...

    async def head_at(self, number: int) -> str:
        """Return the head that the table had after its ``number``-th commit, followed back from the last one.

        Raises TableDamaged where the statements do not hold on to one another, or that commit is not there.
        """
        ...

    async def commit(
        self, events: Sequence[bytes], position: Position, oldest: datetime, newest: datetime
    ) -> Commit | None:
        """Add the records of journal entries after ``committed``, durably, and move it to ``position``: all or nothing.

        A record that is no JSON object, or whose eventTime is missing or not from ``oldest`` to ``newest``, is set
        aside, durably too. Records are stored as they are. Without any events nothing is written: None.
        Raises Unavailable (nothing was committed, or it will be found out on the next open) and TableDamaged.
        """
        ...

    async def append(self, batch: Batch, oldest: datetime, newest: datetime) -> Appended:
        """Add a batch's records beside what the journal brings, durably: all or nothing.

        Only rows that the table has not yet are added; the others are counted, and not kept: they are at their sources.
        The commit names the batch and its sources; ``committed`` stays. Several may be called at once, of which the
        order of the commits is not said. Raises BatchTaken when a commit of this batch is there; Unavailable (nothing
        was committed, or ``has_batch`` says so on the table opened anew), TableDamaged, and what ``load`` raises.
        """
        ...

    async def has_batch(self, batch_id: str) -> bool:
        """Say whether a commit of this batch is there."""
        ...

    async def version(self) -> TableVersion:
        """Return the table as it is now. Raises StoreKeyRefused where its files are encrypted and may not be read."""
        ...

    async def rows(self, events: Sequence[bytes], oldest: datetime, newest: datetime) -> tuple[ArrowStream, int]:
        """Return the records that a commit would add as rows, and their number; those to be set aside are left out."""
        ...

    async def compact(self) -> int:
        """Join the small files of each day; return how many files went. Events and their proofs stay as they are."""
        ...

    async def ending_days(self, before: date) -> Mapping[date, DayProof]:
        """Return the days before ``before`` that the table has: how many events, and the hex root of the RFC 6962 tree
        over the lines ``number count root`` of the commits that brought them, oldest first."""
        ...

    async def drop_days(self, before: date, commits: int, tombstone: Mapping[str, Any]) -> Sequence[date]:
        """End every day before ``before``; return the days. ``tombstone``, in which the caller signs what
        ``ending_days`` said, goes into the table's log. Nothing ends where the table has not exactly ``commits``
        commits: what was signed is not all that would go."""
        ...

    async def vacuum(self) -> int:
        """Delete files that no version of the last SNAPSHOT_HOURS lists; return how many."""
        ...


class LakeAppender(Protocol):
    """How events come into stores' tables past the journal. Nothing that follows the journal sees them."""

    async def append(self, arn: str, batch: Batch) -> Appended:
        """Append a batch to a store's table, within the store's retention: see ``LakeTable.append``.

        Raises TableNotFound too. After Unavailable try again later, with the same batch.
        """
        ...

    async def has_batch(self, arn: str, batch_id: str) -> bool:
        """Say whether a commit of this batch is there. Raises TableNotFound, TableDamaged, Unavailable."""
        ...


class LakeTables(Protocol):
    """The tables of all event data stores. Nothing is loaded before the first one is opened."""

    async def open(self, store: EventDataStore) -> LakeTable:
        """Open the store's table, made when there is none; what a crash left half done is undone first.

        A table of the same store that was opened before can be written no more: it raises Unavailable.
        Raises Unavailable, TableDamaged.
        """
        ...

    async def remove(self, arn: str) -> None:
        """Delete an event data store's table with every file of it; one that is not there is no error."""
        ...
