"""The journal on this machine's disk: SQLite segment files, one owner process, group commit."""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from opentrail.adapters.journal import segments
from opentrail.adapters.journal.codec import check_size, encode_entries, format_number, parse_number
from opentrail.adapters.journal.pages import Page, PageReader, follow
from opentrail.adapters.journal.recent import RECENT_SECONDS, RecentRow, RecentRows
from opentrail.adapters.journal.recovery import Recovered, leave_mark, recover
from opentrail.adapters.journal.segments import ENTRIES, OPENED, SETTLED
from opentrail.adapters.journal.writer import Outcomes, SegmentLimits, Stop, Trim, Waiter, Write, Writer
from opentrail.clock import Clock, SystemClock
from opentrail.errors import HomeInUse
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, JournalEntry, JournalObserver, PendingCall, Position, Positioned

MAX_WAITING_BATCHES = 8192
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""What may wait for its commit, the batches being committed included; more is refused with Unavailable."""

LOCK_NAME = "lock"


class LocalJournal:
    """A Journal in a folder that one process owns. Open it with ``LocalJournal.open``, inside the loop that uses it.

    One thread writes and one reads; the event loop only hands them work. What waits is bounded, and everything that
    waits at the same time is committed in one transaction.
    """

    def __init__(
        self,
        folder: Path,
        lock: int,
        recovered: Recovered,
        clock: Clock,
        limits: SegmentLimits,
        observer: JournalObserver | None,
    ) -> None:
        self._folder = folder
        self._lock = lock
        self._observer = observer
        self._was_clean = recovered.was_clean
        self._earlier_commit_at = recovered.state.committed_at
        self._abandoned = {parse_number(call.id): call for call in recovered.abandoned}
        self._open_calls = set(recovered.state.pending)
        self._head = recovered.state.head
        self._accepted: list[Write] = []
        self._waiting_batches = 0
        self._waiting_bytes = 0
        self._is_closed = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        outcomes = Outcomes(self._in_loop(self._committed), self._in_loop(self._failed), self._in_loop(self._trimmed))
        self._writer = Writer(folder, recovered.state, outcomes, clock, limits)
        self._recent = RecentRows()
        self._is_expiry_due = False
        self._pages = PageReader(lambda: self._writer.segments)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._writer.start()

    @classmethod
    async def open(
        cls,
        folder: Path,
        clock: Clock | None = None,
        limits: SegmentLimits | None = None,
        observer: JournalObserver | None = None,
    ) -> "LocalJournal":
        """Open the journal in ``folder`` (created when missing) and own it until ``close`` or the process ends.

        Raises HomeInUse when another process owns it, JournalCorrupt, and Unavailable when the disk does not answer.
        """
        clock = clock or SystemClock()
        lock, recovered = await asyncio.to_thread(_lock_and_recover, folder, int(clock.now().timestamp() * 1_000_000))
        return cls(folder, lock, recovered, clock, limits or SegmentLimits(), observer)

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        if not entries:
            self._require_open()
            return self.head()
        appending = self._waiter()
        self.write(ENTRIES, 0, len(entries), encode_entries(entries), appending, tuple(entries))
        return await appending

    def open_call(self, event: bytes) -> "asyncio.Future[CallId]":
        opening: asyncio.Future[CallId] = self._loop.create_future()
        try:
            self.write(OPENED, 0, 0, event, opening)
        except (Unavailable, ValueError) as error:
            opening.set_exception(error)
        return opening

    def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> "asyncio.Future[Position]":
        settling = self._waiter()
        try:
            body = encode_entries(entries)
            self.write(SETTLED, _call_number(call), len(entries), body, settling, tuple(entries))
        except (Unavailable, ValueError, KeyError) as error:
            settling.set_exception(error)
        return settling

    async def abandoned_calls(self) -> Sequence[PendingCall]:
        return [call for number, call in sorted(self._abandoned.items()) if number in self._open_calls]

    def head(self) -> Position:
        return format_number(self._head)

    async def grown(self, after: Position) -> None:
        while parse_number(after) >= (standing := self._standing())[0]:
            await standing[1].wait()

    def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        end = None if until is None else parse_number(until)
        return follow(parse_number(after), end, self._standing, self._read_page)

    def _standing(self) -> tuple[int, asyncio.Event]:
        self._require_open()
        return self._head, self._changed

    async def _read_page(self, after: int, through: int) -> Page:
        await asyncio.sleep(0)  # others have their turn, also between pages that take no waiting
        page = self._recent.page(after, through)
        if page is None:
            page = await self._loop.run_in_executor(self._reading, self._pages.read, after, through)
        return page

    async def trim(self, through: Position) -> None:
        self._require_open()
        done: asyncio.Future[None] = self._loop.create_future()
        self._writer.work.put(Trim(parse_number(through), done))
        await done

    def size_bytes(self) -> int:
        return sum(segments.segment_size_bytes(segment.path) for segment in self._writer.segments)

    def was_clean_shutdown(self) -> bool:
        return self._was_clean

    def last_commit_at(self) -> datetime | None:
        if not self._earlier_commit_at:
            return None
        return datetime.fromtimestamp(self._earlier_commit_at / 1_000_000, UTC)

    def abandon(self, calls: Sequence[PendingCall]) -> None:
        """Count open calls of a process that went away among the abandoned ones; others are passed over."""
        for call in calls:
            number = parse_number(call.id)
            if number in self._open_calls:
                self._abandoned[number] = call

    async def close(self) -> None:
        """Commit what waits, mark the journal as drained and give it up; later calls and readers get Unavailable."""
        if self._is_closed:
            return
        self._is_closed = True
        self._recent.clear()
        self._hand_over()
        self._wake()
        await asyncio.to_thread(self._drain)

    def _drain(self) -> None:
        self._writer.work.put(Stop())
        self._writer.join()
        self._reading.submit(self._pages.close)
        self._reading.shutdown(wait=True)
        try:
            leave_mark(self._folder, self._writer.last)
        except OSError as error:
            raise Unavailable(f"the journal is stored but not marked as drained: {error}") from error
        finally:
            os.close(self._lock)

    def write(
        self,
        kind: int,
        call: int,
        entries: int,
        body: bytes,
        done: Waiter,
        decoded: Sequence[JournalEntry] | None = None,
    ) -> None:
        """Take one batch as a row of ``kind`` (``segments``); once it is committed ``done`` learns its position, or the
        call's id.

        ``call`` is the number of the call that it settles; ``entries`` how many entries ``body`` frames, and
        ``decoded`` these, where they are at hand. Raises, and then ``done`` learns nothing: Unavailable, ValueError,
        and KeyError for a call that is not open.
        """
        self._require_open()
        if kind == OPENED:
            check_size(len(body))
        elif kind == SETTLED:
            if call not in self._open_calls:
                raise KeyError(format_number(call))
        elif kind != ENTRIES:
            raise ValueError("unknown kind of batch")
        if self._waiting_batches >= MAX_WAITING_BATCHES or self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
            raise Unavailable("too many batches wait for the journal")
        self._waiting_batches += 1
        self._waiting_bytes += len(body)
        if not self._accepted:
            self._loop.call_soon(self._hand_over)
        self._accepted.append(Write(kind, call, entries, body, done, perf_counter(), decoded))
        self._open_calls.discard(call)

    def _hand_over(self) -> None:
        """Give the writer what this turn of the event loop brought: woken for each batch, it would take the
        interpreter's lock amid the turn and commit few batches at a time."""
        accepted, self._accepted = self._accepted, []
        if accepted:
            self._writer.work.put(accepted)

    def _waiter(self) -> "asyncio.Future[Position]":
        return self._loop.create_future()

    def _in_loop(self, report: Callable[..., None]) -> Callable[..., None]:
        """Return ``report`` as the writer's thread may call it."""

        def from_thread(*outcome: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(report, *outcome)

        return from_thread

    def _committed(self, writes: list[Write], head: int) -> None:
        self._release(writes)
        self._head = head
        self._keep(writes)
        if self._observer is not None:
            _tell(self._observer, writes)
        for write in writes:
            if write.kind == OPENED:
                self._open_calls.add(write.number)
                if write.done.cancelled():
                    self._drop_call(write.number)
            elif write.kind == SETTLED:
                self._abandoned.pop(write.call, None)
            if not write.done.done():
                holds_position = write.entries or write.kind == OPENED
                write.done.set_result(format_number(write.number if holds_position else head))
        self._wake()

    def _keep(self, writes: list[Write]) -> None:
        """Keep what was committed at hand for those who read it next."""
        if self._is_closed:
            return
        now = self._loop.time()
        if not self._is_expiry_due:
            self._is_expiry_due = True
            self._loop.call_later(RECENT_SECONDS, self._expire)
        for write in writes:
            first = write.number - max(write.entries, 1) + 1
            decoded = write.decoded if write.entries else ()
            self._recent.add(RecentRow(first, write.number, decoded, write.body if write.entries else b"", now))

    def _expire(self) -> None:
        self._recent.expire(self._loop.time() - RECENT_SECONDS)
        self._is_expiry_due = not self._recent.is_empty
        if self._is_expiry_due:
            self._loop.call_later(RECENT_SECONDS, self._expire)

    def _failed(self, writes: list[Write], error: Exception) -> None:
        self._release(writes)
        if self._observer is not None:
            self._observer.failed(len(writes))
        for write in writes:
            if write.kind == SETTLED:
                self._open_calls.add(write.call)
            if not write.done.done():
                write.done.set_exception(error)

    def _trimmed(self, trim: Trim) -> None:
        self._recent.clear()
        if not trim.done.done():
            trim.done.set_result(None)

    def _release(self, writes: list[Write]) -> None:
        self._waiting_batches -= len(writes)
        self._waiting_bytes -= sum(len(write.body) for write in writes)

    def _drop_call(self, number: int) -> None:
        """Settle a call whose opener was cancelled: nobody knows its id, so nobody else will."""
        if self._is_closed:
            return
        dropping = self._waiter()
        try:
            self.write(SETTLED, number, 0, b"", dropping)
        except (Unavailable, KeyError):
            return
        dropping.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _require_open(self) -> None:
        if self._is_closed:
            raise Unavailable("the journal is closed")

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _tell(observer: JournalObserver, writes: Sequence[Write]) -> None:
    now = perf_counter()
    for write in writes:
        if write.kind == OPENED:
            observer.opened(CallId(format_number(write.number)), now - write.accepted_at)
            continue
        if write.kind == SETTLED:
            observer.settled(CallId(format_number(write.call)))
        if write.entries:
            observer.appended(format_number(write.number), write.entries, now - write.accepted_at)


def _call_number(call: CallId) -> int:
    try:
        return parse_number(call)
    except ValueError as error:
        raise KeyError(call) from error


def _lock_and_recover(folder: Path, now: int) -> tuple[int, Recovered]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock, recover(folder, now)
    except BlockingIOError as error:
        os.close(lock)
        raise HomeInUse(f"another process owns the journal in {folder}; stop it or use another home") from error
    except (sqlite3.OperationalError, OSError) as error:
        os.close(lock)
        raise Unavailable(f"the journal in {folder} cannot be opened: {error}") from error
    except BaseException:
        os.close(lock)
        raise
