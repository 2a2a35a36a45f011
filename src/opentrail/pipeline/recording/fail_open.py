"""fail-open: calls are recorded off the request path; what is lost is counted and said in gap events."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import structlog

from opentrail.capture.callers import CallerResolver
from opentrail.clock import Clock
from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.pipeline.recording.composing import CallComposer, SeenCall
from opentrail.pipeline.recording.gaps import GapLog
from opentrail.pipeline.regions import EnabledRegions
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, Journal, JournalEntry
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.events import EventBuilder

COMMIT_INTERVAL_SECONDS = 0.01
"""How long calls are gathered for one commit, and so about what a crash can lose."""

MAX_QUEUED_CALLS = 20_000
"""Calls waiting to be recorded."""

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


@dataclass(frozen=True, slots=True)
class _EndedCall:
    call: SeenCall
    response: HttpResponse | None
    reason: str
    ended_at: datetime
    size_bytes: int


class FailOpenRecorder:
    """A CallRecorder that never makes a caller wait for the disk; ``stop`` it when the last call has ended."""

    def __init__(
        self,
        journal: Journal,
        builder: EventBuilder,
        callers: CallerResolver,
        regions: EnabledRegions,
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
        self._queue: deque[_EndedCall] = deque()
        self._queued_bytes = 0
        self._gaps = GapLog()
        self._arrived = asyncio.Event()
        self._is_stopping = False
        self._worker: asyncio.Task[None] | None = None

    @property
    def queued_calls(self) -> int:
        """How many calls wait to be recorded."""
        return len(self._queue)

    async def begin(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> "WatchedCall":
        """Note the call; nothing is stored before it ends."""
        return WatchedCall(self, self._composer.seen(request, operation, scope))

    def ended(self, call: SeenCall, response: HttpResponse | None, reason: str) -> None:
        """Queue a call that ended; count it as lost when the queue is full."""
        held = len(call.request.body or b"") + (len(response.body or b"") if response is not None else 0)
        size = held + CALL_OVERHEAD_BYTES
        now = self._composer.now()
        if len(self._queue) >= self._max_calls or self._queued_bytes + size > self._max_bytes:
            self._gaps.add("queue-full", now)
        else:
            self._queue.append(_EndedCall(call, response, reason, now, size))
            self._queued_bytes += size
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        self._arrived.set()

    async def stop(self) -> None:
        """Record what is queued, for DRAIN_SECONDS at most; what is left then is logged as lost."""
        self._is_stopping = True
        self._arrived.set()
        if self._worker is None:
            return
        done, _ = await asyncio.wait({self._worker}, timeout=DRAIN_SECONDS)
        if not done:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            _log.error("calls were lost: the journal took nothing", calls=len(self._queue))

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._is_stopping:
                await asyncio.sleep(self._commit_interval_s)
            self._arrived.clear()
            while self._queue or self._gaps:
                try:
                    await self._record_batch()
                except Exception:
                    _log.exception("a batch of calls could not be recorded")
                    await asyncio.sleep(RETRY_SECONDS)
            if self._is_stopping:
                return

    async def _record_batch(self) -> None:
        events: list[tuple[str, bytes]] = []
        size = 0
        started = perf_counter()
        while self._queue and size < BATCH_BYTES:
            ended = self._queue.popleft()
            self._queued_bytes -= ended.size_bytes
            event = await self._event(ended)
            if event is not None:
                events.append(event)
                size += len(event[1])
            if perf_counter() - started > (BUSY_SLICE_SECONDS if len(self._queue) > BUSY_CALLS else SLICE_SECONDS):
                await asyncio.sleep(0)
                started = perf_counter()
        await self._store(events)

    async def _event(self, ended: _EndedCall) -> tuple[str, bytes] | None:
        """Return the Region and bytes of one event; a call that no event can be made of is counted as lost."""
        try:
            event = await self._compose(ended)
            return event["awsRegion"], encode_event(event)
        except Exception:
            _log.exception("a call could not be recorded", method=ended.call.request.method)
            self._gaps.add("record-failed", self._composer.now())
            return None

    async def _compose(self, ended: _EndedCall) -> Event:
        try:
            event, caller = await self._composer.begin(ended.call)
        except Unavailable:
            event, caller = self._composer.begin_unasked(ended.call)
        if ended.response is None:
            return self._composer.unknown(event, ended.reason)
        return await self._composer.finish(ended.call, event, caller, ended.response, ended.ended_at)

    async def _store(self, events: Sequence[tuple[str, bytes]]) -> None:
        """Append a batch and the gaps known by then; tries until the journal takes it (the queue is bounded)."""
        while True:
            gaps = self._gaps.take()
            batch = [*events, *(self._gap_event(gap.started_at, gap.ended_at, gap.count, gap.reason) for gap in gaps)]
            if not batch:
                return None
            entries: list[JournalEntry] = [
                *self._regions.entries_for(*(region for region, _ in batch)),
                *(EventEntry(event) for _, event in batch),
            ]
            try:
                position = await self._journal.append(entries)
            except Unavailable as error:
                self._gaps.put_back(gaps)
                _log.warning("the journal takes nothing; calls wait", calls=len(self._queue), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except BaseException:
                self._gaps.put_back(gaps)
                self._gaps.add("record-failed", self._composer.now(), len(events))
                raise
            else:
                return await self._regions.stored(position, entries)

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


class WatchedCall:
    """A call under way (an OpenRecord); it is queued when it ends."""

    def __init__(self, recorder: FailOpenRecorder, call: SeenCall) -> None:
        self._recorder = recorder
        self._call = call

    async def finish(self, response: HttpResponse) -> None:
        self._recorder.ended(self._call, response, "")

    async def abandon(self, reason: str) -> None:
        self._recorder.ended(self._call, None, reason)
