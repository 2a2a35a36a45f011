"""fail-closed: no call without its record, no whole answer without its result."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import structlog

from opentrail.capture import RecordingUnavailable
from opentrail.capture.callers import CallerResolver
from opentrail.clock import Clock
from opentrail.event import Event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity
from opentrail.pipeline.recording.composing import CallComposer, SeenCall
from opentrail.pipeline.recording.time_limits import TimeLimit
from opentrail.pipeline.regions import RegionRegister
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, EventEntry, JournalWriter
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.events import EncodedEvent, EventBuilder

DURABLE_WITHIN_SECONDS = 1.0
"""How long a caller waits for one durable step before it gets the service's own 503."""

MAX_LATE_CALLS = 10_000
"""Calls whose second step is still being tried after the caller was answered; further ones stay pending in the journal
and become events with outcome unknown at the next start."""

RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0)
"""Waits between tries of a late step; the last one repeats."""

_Result = TypeVar("_Result")

_log = structlog.get_logger(__name__)


class FailClosedRecorder:
    """A CallRecorder whose every step is durable on return."""

    def __init__(
        self,
        journal: JournalWriter,
        builder: EventBuilder,
        callers: CallerResolver,
        regions: RegionRegister,
        clock: Clock,
        *,
        durable_within_s: float = DURABLE_WITHIN_SECONDS,
    ) -> None:
        self._journal = journal
        self._composer = CallComposer(builder, callers, clock)
        self._regions = regions
        self._limit = TimeLimit(durable_within_s)
        self._late: set[asyncio.Task[None]] = set()

    async def begin(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> "ClosedCall":
        """Store the call as pending; raises RecordingUnavailable when it is not durable in time.

        A pending call that becomes durable too late never went upstream; it is closed with the 503 its caller got.
        One whose caller could not be looked up in time did not go upstream either, and leaves no record.
        """
        call = self._composer.seen(request, operation, scope)
        try:
            begun, caller = await self._limit.bound(self._composer.begin(call))
            opening = _future(self._journal.open_call(begun.json))
        except TimeoutError as late:
            raise RecordingUnavailable("the caller could not be looked up in time") from late
        except (Unavailable, ValueError) as error:
            raise RecordingUnavailable(str(error)) from error
        try:
            call_id = await self._limit.wait(opening)
        except TimeoutError as late:
            self._keep(self._close_refused(call, begun.event, caller, opening))
            raise RecordingUnavailable("the journal did not store the call in time") from late
        except asyncio.CancelledError:
            self._keep(self._close_refused(call, begun.event, caller, opening))
            raise
        except (Unavailable, ValueError) as error:
            raise RecordingUnavailable(str(error)) from error
        return ClosedCall(self, call, begun.event, caller, call_id)

    async def stop(self) -> bool:
        """Wait a moment for the steps still being tried; calls left then stay pending, and the next start makes them
        good: none is lost, so the answer is always True."""
        if self._late:
            _, pending = await asyncio.wait(set(self._late), timeout=self._limit.seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return True

    async def _close_refused(
        self, call: SeenCall, event: Event, caller: CallerIdentity, opening: "asyncio.Future[CallId]"
    ) -> None:
        try:
            call_id = await opening
        except (Unavailable, ValueError):
            return
        refused = ClosedCall(self, call, event, caller, call_id)
        await self._close_late(call_id, await refused.finished(HttpResponse(503, (), b"")))

    async def finish(self, call_id: CallId, event: EncodedEvent) -> None:
        """Close a call; raises RecordingUnavailable when that is not durable in time, and goes on trying."""
        try:
            closing = self._begin_close(call_id, event)
            await self._limit.wait(closing)
        except TimeoutError as late:
            self._keep(self._settle_late(closing, call_id, event))
            raise RecordingUnavailable("the journal did not store the result in time") from late
        except Unavailable as failure:
            self._keep(self._close_late(call_id, event))
            raise RecordingUnavailable(str(failure)) from failure
        except ValueError as error:
            raise RecordingUnavailable(str(error)) from error

    def _begin_close(self, call_id: CallId, event: EncodedEvent) -> "asyncio.Future[Any]":
        """Start to close a call; an enabled Region, as almost always, spares a task."""
        if self._regions.is_enabled(event.event["awsRegion"]):
            return _future(self._journal.close_call(call_id, _entries(event)))
        return asyncio.ensure_future(self._close(call_id, event))

    async def _close(self, call_id: CallId, event: EncodedEvent) -> None:
        await self._regions.enable(event.event["awsRegion"])
        await self._journal.close_call(call_id, _entries(event))

    async def _settle_late(self, closing: "asyncio.Future[Any]", call_id: CallId, event: EncodedEvent) -> None:
        try:
            await closing
        except Unavailable:
            await self._close_late(call_id, event)

    async def _close_late(self, call_id: CallId, event: EncodedEvent) -> None:
        tries = 0
        while True:
            try:
                return await self._close(call_id, event)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            except KeyError:
                return None

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._late) >= MAX_LATE_CALLS:
            work.close()
            _log.error("too many calls wait for the journal; one stays pending until the next start")
            return
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    @property
    def composer(self) -> CallComposer:
        return self._composer


class ClosedCall:
    """A call that is pending in the journal (an OpenRecord)."""

    def __init__(
        self, recorder: FailClosedRecorder, call: SeenCall, event: Event, caller: CallerIdentity, call_id: CallId
    ) -> None:
        self.id = call_id
        self._recorder = recorder
        self._call = call
        self._event = event
        self._caller = caller

    async def finished(self, response: HttpResponse) -> EncodedEvent:
        """Return the event with the result that ``response`` is."""
        composer = self._recorder.composer
        return await composer.finish(self._call, self._event, self._caller, response, composer.now())

    async def finish(self, response: HttpResponse) -> None:
        await self._recorder.finish(self.id, await self.finished(response))

    async def abandon(self, reason: str) -> None:
        try:
            await self._recorder.finish(self.id, self._recorder.composer.unknown(self._event, reason))
        except RecordingUnavailable as error:
            _log.warning("a call without an answer is not on record yet", reason=reason, error=str(error))


def _entries(event: EncodedEvent) -> list[EventEntry]:
    entries = [EventEntry(event.json)]
    if event.further:
        entries += [EventEntry(text) for text in event.further]
    return entries


def _future(work: Awaitable[_Result]) -> "asyncio.Future[_Result]":
    """Return a journal's answer as a future, which it mostly is; asyncio.ensure_future looks longer."""
    return work if isinstance(work, asyncio.Future) else asyncio.ensure_future(work)
