"""From a call that was seen to its event: what both recorders do, before they differ in when it is stored."""

import asyncio
from datetime import datetime

import structlog

from opentrail.capture.callers import CallerResolver
from opentrail.clock import Clock
from opentrail.event import Event
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity
from opentrail.ports import PortError, Unavailable
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.observed import parse_response
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.record.events import EncodedEvent, EventBuilder
from opentrail.record.identities import user_identity

LARGE_BODY_BYTES = 16 * 1024
"""Longer bodies, and compressed ones, are read in a thread: a hostile one takes up to 0.25 ms a KB, and the event loop
is not to stand still for more than 5 ms."""


_MANY_EVENTS = frozenset({"DeleteObjects"})
"""Operations with an event for each of up to a thousand keys, whatever the length of the answer."""

_log = structlog.get_logger(__name__)


class SeenCall:
    """A call as the gateway saw it begin."""

    __slots__ = ("operation", "received_at", "request", "scope")

    def __init__(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        received_at: datetime,
    ) -> None:
        self.request = request
        self.operation = operation
        self.scope = scope
        self.received_at = received_at


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

    async def begin(self, call: SeenCall) -> tuple[EncodedEvent, CallerIdentity]:
        """Return the unfinished event; raises Unavailable when the caller cannot be looked up."""
        caller = await self._callers.resolve(call.request, call.scope, call.operation)
        return await self._begin(call, caller), caller

    async def finish(
        self, call: SeenCall, event: Event, caller: CallerIdentity, response: HttpResponse, completed_at: datetime
    ) -> EncodedEvent:
        """Return the finished event. What cannot be learned now is logged; it may be learned from a later answer."""
        result, told = await self._learned_from(call, caller, response)
        if told is not caller:
            event = _told(event, told)
        build = self._builder.finish_encoded
        if _is_long(response.body) or (call.operation is not None and call.operation.name in _MANY_EVENTS):
            return await asyncio.to_thread(build, event, call.operation, response, completed_at, result=result)
        return build(event, call.operation, response, completed_at, result=result)

    async def whole(self, call: SeenCall, response: HttpResponse, completed_at: datetime) -> EncodedEvent:
        """Return the event of a call that ended, nothing of which was stored before; a caller that cannot be looked up
        is the key that the call names, as a claim."""
        caller = await self._caller_or_claim(call)
        result, caller = await self._learned_from(call, caller, response)
        build = self._builder.build_encoded
        if _is_large(call.request) or _is_long(response.body):
            return await asyncio.to_thread(
                build, call.request, call.operation, call.scope, caller, response, completed_at, result=result
            )
        return build(call.request, call.operation, call.scope, caller, response, completed_at, result=result)

    async def whole_unknown(self, call: SeenCall, reason: str) -> EncodedEvent:
        """Return the event of a call whose result nobody saw, nothing of which was stored before."""
        begun = await self._begin(call, await self._caller_or_claim(call))
        return self.unknown(begun.event, reason)

    def unknown(self, event: Event, reason: str) -> EncodedEvent:
        """Return the event of a call whose result nobody saw."""
        return self._builder.finish_unknown_encoded(event, reason)

    async def _begin(self, call: SeenCall, caller: CallerIdentity) -> EncodedEvent:
        build = self._builder.begin_encoded
        if _is_large(call.request):
            return await asyncio.to_thread(build, call.request, call.operation, call.scope, caller, call.received_at)
        return build(call.request, call.operation, call.scope, caller, call.received_at)

    async def _caller_or_claim(self, call: SeenCall) -> CallerIdentity:
        try:
            return await self._callers.resolve(call.request, call.scope, call.operation)
        except Unavailable:
            access_key_id = call.scope.access_key_id if call.scope is not None else ""
            return CallerIdentity(None, access_key_id, is_verified=False)

    async def _learned_from(
        self, call: SeenCall, caller: CallerIdentity, response: HttpResponse
    ) -> tuple[ObservedResult | None, CallerIdentity]:
        """Learn what an answer teaches; return it as parsed (None when it was not), and the caller as it names it."""
        operation = call.operation
        if operation is None or not self._callers.learns_from(operation, response.status):
            return None, caller

        def parse() -> tuple[ObservedResult, Parameters]:
            return parse_response(operation, response), _parameters(operation, call.request)

        is_long = _is_large(call.request) or _is_long(response.body)
        result, parameters = await asyncio.to_thread(parse) if is_long else parse()
        try:
            told = await self._callers.learn(operation, call.scope, caller, parameters, response.status, result)
        except PortError as error:
            _log.warning("an identity could not be learned", operation=operation.name, error=str(error))
            return result, caller
        return result, told


def _told(event: Event, caller: CallerIdentity) -> Event:
    """Return an unfinished event with its caller as the answer names it; such answers are none of S3's."""
    told = {**event, "userIdentity": user_identity(caller, is_s3=False)}
    if caller.principal is not None and caller.principal.account_id:
        told["recipientAccountId"] = caller.principal.account_id
    return told


def _parameters(operation: Operation, request: HttpRequest) -> Parameters:
    try:
        return parse_request(operation, request)
    except MalformedRequest:
        return {}


def _is_large(request: HttpRequest) -> bool:
    return _is_long(request.body) or (bool(request.body) and "content-encoding" in request.headers.first)


def _is_long(body: bytes | None) -> bool:
    return body is not None and len(body) > LARGE_BODY_BYTES
