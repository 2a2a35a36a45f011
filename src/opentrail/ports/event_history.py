"""Event history: the last 90 days of management events of each account and Region, looked up newest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from opentrail.event import Event
from opentrail.ports import PortError
from opentrail.ports.journal import Position

RETENTION_DAYS = 90


class LookupKey(StrEnum):
    """The attribute keys of LookupEvents, as the service model spells them."""

    EVENT_ID = "EventId"
    EVENT_NAME = "EventName"
    READ_ONLY = "ReadOnly"
    USERNAME = "Username"
    RESOURCE_TYPE = "ResourceType"
    RESOURCE_NAME = "ResourceName"
    EVENT_SOURCE = "EventSource"
    ACCESS_KEY_ID = "AccessKeyId"


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """An event with what it can be looked up by; ``attributes`` holds every (key, value) pair it answers to."""

    event: Event
    account_id: str
    region: str
    event_id: str
    event_time: datetime
    attributes: tuple[tuple[LookupKey, str], ...]


@dataclass(frozen=True, slots=True)
class LookupQuery:
    """What one page of a lookup asks for. Times are inclusive, None is open; all ``attributes`` must hold (AND)."""

    account_id: str
    region: str
    attributes: tuple[tuple[LookupKey, str], ...] = ()
    start_time: datetime | None = None
    end_time: datetime | None = None
    max_results: int = 50
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class LookupPage:
    """Events as their JSON, newest first, and the token of the next page ("" on the last)."""

    events: tuple[bytes, ...]
    next_token: str


class InvalidPageToken(PortError):
    """The token is garbage or belongs to another query."""


class EventHistory(Protocol):
    """The index behind LookupEvents. It keeps its own journal cursor, moved in the transaction that stores events."""

    async def cursor(self) -> Position:
        """Return the journal position up to which events are stored durably."""
        ...

    async def store(self, events: Iterable[HistoryEvent], through: Position) -> None:
        """Store ``events`` and move the cursor to ``through``, both or neither; visible to lookups on return.

        ``events`` may be made as they are asked for, which may be in another thread, and once only.
        An event whose id the same account and Region already has that day is not stored twice. Raises Unavailable.
        """
        ...

    async def lookup(self, query: LookupQuery) -> LookupPage:
        """Return one page, newest first; order is total (time, then event id), so pages neither overlap nor skip
        while new events arrive. Raises InvalidPageToken, Unavailable."""
        ...

    async def expire(self, before: datetime) -> None:
        """Drop whole days that end at or before ``before`` by unlinking their files."""
        ...

    async def close(self) -> None:
        """Release files; nothing is lost without it."""
        ...
