"""The log store: the events of log groups, by group and day. Settings are in ``ports.log_groups``.

A group and a stream are known here by their ids alone; a group's folder is made with its first event.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from opentrail.ports import Unavailable
from opentrail.ports.journal import START, Position
from opentrail.ports.query_engine import RowSource
from opentrail.resource.log_group import LogGroup

EVENT_OVERHEAD_BYTES = 26
"""What CloudWatch Logs counts for an event beside its message."""

MAX_PAGE_EVENTS = 10_000
MAX_PAGE_BYTES = 1024 * 1024
"""What one page holds at most, by CloudWatch Logs' own rule; a single larger event is a page of its own."""


class LogKeyUnusable(Unavailable):
    """The KMS key under which events are kept, or are to be, is gone, disabled, or not for CloudWatch Logs to use;
    the message says which. What is written waits, or is refused; what is kept cannot be read until that changes."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """Under which key of the key ring events are kept: its ARN, and that of the log group for the key's policy."""

    key_arn: str
    group_arn: str


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event to store. Times are ms since 1970. ``position`` is that of the journal entry it was made of, START for
    one that a caller put."""

    stream_id: str
    timestamp: int
    ingested_at: int
    message: str
    position: Position = START

    @property
    def size_bytes(self) -> int:
        """The event's size as CloudWatch Logs counts it."""
        return len(self.message.encode(errors="surrogatepass")) + EVENT_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event is in its group: events order by timestamp, and those of one by the order they were stored in."""

    timestamp: int
    sequence: int


BEFORE_ALL = Place(-1, 0)
AFTER_ALL = Place(2**62, 0)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it is kept."""

    place: Place
    stream_id: str
    ingested_at: int
    message: str


@dataclass(frozen=True, slots=True)
class LogRange:
    """What to read of a group: from ``start`` (ms, included) to ``end`` (ms, excluded), strictly between the places
    ``after`` and ``before``, of ``streams`` (ids) or of all (None)."""

    group_id: str
    start: int = 0
    end: int = 2**62
    after: Place = BEFORE_ALL
    before: Place = AFTER_ALL
    streams: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What is in one stream: times in ms, bytes as CloudWatch Logs counts them."""

    first_timestamp: int
    last_timestamp: int
    last_ingested_at: int
    stored_bytes: int


def key_of(group: LogGroup) -> LogKey | None:
    """Return the key under which a group's new events are kept, None for a group without one."""
    return LogKey(group.kms_key_arn, group.arn) if group.kms_key_arn else None


class LogStore(Protocol):
    """All methods raise Unavailable; those that read or write events, LogKeyUnusable."""

    async def append(
        self, group_id: str, events: Sequence[LogEvent], *, reader: str = "", key: LogKey | None = None
    ) -> None:
        """Store ``events`` in order; they survive a power cut on return.

        Under a ``key`` they are on disk in encrypted form alone; whether it may be used is asked of the key ring with
        every call, and where it may not, nothing is stored. Calls that run together share their commits. With a
        ``reader`` an event is stored once whatever is repeated: those at or before the position that the reader's
        events of that day reached are left out.
        """
        ...

    def watch(self, on_stored: Callable[[str, Collection[date]], None]) -> None:
        """Have ``on_stored`` called in the event loop with a group and the days that got events, once they are
        durable."""
        ...

    async def arrived(self, group_id: str, day: date, after: int, since: int, limit: int) -> Sequence[StoredEvent]:
        """Return the first ``limit`` events of a group's day in the order they were stored in: those behind the
        sequence ``after`` that came at ``since`` (ms) or later."""
        ...

    async def days(self, group_id: str) -> Sequence[date]:
        """Return the days that have events, or had some, in order."""
        ...

    async def read(self, log_range: LogRange, limit: int, *, is_newest_first: bool = False) -> Sequence[StoredEvent]:
        """Return the first ``limit`` events of a range, or the last ones, newest first, and no more than
        MAX_PAGE_BYTES of them. An empty answer says that there is none."""
        ...

    async def figures(self, group_id: str) -> Mapping[str, StreamFigures]:
        """Return what is in each stream that has events."""
        ...

    async def remove_stream(self, group_id: str, stream_id: str) -> None:
        """Delete the events of a stream."""
        ...

    async def remove(self, group_id: str) -> None:
        """Delete everything of a group."""
        ...

    async def expire(self, group_id: str, before: date) -> int:
        """Delete the days before ``before``; return how many there were."""
        ...

    async def group_ids(self) -> Sequence[str]:
        """Return the groups that have anything stored."""
        ...


class LogRows(Protocol):
    """The log store as a query engine reads it. Raises Unavailable, LogKeyUnusable."""

    async def rows(self, log_range: LogRange, constants: tuple[str, ...], named: Mapping[str, str]) -> RowSource:
        """Return the events of a range from ``start`` to ``end``, all streams, in no order, as rows of ``constants``,
        the stream's name (``named``, by id), timestamp, sequence, ingestion time (ms) and message; with the keys that
        open those messages."""
        ...
