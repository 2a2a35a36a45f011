"""The API server: request -> caller, service, operation -> handler -> response, with the call on record in between.

Every call is an event before it is answered. A call that weakens the record is on record before it takes effect; any
other change takes effect with its event. Only here do errors become bytes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog

from opentrail.aws.asgi import asgi_app
from opentrail.aws.authentication import Authenticator
from opentrail.aws.authorization import authorise
from opentrail.aws.common_errors import (
    CommonError,
    Family,
    InternalFailure,
    MalformedCall,
    RequestTooLarge,
    ServiceUnavailable,
    Unauthenticated,
    WireError,
    wire_error,
)
from opentrail.aws.refusals import RefusalFolds, RefusalKey
from opentrail.aws.replays import answer_replay, json_answer, read_parameters, recorded_parameters, replay_operation
from opentrail.aws.service import ApiPorts, Call, Handler, Outcome
from opentrail.aws.services import SERVICES, family_of, find_handler, not_answered, service_of
from opentrail.aws.settings_log import SettingsLog
from opentrail.capture.federation import federated_caller
from opentrail.errors import AwsError
from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.event.fields import add_own_members, in_order
from opentrail.http_message import BODY_LIMIT_BYTES, HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity, Credential
from opentrail.pipeline.regions import EnabledRegions
from opentrail.pipeline.settings_view import SettingsView
from opentrail.ports import Unavailable
from opentrail.ports.journal import Journal
from opentrail.protocol import CredentialScope, ObservedResult, Operation, Parameters
from opentrail.protocol.identify import identify
from opentrail.protocol.models import service_model
from opentrail.protocol.protocols import request_protocol
from opentrail.protocol.requests import MalformedRequest, parse_request, protocol_of
from opentrail.protocol.responses import format_error, format_response
from opentrail.protocol.scope import read_scope
from opentrail.protocol.validation import ValidationError, validate
from opentrail.record.events import EncodedEvent, EventBuilder

__all__ = ["ApiServer", "asgi_app"]

FOLD_CHECK_SECONDS = 5.0

_NOT_MODIFIED = 304

_log = structlog.get_logger()


@dataclass(slots=True)
class _Exchange:
    """One request on its way through the server, and what is known of it so far."""

    request: HttpRequest
    request_id: str
    received_at: datetime
    scope: CredentialScope | None
    operation: Operation | None
    service: str
    family: Family
    caller: CallerIdentity
    parameters: Parameters | None = None
    own_name: str = ""
    """The operation's name where no service model has it."""


