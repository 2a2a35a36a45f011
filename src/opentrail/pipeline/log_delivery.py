"""Delivery of trails to log groups: one reader for each trail that has one, each with a back-off of its own."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from opentrail.clock import Clock
from opentrail.pipeline.delivery_context import Backoff
from opentrail.pipeline.journal_pages import LINGER_SECONDS
from opentrail.pipeline.log_reader import LogDeliveryContext, LogDeliveryFailed, LogReader
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, Position
from opentrail.ports.log_groups import LogReaderState
from opentrail.waiting import is_set_within

LOOK_SECONDS = 0.1
"""How often deliveries are looked at while nothing is recorded: a destination may take again what it did not."""

LISTING = timedelta(seconds=1)
"""Readers are listed this often at least, and whenever the journal has grown."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LogGroupState:
    """How the delivery of one trail to its log group stands; ``cursor`` is the position it needs nothing before."""

    trail_arn: str
    cursor: Position
    is_failing: bool


class LogDelivery:
    """Delivers every trail's events to its log group. Either ``run`` or ``tick``, not both."""

    def __init__(self, context: LogDeliveryContext, clock: Clock) -> None:
        self._context = context
        self._clock = clock
        self._states: dict[str, LogReaderState] | None = None
        self._readers: dict[str, LogReader] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._seen_head = self._settled_head = START
        self._listed_head: Position | None = None
        self._listed_at: datetime | None = None

    def holds(self) -> Position:
        """Return the position up to and including which the journal may be trimmed.

        As of the readers that were listed last: one that was made since is safe, because only what was there one
        listing earlier, a second ago at least, counts as passed.
        """
        if self._states is None:
            return START
        cursors = {arn: state.cursor for arn, state in self._states.items()}
        cursors |= {arn: reader.state.cursor for arn, reader in self._readers.items() if arn in cursors}
        return min([self._settled_head, *cursors.values()])

    def states(self) -> list[LogGroupState]:
        """Return how the delivery of each trail with a log group stands, by ARN, as of the readers listed last."""
        return [
            LogGroupState(arn, self._readers[arn].state.cursor if arn in self._readers else state.cursor, failing)
            for arn, state in sorted((self._states or {}).items())
            for failing in [arn in self._backoffs and self._backoffs[arn].is_failing]
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop`` is set; what is recorded by then is delivered, or read again by the next process."""
        while not stop.is_set():
            head = self._context.journal.head()
            await self._tick_safely()
            if not await is_set_within(stop, LINGER_SECONDS):
                await self._wait(stop, head)
        await self._tick_safely()
        for reader in self._readers.values():
            try:
                await reader.settle(self._clock.now())
            except Unavailable as error:
                _log.warning("log group delivery not settled", trail=reader.state.trail_arn, error=str(error))

    async def tick(self, now: datetime) -> None:
        """Deliver what is due for every trail. Raises Unavailable when the readers cannot be listed."""
        await self._list(now)
        for arn in list(self._states or {}):
            await self._tick_one(arn, now)

    async def _tick_safely(self) -> None:
        try:
            await self.tick(self._clock.now())
        except Unavailable as error:
            _log.warning("log group readers not listed", error=str(error))

    async def _wait(self, stop: asyncio.Event, head: Position) -> None:
        """Wait until the journal has more than ``head``, or until it is time to look all the same."""
        ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._context.journal.grown(head))]
        try:
            await asyncio.wait(ends, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _list(self, now: datetime) -> None:
        head = self._context.journal.head()
        is_late = self._listed_at is None or abs(now - self._listed_at) >= LISTING
        if head == self._listed_head and not is_late:
            return
        states = {state.trail_arn: state for state in await self._context.readers.readers()}
        for gone in self._readers.keys() - states.keys():
            del self._readers[gone]
        self._states, self._listed_head = states, head
        if is_late:
            self._settled_head, self._seen_head, self._listed_at = self._seen_head, head, now

    async def _tick_one(self, arn: str, now: datetime) -> None:
        backoff = self._backoffs.setdefault(arn, Backoff())
        if backoff.must_wait(now) or self._states is None:
            return
        reader = self._readers.get(arn) or LogReader(self._context, self._states[arn], now)
        self._readers[arn] = reader
        try:
            is_finished = await reader.tick(now)
        except Exception as error:  # the edge of a worker: the trail starts again from what is stored
            backoff.fail(now)
            self._states[arn] = reader.state
            del self._readers[arn]
            await self._note(reader, error)
            return
        backoff.succeed()
        if is_finished:
            del self._readers[arn]
            self._listed_head = None

    async def _note(self, reader: LogReader, error: Exception) -> None:
        arn = reader.state.trail_arn
        if isinstance(error, LogDeliveryFailed):
            _log.warning("log group takes no events", trail=arn, error=str(error))
            try:
                await reader.note_failure(str(error))
            except Unavailable as unavailable:
                _log.warning("trail status not stored", trail=arn, error=str(unavailable))
        elif isinstance(error, Unavailable):
            _log.warning("log group delivery interrupted", trail=arn, error=str(error))
        else:
            _log.error("log group delivery failed", trail=arn, exc_info=error)
