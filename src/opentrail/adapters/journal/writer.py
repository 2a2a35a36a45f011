"""The one thread that writes a journal: group commit, new segments, deletion of old ones.

Work comes in through a queue, in the order it was accepted; the thread takes what waits, commits it in one transaction,
and reports the outcome. Bounding the queue is the owner's business (``local.py``).
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import structlog

from opentrail.adapters.journal import segments
from opentrail.adapters.journal.segments import OPENED, SETTLED, Beginning, RowValues, SegmentFile
from opentrail.clock import Clock
from opentrail.errors import JournalCorrupt
from opentrail.ports import Unavailable
from opentrail.ports.journal import JournalEntry

MAX_COMMIT_BATCHES = 1024
MAX_COMMIT_BYTES = 8 * 1024 * 1024
"""What one transaction takes at most beside its first batch, so that a commit stays in the tens of milliseconds."""

_ROW_OVERHEAD_BYTES = 40

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """When the newest segment is followed by another: at this size, or at this age if anything is in it."""

    size_bytes: int = 256 * 1024 * 1024
    age_seconds: float = 3600.0


class Waiter(Protocol):
    """What waits for a batch, as far as asyncio.Future: told in the event loop, once, the position or the call's id."""

    def done(self) -> bool: ...

    def cancelled(self) -> bool: ...

    def set_result(self, position: Any, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class Write:
    """A batch on its way: ``call`` is the call it settles, ``number`` its last number once it is committed,
    ``accepted_at`` the reading of time.perf_counter when it was taken, ``decoded`` what ``body`` frames where that is
    at hand."""

    __slots__ = ("accepted_at", "body", "call", "decoded", "done", "entries", "kind", "number")

    def __init__(
        self,
        kind: int,
        call: int,
        entries: int,
        body: bytes,
        done: Waiter,
        accepted_at: float,
        decoded: Sequence[JournalEntry] | None = None,
    ) -> None:
        self.kind = kind
        self.call = call
        self.entries = entries
        self.body = body
        self.done = done
        self.accepted_at = accepted_at
        self.decoded = decoded
        self.number = 0


@dataclass(slots=True)
class Trim:
    """The wish to delete sealed segments whose numbers are all at most ``through``."""

    through: int
    done: Any


class Stop:
    """The last thing in the queue."""


Work = list[Write] | Trim | Stop
"""Writes come as the lists that single turns of the event loop brought."""


@dataclass(frozen=True, slots=True)
class State:
    """Where the journal stood when it was opened; the writer goes on from there.

    ``segments`` are those on disk, the newest last; ``last`` is the last number given out, ``head`` that of the last
    entry, ``pending`` the calls that are open.
    """

    segments: tuple[SegmentFile, ...]
    beginning: Beginning
    last: int
    head: int
    committed_at: int
    pending: frozenset[int]


class Outcomes:
    """Where the writer's results go; called on the writer's thread."""

    def __init__(
        self,
        committed: Callable[[list[Write], int], None],
        failed: Callable[[list[Write], Exception], None],
        trimmed: Callable[[Trim], None],
    ) -> None:
        self.committed, self.failed, self.trimmed = committed, failed, trimmed


class Writer(threading.Thread):
    """Owns the newest segment. ``segments`` may be read by any thread; it is replaced, never changed."""

    def __init__(self, folder: Path, state: State, outcomes: Outcomes, clock: Clock, limits: SegmentLimits) -> None:
        super().__init__(name="journal-writer", daemon=True)
        self.work: SimpleQueue[Work] = SimpleQueue()
        self.segments = state.segments
        self.last = state.last
        self._folder = folder
        self._outcomes = outcomes
        self._clock = clock
        self._limits = limits
        self._beginning = state.beginning
        self._head = state.head
        self._committed_at = state.committed_at
        self._pending = set(state.pending)
        self._connection: sqlite3.Connection | None = None
        self._bytes = segments.segment_size_bytes(state.segments[-1].path)

    def run(self) -> None:
        while True:
            work = self.work.get()
            if isinstance(work, list):
                following = self._gather(work)
                for group in _split(work):
                    self._commit(group)
                if following is None:
                    continue
                work = following
            if isinstance(work, Trim):
                self._trim(work.through)
                self._outcomes.trimmed(work)
            elif isinstance(work, Stop):
                self._seal()
                return

    def _gather(self, writes: list[Write]) -> Trim | Stop | None:
        """Add the writes that wait to ``writes``, which were taken; return what stands behind them in the queue. What
        waits is bounded by the owner."""
        while not self.work.empty():
            work = self.work.get()
            if not isinstance(work, list):
                return work
            writes += work
        return None

    def _commit(self, writes: list[Write]) -> None:
        try:
            now = int(self._clock.now().timestamp() * 1_000_000)
            connection = self._newest(now)
            segments.insert_rows(connection, self._rows(writes, now))
        except Exception as error:
            self._give_up(writes, error)
            return
        self._note(writes, now)
        self._outcomes.committed(writes, self._head)

    def _rows(self, writes: list[Write], now: int) -> list[RowValues]:
        rows: list[RowValues] = []
        last = self.last
        for write in writes:
            last += max(write.entries, 1)
            write.number = last
            rows.append(segments.make_row(last, write.kind, write.call, write.entries, now, write.body))
        return rows

    def _note(self, writes: list[Write], now: int) -> None:
        self.last, self._committed_at = writes[-1].number, now
        for write in writes:
            self._bytes += len(write.body) + _ROW_OVERHEAD_BYTES
            if write.entries:
                self._head = write.number
            if write.kind == OPENED:
                self._pending.add(write.number)
            elif write.kind == SETTLED:
                self._pending.discard(write.call)

    def _give_up(self, writes: list[Write], error: Exception) -> None:
        """Fail ``writes``; the next commit opens the segment afresh, rid of anything this one may have left."""
        self._close_connection()
        if segments.is_corruption(error):
            failure: Exception = JournalCorrupt(f"{self.segments[-1].path} is not a journal segment any more: {error}")
        else:
            failure = Unavailable(f"the journal cannot store now: {error}")
        failure.__cause__ = error
        _log.error("journal commit failed", batches=len(writes), error=str(error))
        self._outcomes.failed(writes, failure)

    def _newest(self, now: int) -> sqlite3.Connection:
        """Return the connection to the segment that the next rows go to."""
        if self._is_full(now):
            self._begin_segment(now)
        if self._connection is None:
            self._connection = segments.open_for_writing(self.segments[-1].path)
            segments.drop_rows_after(self._connection, self.last)
        return self._connection

    def _is_full(self, now: int) -> bool:
        age_seconds = (now - self._beginning.created_at) / 1_000_000
        has_rows = self.last >= self._beginning.first
        return has_rows and (self._bytes >= self._limits.size_bytes or age_seconds >= self._limits.age_seconds)

    def _begin_segment(self, now: int) -> None:
        self._seal()
        ordinal = self.segments[-1].ordinal + 1
        segment = SegmentFile(ordinal, segments.segment_path(self._folder, ordinal), self.last + 1)
        pending = tuple(sorted(self._pending))
        beginning = Beginning(segment.first, self._head, now, self._committed_at, pending)
        self._connection = segments.create_segment(segment.path, beginning)
        self._beginning, self._bytes = beginning, 0
        self.segments = (*self.segments, segment)

    def _seal(self) -> None:
        """Move the log into the segment's file and let go of it; if that fails both stay, which is as good."""
        if self._connection is None:
            return
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            _log.warning("journal segment not checkpointed", path=str(self.segments[-1].path), error=str(error))
        self._close_connection()

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _trim(self, through: int) -> None:
        kept: list[SegmentFile] = []
        gone: list[SegmentFile] = []
        for segment, following in pairwise(self.segments):
            last = following.first - 1
            is_needed = last > through or any(segment.first <= call <= last for call in self._pending)
            (kept if is_needed else gone).append(segment)
        self.segments = (*kept, self.segments[-1])
        for segment in gone:
            try:
                segments.delete_segment(segment.path)
            except OSError as error:
                _log.warning("journal segment not deleted", path=str(segment.path), error=str(error))


def _split(writes: list[Write]) -> list[list[Write]]:
    """Return the writes of one transaction after another, each within the bounds of a commit."""
    size = sum([len(write.body) for write in writes])
    if len(writes) <= MAX_COMMIT_BATCHES and size <= MAX_COMMIT_BYTES:
        return [writes]
    groups: list[list[Write]] = [[]]
    size = 0
    for write in writes:
        if len(groups[-1]) >= MAX_COMMIT_BATCHES or size >= MAX_COMMIT_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(write)
        size += len(write.body)
    return groups
