"""The journal: the durable, ordered list of recorded events and settings that every delivery reads.

It is the only place where an event must survive; everything right of it is rebuilt by reading it again.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from opentrail.ports import PortError

Position = NewType("Position", str)
"""Where an entry is. Opaque, but positions of one journal order as text: later entries have greater positions."""

START = Position("")
"""Before the first entry of any journal."""

LIVE = "live"
"""The audience of an event that history, trails, rules and live event data stores see."""

REGIONS_SCOPE = "regions"
"""Scope of the settings entry whose settings are the JSON list of enabled Regions."""


MAX_ENTRY_BYTES = 1024 * 1024 + 64 * 1024
"""One event or settings snapshot: the largest event of a lake (1 MiB) and slack for what a record adds to it."""

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""All entries of one append: 16 of the largest bodies that one call of ours may carry."""


@dataclass(init=False, slots=True, unsafe_hash=True)
class EventEntry:
    """One recorded event: its JSON (redacted, complete) and who may see it: LIVE or one event data store's ARN. Never
    changed; the constructor that dataclasses makes for frozen classes would take three times as long."""

    event: bytes
    audience: str = LIVE

    def __init__(self, event: bytes, audience: str = LIVE) -> None:
        self.event = event
        self.audience = audience


@dataclass(init=False, slots=True, unsafe_hash=True)
class EventsEntry:
    """Several events that one call handed to one audience, not LIVE: one entry at one position, so that a hundred of
    them take readers no longer than one. ``lines`` is the JSON of each, without line breaks, with one in between."""

    lines: bytes
    audience: str

    def __init__(self, lines: bytes, audience: str) -> None:
        self.lines = lines
        self.audience = audience

    @property
    def weight(self) -> int:
        """How many entries of one event it counts as where readers bound what they pass: by its bytes, a kilobyte
        each."""
        return 1 + len(self.lines) // 1024

    def events(self) -> list[bytes]:
        """Return the events, in order."""
        return self.lines.split(b"\n")


@dataclass(frozen=True, slots=True)
class SettingsEntry:
    """New settings, in force for every later entry.

    ``scope`` is the ARN of a trail, an event data store or a channel, or REGIONS_SCOPE; ``settings`` is the whole new
    JSON snapshot (``Trail.to_json()`` and so on), or None when the resource is gone.
    """

    scope: str
    settings: bytes | None


JournalEntry = EventEntry | EventsEntry | SettingsEntry
Positioned = tuple[Position, JournalEntry]

CallId = NewType("CallId", str)


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that was sent upstream and whose result no process recorded: its redacted, unfinished event."""

    id: CallId
    event: bytes


class PositionLost(PortError):
    """Entries after the given position were already cut loose; reading can go on after ``resume_after``."""

    def __init__(self, resume_after: Position) -> None:
        super().__init__(f"journal entries before {resume_after!r} are gone")
        self.resume_after = resume_after


class JournalObserver(Protocol):
    """Told by a journal's owner what it stored, whoever handed it in: right after the commit, in the event loop, before
    those who wait. Not to take longer than counting does."""

    def opened(self, call: CallId, seconds: float) -> None:
        """A call is pending, ``seconds`` after it was handed in."""
        ...

    def settled(self, call: CallId) -> None:
        """A call is pending no more; what was appended in its place is told next."""
        ...

    def appended(self, position: Position, entries: int, seconds: float) -> None:
        """``entries`` are durable, the last one at ``position``, ``seconds`` after they were handed in."""
        ...

    def failed(self, batches: int) -> None:
        """So many batches were not stored."""
        ...


class JournalWriter(Protocol):
    """The half of a journal that records: what the process that owns it offers to others too."""

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        """Store ``entries`` in order, all or none; return the last one's position once they survive a power cut.

        Batches of concurrent callers share commits. Raises Unavailable when the disk is full or the bounded queue
        of waiting batches is (nothing was stored), ValueError for an entry over MAX_ENTRY_BYTES or a batch over
        MAX_BATCH_BYTES. No entries store nothing and return the head. A caller that is cancelled while it waits
        does not know whether its entries were stored.
        """
        ...

    def open_call(self, event: bytes) -> Awaitable[CallId]:
        """Store a pending call; what is returned ends once it survives a power cut. Raises as ``append`` does, when it
        is awaited. Cancelled before it ended, it leaves no pending call."""
        ...

    def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> Awaitable[Position]:
        """Remove a pending call and append ``entries`` in one transaction. Raises as ``open_call`` does, and KeyError
        when the call is not pending (closed before)."""
        ...


class Journal(JournalWriter, Protocol):
    """One process owns a journal; its methods may be called from any task of that process's event loop."""

    async def abandoned_calls(self) -> Sequence[PendingCall]:
        """Return the pending calls that an earlier process left, oldest first; each stays until it is closed."""
        ...

    def head(self) -> Position:
        """Return the position of the last durable entry, START when there is none."""
        ...

    async def grown(self, after: Position) -> None:
        """Wait until something past ``after`` is durable. Raises Unavailable once the journal is closed."""
        ...

    def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        """Yield entries in order from just past ``after``, in pages of bounded size.

        With ``until`` it ends once the entry at ``until`` was yielded (pages never go past it); without, it waits for
        new entries for ever. Raises PositionLost, and JournalCorrupt when a checksum fails.
        """
        ...

    async def trim(self, through: Position) -> None:
        """Allow the entries up to and including ``through`` to be deleted; whole segments go when nothing in them
        is needed, among it pending calls."""
        ...

    def size_bytes(self) -> int:
        """Return the bytes that the journal holds on disk, for ``journal_max_bytes``."""
        ...

    def was_clean_shutdown(self) -> bool:
        """Say whether the process that owned the journal before this one drained and closed it.

        True also for a new journal. After False, what was only in that process's memory (fail-open's queue) is lost.
        """
        ...

    def last_commit_at(self) -> datetime | None:
        """Return when an earlier process last stored something, None for a new journal."""
        ...
