"""fail-open: calls are recorded off the request path; what is lost is counted and said in gap events."""

import asyncio
from collections import deque
from datetime import datetime
from time import perf_counter

import structlog

from opentrail.capture.callers import CallerResolver
from opentrail.clock import Clock
from opentrail.event.encoding import encode_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording.composing import CallComposer, SeenCall
from opentrail.pipeline.recording.gaps import GapLog
from opentrail.pipeline.regions import RegionRegister
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.events import EventBuilder

COMMIT_INTERVAL_SECONDS = 0.01
"""How long events are gathered for one commit, and so about what a crash can lose."""

MAX_QUEUED_CALLS = 20_000
"""Calls waiting to be recorded, those included whose events wait for the journal."""

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""What the waiting calls hold: bodies, and CALL_OVERHEAD_BYTES for each."""

CALL_OVERHEAD_BYTES = 4096

BATCH_BYTES = 4 * 1024 * 1024
"""Events of one append; the journal takes 16 MB."""

SLICE_SECONDS = 0.0005
"""How long events are built before the event loop has its turn."""

BUSY_SLICE_SECONDS = 0.02
"""The same while more than BUSY_CALLS wait: callers are slowed down rather than their records lost."""

BUSY_CALLS = 1000

RETRY_SECONDS = 0.25
"""Wait before a batch is offered again to a journal that could not take it."""

DRAIN_SECONDS = 10.0
"""How long a stop waits for the queue."""

_log = structlog.get_logger(__name__)


class _Batch:
    """Events on their way to one append, with what their calls count against the bounds."""

    def __init__(self) -> None:
        self.events: list[EventEntry] = []
        self.regions: set[str] = set()
        self.size_bytes = 0
        self.calls = 0
        self.held_bytes = 0

    def add(self, region: str, event: bytes) -> None:
        self.events.append(EventEntry(event))
        self.regions.add(region)
        self.size_bytes += len(event)


class FailOpenRecorder:
    """A CallRecorder that never makes a caller wait for the disk; ``stop`` it when the last call has ended.

    One task builds the events of calls as soon as these end, while what they hold is warm in the processor's caches;
    another stores what was built, once per commit interval.
    """

    def __init__(
        self,
        journal: JournalWriter,
        builder: EventBuilder,
        callers: CallerResolver,
        regions: RegionRegister,
        clock: Clock,
        *,
        default_account_id: str,
        default_region: str,
        commit_interval_s: float = COMMIT_INTERVAL_SECONDS,
        max_calls: int = MAX_QUEUED_CALLS,
        max_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self._journal = journal
        self._builder = builder
        self._composer = CallComposer(builder, callers, clock)
        self._regions = regions
        self._account_id = default_account_id
        self._region = default_region
        self._commit_interval_s = commit_interval_s
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._queue: deque[WatchedCall] = deque()
        self._waiting_calls = 0
        self._waiting_bytes = 0
        self._batch = _Batch()
        self._gaps = GapLog()
        self._arrived = asyncio.Event()
        self._built = asyncio.Event()
        self._taken = asyncio.Event()
        self._is_stopping = False
        self._workers: tuple[asyncio.Task[None], ...] = ()

    async def begin(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> "WatchedCall":
        """Note the call; nothing is stored before it ends."""
        return WatchedCall(request, operation, scope, self._composer.now(), self)

    def ended(self, call: "WatchedCall") -> None:
        """Queue a call that ended; count it as lost when the queue is full."""
        size = call.held_bytes() + CALL_OVERHEAD_BYTES
        now = call.ended_at = self._composer.now()
        if self._waiting_calls >= self._max_calls or self._waiting_bytes + size > self._max_bytes:
            self._gaps.add("queue-full", now)
            self._built.set()
        else:
            self._queue.append(call)
            self._waiting_calls += 1
            self._waiting_bytes += size
            self._arrived.set()
        if not self._workers:
            self._workers = (asyncio.create_task(self._build()), asyncio.create_task(self._store()))

    async def stop(self) -> bool:
        """Record what is queued, for DRAIN_SECONDS at most; return whether everything is on record.

        When it is not, no gap event could be stored either: the caller must see that one is at the next start.
        """
        self._is_stopping = True
        self._arrived.set()
        self._built.set()
        if not self._workers:
            return True
        _, late = await asyncio.wait(self._workers, timeout=DRAIN_SECONDS)
        for worker in late:
            worker.cancel()
        if late:
            await asyncio.gather(*late, return_exceptions=True)
            _log.error("calls were lost: the journal took nothing", calls=self._waiting_calls)
        return not late

    async def _build(self) -> None:
        """Build events until the last call's is built."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            started = perf_counter()
            while self._queue:
                while self._batch.size_bytes >= BATCH_BYTES:
                    self._taken.clear()
                    await self._taken.wait()
                await self._build_one(self._queue.popleft())
                if perf_counter() - started > (BUSY_SLICE_SECONDS if len(self._queue) > BUSY_CALLS else SLICE_SECONDS):
                    await asyncio.sleep(0)
                    started = perf_counter()
            if self._is_stopping:
                self._built.set()
                return

    async def _build_one(self, call: "WatchedCall") -> None:
        """Add one event to the batch; a call that no event can be made of is counted as lost."""
        try:
            if call.response is None:
                event = await self._composer.whole_unknown(call, call.reason)
            else:
                event = await self._composer.whole(call, call.response, call.ended_at or call.received_at)
            for text in (event.json, *event.further):
                self._batch.add(event.event["awsRegion"], text)
        except Exception:
            _log.exception("a call could not be recorded", method=call.request.method)
            self._gaps.add("record-failed", self._composer.now())
        self._batch.calls += 1
        self._batch.held_bytes += call.held_bytes() + CALL_OVERHEAD_BYTES
        self._built.set()

    async def _store(self) -> None:
        """Store batches, and the gaps known by then, until everything is stored."""
        while True:
            await self._built.wait()
            if not self._is_stopping:
                await asyncio.sleep(self._commit_interval_s)
            self._built.clear()
            batch, self._batch = self._batch, _Batch()
            self._taken.set()
            try:
                await self._store_batch(batch)
            except Exception:
                _log.exception("a batch of calls could not be recorded")
                self._gaps.add("record-failed", self._composer.now(), len(batch.events))
                self._built.set()
                await asyncio.sleep(RETRY_SECONDS)
            self._waiting_calls -= batch.calls
            self._waiting_bytes -= batch.held_bytes
            if self._batch.calls or self._gaps:
                self._built.set()
            elif self._is_stopping and self._workers[0].done():
                return

    async def _store_batch(self, batch: _Batch) -> None:
        """Append a batch and gaps; tries until the journal takes it (what waits meanwhile is bounded)."""
        while True:
            gaps = self._gaps.take()
            said = [self._gap_event(gap.started_at, gap.ended_at, gap.count, gap.reason) for gap in gaps]
            events = [*batch.events, *(EventEntry(event) for _, event in said)]
            if not events:
                return
            regions = batch.regions.union(region for region, _ in said)
            try:
                await self._regions.enable(*regions)
                await self._journal.append(events)
            except Unavailable as error:
                self._gaps.put_back(gaps)
                _log.warning("the journal takes nothing; calls wait", calls=self._waiting_calls, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except BaseException:
                self._gaps.put_back(gaps)
                raise
            else:
                return

    def _gap_event(self, started_at: datetime, ended_at: datetime, count: int, reason: str) -> tuple[str, bytes]:
        event = self._builder.gap(
            account_id=self._account_id,
            region=self._region,
            started_at=started_at,
            ended_at=ended_at,
            count=count,
            reason=reason,
        )
        return event["awsRegion"], encode_event(event)


class WatchedCall(SeenCall):
    """A call under way (an OpenRecord); it is queued when it ends. ``response`` is None when no answer was seen."""

    __slots__ = ("ended_at", "reason", "recorder", "response")

    def __init__(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        received_at: datetime,
        recorder: FailOpenRecorder,
    ) -> None:
        super().__init__(request, operation, scope, received_at)
        self.recorder = recorder
        self.response: HttpResponse | None = None
        self.reason = ""
        self.ended_at: datetime | None = None

    async def finish(self, response: HttpResponse) -> None:
        self.response = response
        self.recorder.ended(self)

    async def abandon(self, reason: str) -> None:
        self.reason = reason
        self.recorder.ended(self)

    def held_bytes(self) -> int:
        """Return the length of the bodies that it holds."""
        answer = self.response.body if self.response is not None else None
        return len(self.request.body or b"") + len(answer or b"")