class ApiServer:
    """Answers the calls of all services that are ours.

    Changes are made one at a time, under a lock that is never held during network I/O. ``run`` must be running for
    folded refusals to reach the journal; ``close`` stores what is left of them.
    """

    def __init__(
        self,
        ports: ApiPorts,
        journal: Journal,
        events: EventBuilder,
        *,
        regions: EnabledRegions,
        settings_view: SettingsView,
    ) -> None:
        self._ports = ports
        self._events = events
        self._authenticator = Authenticator(ports.identities, regions.names)
        self._record = SettingsLog(journal, regions, settings_view)
        self._changing = asyncio.Lock()
        self._folds = RefusalFolds()

    @property
    def ports(self) -> ApiPorts:
        """What its handlers are given."""
        return self._ports

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request. Never raises; whatever goes wrong is answered in the form of the service."""
        exchange = self._open(request)
        try:
            response = await self._answer(exchange)
        except Unavailable:
            _log.warning("the call could not be answered: a store is unavailable", request_id=exchange.request_id)
            response = _error_response(exchange, wire_error(ServiceUnavailable(), exchange.family))
        except Exception:
            _log.exception("internal failure", request_id=exchange.request_id)
            response = _error_response(exchange, wire_error(InternalFailure(), exchange.family))
        is_bodiless = request.method == "HEAD" or response.status == _NOT_MODIFIED
        return replace(response, body=b"") if is_bodiless else response

    async def run(self) -> None:
        """Store folded refusals as their minutes end, until cancelled."""
        while True:
            await asyncio.sleep(FOLD_CHECK_SECONDS)
            try:
                await self._store_refusals(self._folds.take_due(self._ports.clock.now()))
            except Unavailable:
                _log.warning("folded refusals could not be stored")

    async def close(self) -> None:
        """Store the refusals that are still being folded."""
        await self._store_refusals(self._folds.take_due(self._ports.clock.now(), also_unfinished=True))

    def _open(self, request: HttpRequest) -> _Exchange:
        scope = read_scope(request)
        operation = identify(request, scope)
        service = service_of(request, scope, operation)
        return _Exchange(
            request=request,
            request_id=self._ports.identifiers.uuid(),
            received_at=self._ports.clock.now(),
            scope=scope,
            operation=operation,
            service=service,
            family=family_of(service),
            caller=_claimed_caller(request, scope, operation),
        )

    async def _answer(self, exchange: _Exchange) -> HttpResponse:
        try:
            credential = await self._identify_caller(exchange)
        except Unauthenticated as error:
            return await self._refuse(exchange, error)
        exchange.caller = CallerIdentity(credential.principal, credential.access_key_id, is_verified=True)
        try:
            return await self._serve(exchange, credential)
        except AwsError as error:
            return await self._record_error(exchange, error)
        except Unavailable:
            return await self._record_error(exchange, ServiceUnavailable())
        except Exception:
            _log.exception("internal failure", request_id=exchange.request_id, operation=exchange.operation)
            return await self._record_error(exchange, InternalFailure())

    async def _identify_caller(self, exchange: _Exchange) -> Credential:
        request = exchange.request
        if request.body is None and exchange.service != "s3":
            raise RequestTooLarge(str(BODY_LIMIT_BYTES))
        return await self._authenticator.authenticate(
            request, exchange.scope, exchange.service, exchange.operation, exchange.received_at
        )

    async def _serve(self, exchange: _Exchange, credential: Credential) -> HttpResponse:
        operation = exchange.operation
        if operation is None and (name := replay_operation(exchange.request)):
            return await self._serve_replay(exchange, credential, name)
        handler = find_handler(operation) if operation else None
        if operation is None or handler is None:
            raise not_answered(operation, exchange.request)
        call = self._read_call(exchange, operation, handler, credential)
        service = SERVICES[operation.service]
        policy_of = service.own_resource_policy
        await authorise(
            self._ports.identities,
            call,
            service.requirements(call),
            None if policy_of is None else partial(policy_of, self._ports, call),
        )
        if handler.prepare is not None:
            call = await handler.prepare(self._ports, call)
        if not handler.is_change:
            return await self._conclude(exchange, call, await handler.run(self._ports, call))
        async with self.changing():
            return await self._conclude(exchange, call, await handler.run(self._ports, call))

    async def _serve_replay(self, exchange: _Exchange, credential: Credential, name: str) -> HttpResponse:
        """Answer an operation of replays, which no service model has."""
        exchange.own_name = name
        exchange.parameters = read_parameters(exchange.request)
        assert exchange.scope is not None
        call = Call(
            operation=Operation("cloudtrail", name),
            parameters=exchange.parameters,
            credential=credential,
            region=exchange.scope.region,
            received_at=exchange.received_at,
            request=exchange.request,
        )
        response = json_answer(await answer_replay(self._ports, call), exchange.request_id)
        event = self._event(exchange, response, ObservedResult({}, "", "", exchange.request_id))
        await self._record.append(event)
        return response

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Hold off all other changes of settings; on entry the view shows what is in force. Raises Unavailable."""
        async with self._changing:
            await self._record.catch_up()
            yield

    def _read_call(self, exchange: _Exchange, operation: Operation, handler: Handler, credential: Credential) -> Call:
        try:
            exchange.parameters = parse_request(operation, exchange.request)
            if handler.check is not None:
                handler.check(exchange.parameters)
            if handler.keeps_constraints is None or not handler.keeps_constraints(exchange.parameters):
                validate(operation, exchange.parameters)
        except MalformedRequest as error:
            raise MalformedCall(error.code, str(error)) from error
        except ValidationError as error:
            raise SERVICES[operation.service].invalid_parameters(str(error)) from error
        assert exchange.scope is not None
        return Call(
            operation=operation,
            parameters=exchange.parameters,
            credential=credential,
            region=exchange.scope.region,
            received_at=exchange.received_at,
            request=exchange.request,
        )

    async def _conclude(self, exchange: _Exchange, call: Call, outcome: Outcome) -> HttpResponse:
        """Put a call that succeeds on record, let it take effect, and answer it."""
        if outcome.before is not None:
            await outcome.before()
        response = format_response(
            call.operation, outcome.output, exchange.request_id, protocol=protocol_of(call.operation, exchange.request)
        )
        if response.status != outcome.http_status:
            response = replace(response, status=outcome.http_status)
        recorded = self._encoded_event(exchange, response, ObservedResult(outcome.output, "", "", exchange.request_id))
        event, encoded = recorded.event, recorded.json
        if outcome.notes:
            add_own_members(event, **outcome.notes)
            event = in_order(event)
            encoded = encode_event(event)
        await self._record.append(
            event,
            outcome.settings,
            events=outcome.events,
            is_event_first=outcome.weakens_record,
            encoded=encoded,
        )
        if outcome.after is not None:
            await outcome.after()
        return response

    async def _record_error(self, exchange: _Exchange, error: AwsError) -> HttpResponse:
        wire = wire_error(error, exchange.family)
        response = _error_response(exchange, wire)
        event = self._event(exchange, response, _observed(wire, exchange))
        await self._record.append(event)
        return response

    async def _refuse(self, exchange: _Exchange, error: CommonError) -> HttpResponse:
        wire = wire_error(error, exchange.family)
        response = _error_response(exchange, wire)
        key = RefusalKey(exchange.request.peer, exchange.caller.access_key_id[:128], wire.code)
        event = self._folds.add(
            key, exchange.received_at, lambda: self._event(exchange, response, _observed(wire, exchange))
        )
        if event is not None:
            await self._store_refusals([event])
        return response

    async def _store_refusals(self, events: list[Event]) -> None:
        for event in events:
            await self._record.append(event)

    def _encoded_event(self, exchange: _Exchange, response: HttpResponse, result: ObservedResult) -> EncodedEvent:
        return self._events.build_encoded(
            exchange.request,
            exchange.operation,
            exchange.scope,
            exchange.caller,
            response,
            self._ports.clock.now(),
            parameters=exchange.parameters,
            result=result,
        )

    def _event(self, exchange: _Exchange, response: HttpResponse, result: ObservedResult) -> Event:
        event = self._encoded_event(exchange, response, result).event
        if not exchange.own_name:
            return event
        said = recorded_parameters(exchange.parameters or {})
        return event | {"eventName": exchange.own_name, "requestParameters": said, "readOnly": True}


def _claimed_caller(request: HttpRequest, scope: CredentialScope | None, operation: Operation | None) -> CallerIdentity:
    """Return who a request says it is from, before anything of it is verified."""
    principal = federated_caller(operation, request)
    is_signed = scope is not None and principal is None
    return CallerIdentity(principal, scope.access_key_id if scope and is_signed else "", is_verified=False)


def _observed(wire: WireError, exchange: _Exchange) -> ObservedResult:
    return ObservedResult({}, wire.code, wire.message, exchange.request_id)


def _error_response(exchange: _Exchange, wire: WireError) -> HttpResponse:
    return format_error(
        exchange.operation or exchange.service,
        wire.code,
        wire.message,
        wire.http_status,
        exchange.request_id,
        fault="Receiver" if wire.is_server_fault else "Sender",
        extra=wire.members,
        protocol=_protocol(exchange),
    )


def _protocol(exchange: _Exchange) -> str:
    if exchange.operation is not None:
        return protocol_of(exchange.operation, exchange.request)
    return request_protocol(service_model(exchange.service), exchange.request)
