"""The journal in memory: the port's behaviour without a disk, with switches for what can go wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from opentrail.clock import Clock, SystemClock
from opentrail.ports import Unavailable
from opentrail.ports.journal import (
    MAX_BATCH_BYTES,
    MAX_ENTRY_BYTES,
    START,
    CallId,
    EventEntry,
    JournalEntry,
    PendingCall,
    Position,
    Positioned,
    PositionLost,
    SettingsEntry,
)

PAGE_ENTRIES = 100


class InMemoryJournal:
    """Entries live in a list; ``trim`` deletes at once. ``is_unavailable`` set to True makes every write fail."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.is_unavailable = False
        self._clock = clock or SystemClock()
        self._entries: list[JournalEntry] = []
        self._trimmed = 0
        self._pending: dict[CallId, PendingCall] = {}
        self._abandoned: list[CallId] = []
        self._calls = 0
        self._changed = asyncio.Event()
        self._is_clean = True
        self._is_closed = False
        self._earlier_commit_at: datetime | None = None
        self._commit_at: datetime | None = None

    def restarted(self) -> "InMemoryJournal":
        """Return the journal as the next process finds it; a crash unless ``close`` was called."""
        later = InMemoryJournal(self._clock)
        later._entries = list(self._entries)
        later._trimmed = self._trimmed
        later._pending = dict(self._pending)
        later._abandoned = list(self._pending)
        later._calls = self._calls
        later._is_clean = self._is_closed
        later._earlier_commit_at = later._commit_at = self._commit_at
        return later

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        self._check(entries)
        await asyncio.sleep(0)
        return self._store(entries)

    async def open_call(self, event: bytes) -> CallId:
        self._check([EventEntry(event)])
        await asyncio.sleep(0)
        self._calls += 1
        call = CallId(f"{self._calls:016x}")
        self._pending[call] = PendingCall(call, event)
        self._commit_at = self._clock.now()
        return call

    async def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> Position:
        self._check(entries)
        del self._pending[call]
        await asyncio.sleep(0)
        return self._store(entries)

    async def abandoned_calls(self) -> Sequence[PendingCall]:
        return [self._pending[call] for call in self._abandoned if call in self._pending]

    def pending_calls(self) -> Sequence[PendingCall]:
        """Return every call that is open now, for assertions."""
        return list(self._pending.values())

    def entries(self) -> Sequence[JournalEntry]:
        """Return every entry that was not trimmed, for assertions."""
        return list(self._entries)

    def head(self) -> Position:
        return _position(self._trimmed + len(self._entries))

    async def grown(self, after: Position) -> None:
        while True:
            if self._is_closed:
                raise Unavailable("the journal is closed")
            if self.head() > after:
                return
            await self._changed.wait()

    async def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        at = _number(after)
        end = None if until is None else _number(until)
        while end is None or at < end:
            changed = self._changed
            if at < self._trimmed:
                raise PositionLost(_position(self._trimmed))
            if self._is_closed:
                raise Unavailable("the journal is closed")
            stop = min(at + PAGE_ENTRIES, self._trimmed + len(self._entries))
            stop = stop if end is None else min(stop, end)
            if stop <= at:
                await changed.wait()
                continue
            page = [(_position(n + 1), self._entries[n - self._trimmed]) for n in range(at, stop)]
            at = stop
            yield page

    async def trim(self, through: Position) -> None:
        count = min(_number(through) - self._trimmed, len(self._entries))
        if count > 0:
            del self._entries[:count]
            self._trimmed += count

    def size_bytes(self) -> int:
        return sum(_size(entry) for entry in self._entries) + sum(len(call.event) for call in self._pending.values())

    def was_clean_shutdown(self) -> bool:
        return self._is_clean

    def last_commit_at(self) -> datetime | None:
        return self._earlier_commit_at

    async def close(self) -> None:
        self._is_closed = True
        self._wake()

    def _check(self, entries: Sequence[JournalEntry]) -> None:
        sizes = [_size(entry) for entry in entries]
        if any(size > MAX_ENTRY_BYTES for size in sizes) or sum(sizes) > MAX_BATCH_BYTES:
            raise ValueError("entry or batch over the maximum size")
        if self.is_unavailable or self._is_closed:
            raise Unavailable("the journal cannot store now")

    def _store(self, entries: Sequence[JournalEntry]) -> Position:
        self._entries.extend(entries)
        self._commit_at = self._clock.now()
        self._wake()
        return self.head()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _position(number: int) -> Position:
    return Position(f"{number:016x}") if number else START


def _number(position: Position) -> int:
    return int(position, 16) if position else 0


def _size(entry: JournalEntry) -> int:
    if isinstance(entry, SettingsEntry):
        return len(entry.settings or b"") + len(entry.scope)
    return len(entry.event if isinstance(entry, EventEntry) else entry.lines)
