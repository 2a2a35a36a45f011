"""From a call that was seen to its event: what both recorders do, before they differ in when it is stored."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from opentrail.capture.callers import CallerResolver
from opentrail.clock import Clock
from opentrail.event import Event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity
from opentrail.ports import PortError
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.observed import parse_response
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.record.events import EventBuilder

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A call as the gateway saw it begin."""

    request: HttpRequest
    operation: Operation | None
    scope: CredentialScope | None
    received_at: datetime


class CallComposer:
    """Turns seen calls into events and lets the resolver learn from their answers."""

    def __init__(self, builder: EventBuilder, callers: CallerResolver, clock: Clock) -> None:
        self._builder = builder
        self._callers = callers
        self._clock = clock

    def seen(self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None) -> SeenCall:
        """Note a call that begins now."""
        return SeenCall(request, operation, scope, self._clock.now())

    def now(self) -> datetime:
        return self._clock.now()

    async def begin(self, call: SeenCall) -> tuple[Event, CallerIdentity]:
        """Return the unfinished event; raises Unavailable when the caller cannot be looked up."""
        caller = await self._callers.resolve(call.request, call.scope)
        return self._builder.begin(call.request, call.operation, call.scope, caller, call.received_at), caller

    def begin_unasked(self, call: SeenCall) -> tuple[Event, CallerIdentity]:
        """Return the unfinished event when the caller cannot be looked up: the key it names, as a claim."""
        caller = CallerIdentity(None, call.scope.access_key_id if call.scope is not None else "", is_verified=False)
        return self._builder.begin(call.request, call.operation, call.scope, caller, call.received_at), caller

    async def finish(
        self, call: SeenCall, event: Event, caller: CallerIdentity, response: HttpResponse, completed_at: datetime
    ) -> Event:
        """Return the finished event. What cannot be learned now is logged; it may be learned from a later answer."""
        result = None
        if call.operation is not None and self._callers.learns_from(call.operation, response.status):
            result = parse_response(call.operation, response)
            await self._learn(call, caller, result, response.status)
        return self._builder.finish(event, call.operation, response, completed_at, result=result)

    def unknown(self, event: Event, reason: str) -> Event:
        """Return the event of a call whose result nobody saw."""
        return self._builder.finish_unknown(event, reason)

    async def _learn(self, call: SeenCall, caller: CallerIdentity, result: ObservedResult, status: int) -> None:
        assert call.operation is not None
        try:
            parameters: Parameters = parse_request(call.operation, call.request)
        except MalformedRequest:
            parameters = {}
        try:
            await self._callers.learn(call.operation, call.scope, caller, parameters, status, result)
        except PortError as error:
            _log.warning("an identity could not be learned", operation=call.operation.name, error=str(error))
