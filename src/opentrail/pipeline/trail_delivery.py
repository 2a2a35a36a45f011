"""Trail delivery: one reader for every trail in the delivery log, each on its own so that none holds up another.

Plan, put, confirm (ports/delivery_log.py): files and digests reach their bucket once, whatever stops the process and
whenever; ``holds`` is what the journal must keep for that.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from opentrail.clock import Clock
from opentrail.pipeline.delivery_context import Backoff, DeliveryContext, DeliveryCounts, GapReport
from opentrail.pipeline.reader_tasks import run_readers
from opentrail.pipeline.trail_reader import TrailReader
from opentrail.ports import Unavailable
from opentrail.ports.delivery_log import DeliveryLog, ReaderState
from opentrail.ports.journal import START, Journal, Position
from opentrail.ports.object_store import ObjectStores
from opentrail.ports.signer import Signer
from opentrail.ports.trail_store import TrailStore

LONGEST_WAIT = timedelta(seconds=1)
"""Readers look for work at least this often, and four times in every log file interval."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrailState:
    """How one trail's delivery stands. ``needs_after`` is the position through which it needs nothing more;
    ``undigested_since`` is None for a trail without digests."""

    trail_arn: str
    needs_after: Position
    undigested_since: datetime | None
    is_failing: bool


class TrailDelivery:
    """Delivers every trail's log files and digests.

    Either ``run`` or ``tick``, not both; ``wake`` shortens the wait of a running delivery. ``report_gap`` makes
    the event that puts a loss on record; without it, and without ``trails`` (the settings to go on with when the
    journal lost some), a trail that was cut loose says so in the log only. ``receivers`` are told of every log file.
    """

    def __init__(
        self,
        journal: Journal,
        delivery_log: DeliveryLog,
        object_stores: ObjectStores,
        signer: Signer,
        clock: Clock,
        installation_id: str,
        log_file_interval: timedelta,
        digest_interval: timedelta,
        report_gap: GapReport | None = None,
        trails: TrailStore | None = None,
        receivers: Sequence[str] = (),
    ) -> None:
        self._context = DeliveryContext(
            journal,
            delivery_log,
            object_stores,
            signer,
            installation_id,
            log_file_interval,
            digest_interval,
            report_gap,
            trails,
            tuple(receivers),
        )
        self._clock = clock
        self._wait = min(LONGEST_WAIT, log_file_interval / 4).total_seconds()
        self._states: dict[str, ReaderState] | None = None
        self._readers: dict[str, TrailReader] = {}
        self._interrupted: set[str] = set()
        self._backoffs: dict[str, Backoff] = {}
        self._seen_head = START
        self._settled_head = START
        self._wakes: set[asyncio.Event] = set()

    def wake(self) -> None:
        """Make a running delivery look for work at once."""
        for event in self._wakes:
            event.set()

    def holds(self) -> Position:
        """Return the position up to and including which the journal may be trimmed.

        Nothing may go before every reader has told what it needs. A trail that was created since the readers were
        listed last is safe: only what was there one listing earlier counts as passed.
        """
        if self._states is None or not self._states.keys() <= self._readers.keys():
            return START
        return min([self._settled_head, *(reader.hold() for reader in self._readers.values())])

    @property
    def counts(self) -> DeliveryCounts:
        """What was delivered, and what was not, since the start."""
        return self._context.counts

    def states(self) -> list[TrailState]:
        """Return how each trail with a reader stands, by ARN."""
        opened = [
            TrailState(
                arn,
                reader.hold(),
                reader.undigested_since(),
                reader.is_failing or arn in self._interrupted,
            )
            for arn, reader in self._readers.items()
        ]
        closed = [
            TrailState(arn, state.cursor, None, arn in self._interrupted)
            for arn, state in (self._states or {}).items()
            if arn not in self._readers
        ]
        return sorted([*opened, *closed], key=lambda state: state.trail_arn)

    async def tick(self, now: datetime) -> None:
        """Do everything that is due for every trail at ``now``, one after the other.

        A trail whose ports fail is taken up again from the delivery log after its back-off, and does not keep the
        others waiting. Raises Unavailable when the readers themselves cannot be listed.
        """
        for trail_arn in await self._list_readers():
            await self._tick_one(trail_arn, now)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until ``stop`` is set, each trail in a task of its own; returns when their current ticks ended.

        What is not delivered by then stays planned or ahead of its cursor and is taken up by the next process.
        """
        await run_readers(stop, self._list_readers, lambda arn: self._serve(arn, stop), lambda: self._pause(stop))

    async def _serve(self, trail_arn: str, stop: asyncio.Event) -> None:
        while not stop.is_set() and trail_arn in (self._states or {}):
            await self._tick_one(trail_arn, self._clock.now())
            await self._pause(stop)

    async def _pause(self, stop: asyncio.Event) -> None:
        wake = asyncio.Event()
        self._wakes.add(wake)
        waits = [asyncio.create_task(event.wait()) for event in (wake, stop)]
        try:
            await asyncio.wait(waits, timeout=self._wait, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wakes.discard(wake)
            for wait in waits:
                wait.cancel()

    async def _list_readers(self) -> list[str]:
        head = self._context.journal.head()
        states = {state.trail_arn: state for state in await self._context.delivery_log.readers()}
        for gone in self._readers.keys() - states.keys():
            del self._readers[gone]
        self._states = states
        self._settled_head, self._seen_head = self._seen_head, head
        return list(states)

    async def _tick_one(self, trail_arn: str, now: datetime) -> None:
        backoff = self._backoffs.setdefault(trail_arn, Backoff())
        if backoff.must_wait(now):
            return
        try:
            reader = await self._reader(trail_arn)
            is_finished = await reader.tick(now)
        except Exception as error:  # the edge of a worker: whatever it was, the trail starts again from its log
            backoff.fail(now)
            self._interrupted.add(trail_arn)  # the old reader goes on holding the journal until the new one is open
            if isinstance(error, Unavailable):
                _log.warning("trail delivery interrupted", trail=trail_arn, error=str(error))
            else:
                _log.exception("trail delivery failed", trail=trail_arn)
            return
        backoff.succeed()
        if is_finished:
            self._readers.pop(trail_arn)
            self._backoffs.pop(trail_arn)
            self._states = {arn: state for arn, state in (self._states or {}).items() if arn != trail_arn}

    async def _reader(self, trail_arn: str) -> TrailReader:
        if trail_arn not in self._readers or trail_arn in self._interrupted:
            states = {state.trail_arn: state for state in await self._context.delivery_log.readers()}
            reader = TrailReader(self._context, states[trail_arn])
            await reader.load()
            if trail_arn in self._readers:
                reader.last_mark = self._readers[trail_arn].last_mark
            self._readers[trail_arn] = reader
            self._interrupted.discard(trail_arn)
        return self._readers[trail_arn]
