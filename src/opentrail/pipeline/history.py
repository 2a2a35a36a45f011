"""Feeds Event history from the journal: every live management event, within a second of its being recorded."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from opentrail.clock import Clock, SystemClock, parse_time
from opentrail.event import Event
from opentrail.event.encoding import decode_event
from opentrail.event.lookup_attributes import event_id, lookup_attributes
from opentrail.pipeline.journal_pages import follow
from opentrail.ports import Unavailable
from opentrail.ports.event_history import RETENTION_DAYS, EventHistory, HistoryEvent, LookupKey
from opentrail.ports.journal import LIVE, EventEntry, Journal, Position, Positioned, PositionLost

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0
LINGER_SECONDS = 0.1
"""After a page was stored. Each page is a transaction, and with one for every commit of the journal lookups beside a
steady stream took three times as long."""

EXPIRY_SECONDS = 3_600.0
"""How often days that are too old are looked for; a day ends once, so this is its greatest delay."""

FUTURE_DAYS = 1
"""An event time further ahead than this is set aside."""

_KEYS = {key.value: key for key in LookupKey}

_log = structlog.get_logger(__name__)


class HistoryFeeder:
    """Stores what the journal holds from the history's own cursor on; each event once, whatever crashes.

    A page of the journal is one transaction of the history. An event that cannot be looked up (no id or time, or a
    time outside the retention) is set aside with a log line and holds up nothing.
    """

    def __init__(
        self,
        journal: Journal,
        history: EventHistory,
        clock: Clock | None = None,
        on_event: Callable[[bytes], None] | None = None,
    ) -> None:
        self._journal = journal
        self._history = history
        self._clock = clock or SystemClock()
        self._on_event = on_event
        self._position: Position | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS

    @property
    def position(self) -> Position | None:
        """Through where the journal is stored in the history and needed no more; None before the first read."""
        return self._position

    async def catch_up(self) -> None:
        """Store everything up to the journal's present head. Raises Unavailable."""
        await self._follow(self._journal.head())

    async def run(self) -> None:
        """Follow the journal and expire old days until cancelled; a history that does not answer is tried again."""
        expiry = asyncio.create_task(self._expire_for_ever())
        try:
            await self._follow_for_ever()
        finally:
            expiry.cancel()

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await self._follow(None)
            except Unavailable as error:
                _log.warning("event_history_unavailable", error=str(error), retry_seconds=self._retry_seconds)
                await asyncio.sleep(self._retry_seconds)
                self._retry_seconds = min(self._retry_seconds * 2, LAST_RETRY_SECONDS)

    async def _follow(self, until: Position | None) -> None:
        position = self._position = await self._history.cursor()
        if until is not None and position >= until:
            return
        try:
            async for page in follow(self._journal, position, until, LINGER_SECONDS):
                await self._store(page)
        except PositionLost as lost:
            _log.exception("event_history_gap", after=position, resume_after=lost.resume_after)
            await self._history.store((), lost.resume_after)
            await self._follow(until)

    async def _store(self, page: Sequence[Positioned]) -> None:
        through = page[-1][0]
        await self._history.store(self._history_events(page), through)
        self._position = through
        self._tell(page)
        self._retry_seconds = FIRST_RETRY_SECONDS

    def _tell(self, page: Sequence[Positioned]) -> None:
        if self._on_event is not None:
            for _, entry in page:
                if isinstance(entry, EventEntry) and entry.audience == LIVE:
                    self._on_event(entry.event)

    def _history_events(self, page: Sequence[Positioned]) -> Iterator[HistoryEvent]:
        for position, entry in page:
            if isinstance(entry, EventEntry) and entry.audience == LIVE:
                event = self._history_event(position, entry)
                if event is not None:
                    yield event

    def _history_event(self, position: Position, entry: EventEntry) -> HistoryEvent | None:
        try:
            event = decode_event(entry.event)
            if event.get("eventCategory") != "Management":
                return None
            made = history_event(event)
        except ValueError as error:
            _log.warning("event_not_in_history", position=position, reason=str(error))
            return None
        now = self._clock.now()
        if not now - timedelta(days=RETENTION_DAYS) <= made.event_time <= now + timedelta(days=FUTURE_DAYS):
            _log.warning("event_not_in_history", position=position, reason="its time is outside the retention")
            return None
        return made

    async def _expire_for_ever(self) -> None:
        while True:
            try:
                await self._history.expire(self._clock.now() - timedelta(days=RETENTION_DAYS))
            except Unavailable as error:
                _log.warning("event_history_not_expired", error=str(error))
            await asyncio.sleep(EXPIRY_SECONDS)


def history_event(event: Event) -> HistoryEvent:
    """Return an event with what it can be looked up by; raises ValueError without an id, a time, account or Region."""
    account_id, region = event.get("recipientAccountId"), event.get("awsRegion")
    if not (event_id(event) and isinstance(account_id, str) and isinstance(region, str)):
        raise ValueError("it has no eventID, recipientAccountId or awsRegion")
    return HistoryEvent(
        event=event,
        account_id=account_id,
        region=region,
        event_id=event_id(event),
        event_time=_event_time(event),
        attributes=tuple((_KEYS[key], value) for key, value in lookup_attributes(event)),
    )


def _event_time(event: Event) -> datetime:
    text = event.get("eventTime")
    if not isinstance(text, str):
        raise ValueError("it has no eventTime")
    return parse_time(text).astimezone(UTC)
