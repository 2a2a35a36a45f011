"""The recording gateway: one endpoint that clients are given.

Calls of Opentrail's own services go to its API; all others go to the upstream, byte for byte, and on record. HTTP/1.1
in, HTTP/1.1 out, a raw relay on asyncio's protocols; everything that knows sockets is here and in the modules that
this one imports (``connection``, ``upstream``, ``exchange``, ``http1``). The streams of ``http2`` look the same to it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from opentrail.capture import CallRecorder, RecordingUnavailable
from opentrail.capture.budget import HELD_LIMIT_BYTES, HeldBytes
from opentrail.capture.connection import Connection, ConnectionGone
from opentrail.capture.exchange import CONTINUE, Exchange, ExchangeFailed, RequestBody, Timeouts
from opentrail.capture.http1 import BodyScanner, Framing, MalformedMessage, RequestHead, parse_request_head
from opentrail.capture.http2 import PREFACE_HEAD
from opentrail.capture.http2.clients import ClientSession
from opentrail.capture.http2.upstreams import Http2Upstreams
from opentrail.capture.ownership import Owner, Ownership
from opentrail.capture.peers import TrustedProxies
from opentrail.capture.refusals import refusal, response_bytes
from opentrail.capture.streaming import StreamingTable
from opentrail.capture.upstream import UpstreamPool
from opentrail.clock import Identifiers, RandomIdentifiers
from opentrail.http_message import BODY_LIMIT_BYTES, HttpRequest, HttpResponse
from opentrail.ports import Unavailable
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.ambiguity import body_contradiction, contradiction
from opentrail.protocol.identify import identify, is_query_call
from opentrail.protocol.post_form import FORM_LIMIT_BYTES, WRITES_LIKE, FormCall, may_be_form, read_form
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv2_query import body_scope

MAX_CONNECTIONS = 2048
"""Client connections at a time; for a further one the one that is idle for longest is closed, else itself. So it is
with those of one peer and its share of them."""

OWN_BODY_LIMIT_BYTES = 4 * 1024 * 1024
"""Longest body of a call to our own services (PutAuditEvents takes 100 events of 256 KB at most in 1 MB)."""

LINGER_BYTES = 8 * 1024 * 1024
"""What is still read, and thrown away, of a request that was answered early, so that its sender sees the answer."""

LINGER_SECONDS = 2.0

OwnApi = Callable[[HttpRequest], Awaitable[HttpResponse]]

_log = structlog.get_logger(__name__)


class _TooMuchHeld(Exception):
    """Calls hold as much memory as they may."""


class _Call:
    """One request as far as it is known: before its body was held ``operation`` may be None where the body names it."""

    __slots__ = ("head", "operation", "request", "scope")

    def __init__(
        self, head: RequestHead, request: HttpRequest, scope: CredentialScope | None, operation: Operation | None
    ) -> None:
        self.head = head
        self.request = request
        self.scope = scope
        self.operation = operation

    @property
    def service(self) -> str:
        if self.operation is not None:
            return self.operation.service
        return self.scope.signing_name if self.scope is not None else ""


class Gateway:
    """Relays calls between clients and upstreams; ``upstream_url`` may be empty when there is none.

    ``service_upstreams`` names other upstreams for single services by botocore's service name or signing name.
    ``ca_bundle`` is a PEM file of the CAs that all of them are trusted by, "" for the system's.

    One peer, unless it is a trusted proxy, has at most ``max_connections_per_peer`` of the ``max_connections``; 0 is no
    bound of its own. Streams of HTTP/2 count as connections.
    """

    def __init__(
        self,
        upstream_url: str,
        recorder: CallRecorder,
        own_api: OwnApi,
        ownership: Ownership,
        *,
        service_upstreams: Mapping[str, str] | None = None,
        ca_bundle: str = "",
        trusted_proxies: Sequence[str] = (),
        timeouts: Timeouts | None = None,
        identifiers: Identifiers | None = None,
        max_connections: int = MAX_CONNECTIONS,
        max_connections_per_peer: int = 0,
        held_limit_bytes: int = HELD_LIMIT_BYTES,
    ) -> None:
        self._recorder = recorder
        self._own_api = own_api
        self._ownership = ownership
        self._timeouts = timeouts or Timeouts()
        self._identifiers = identifiers or RandomIdentifiers()
        self._max_connections = max_connections
        self._max_per_peer = max_connections_per_peer or max_connections
        self._budget = HeldBytes(held_limit_bytes)
        self._proxies = TrustedProxies(trusted_proxies)
        self._streaming = StreamingTable()
        connect_s = self._timeouts.connect_s
        self._pool = UpstreamPool(upstream_url, connect_s=connect_s, ca_bundle=ca_bundle)
        self._service_pools = {
            service: UpstreamPool(url, connect_s=connect_s, ca_bundle=ca_bundle)
            for service, url in (service_upstreams or {}).items()
        }
        self._http2_upstreams = {
            pool: Http2Upstreams(pool, write_s=self._timeouts.write_s) for pool in self._plain_pools()
        }
        self._sessions: dict[Connection, ClientSession] = {}
        self._server: Any = None  # asyncio's Server or uvloop's, whose sockets are a list where asyncio's are a tuple
        self._sweeper: asyncio.Task[None] | None = None
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._peers: dict[str, int] = {}
        self._idle: dict[Connection, None] = {}
        self._is_stopping = False

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> tuple[str, int]:
        """Listen; return the address in use (port 0 takes a free one)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._changed), host, port, reuse_port=reuse_port or None, backlog=1024
        )
        self._sweeper = asyncio.create_task(self._sweep())
        address = self._server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def stop(self) -> None:
        """Stop listening, let calls under way end (``drain_s``), then cut off what is left; each call is settled."""
        self._is_stopping = True
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions.values()):
            session.drain()
        for connection in list(self._idle):
            connection.close()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._timeouts.drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools():
            pool.close()

    def _plain_pools(self) -> list[UpstreamPool]:
        return [self._pool, *self._service_pools.values()]

    def _pools(self) -> list[UpstreamPool | Http2Upstreams]:
        return [*self._plain_pools(), *self._http2_upstreams.values()]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            for pool in self._pools():
                pool.expire()

    def _changed(self, connection: Connection, is_open: bool) -> None:
        if is_open and self._accept(connection) is None:
            connection.abort()

    def _accept(self, connection: Connection) -> "asyncio.Task[None] | None":
        """Begin to serve a connection, or a stream of one; None when there is no room for it."""
        if self._is_stopping or not self._has_room(connection.peer):
            return None
        task = asyncio.create_task(self._serve(connection))
        self._tasks[connection] = task
        self._peers[connection.peer] = self._peers.get(connection.peer, 0) + 1
        task.add_done_callback(lambda _: self._forget(connection))
        return task

    def _forget(self, connection: Connection) -> None:
        self._tasks.pop(connection, None)
        left = self._peers.get(connection.peer, 0) - 1
        if left > 0:
            self._peers[connection.peer] = left
        else:
            self._peers.pop(connection.peer, None)

    def _has_room(self, peer: str) -> bool:
        """Say whether a further connection of ``peer`` may be served, if need be in the place of an idle one: of its
        own where it has its share, else of anybody's."""
        if self._peers.get(peer, 0) >= self._max_per_peer and not self._proxies.trusts(peer):
            return self._make_room(peer)
        return len(self._tasks) < self._max_connections or self._make_room("")

    def _make_room(self, peer: str) -> bool:
        """Close the connection (of ``peer``, unless that is empty) that has waited longest for a next request, if any
        does."""
        longest = next((idle for idle in self._idle if not peer or idle.peer == peer), None)
        if longest is None:
            return False
        del self._idle[longest]
        longest.close()
        return True

    async def _serve(self, client: Connection) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while await self._serve_one(client):
                pass
            client.close()
        except ConnectionGone:
            client.close()
        except asyncio.CancelledError:
            client.abort()
            raise
        except Exception:
            _log.exception("gateway_failed", peer=client.peer)
            client.abort()

    async def _serve_one(self, client: Connection) -> bool:
        """Answer one request; return whether the connection may carry another."""
        if not client.has_input:
            if self._is_stopping:
                return False
            self._idle[client] = None
            try:
                await client.wait_for_input(self._timeouts.idle_s)
            finally:
                self._idle.pop(client, None)
        try:
            raw = client.take_head()
            raw = await client.read_head(self._timeouts.head_s) if raw is None else raw
            if raw == PREFACE_HEAD and not client.is_http2:
                return await self._serve_streams(client)
            head = parse_request_head(raw)
        except MalformedMessage as error:
            return await self._refuse_malformed(client, error)
        peer, is_tls = self._proxies.caller(client.peer, head.headers.items)
        known_body = b"" if head.framing is Framing.NONE else None
        request = HttpRequest.received(head.method, head.target, head.headers, known_body, peer, head.length, is_tls)
        scope = read_scope(request)
        call = _Call(head, request, scope, identify(request, scope))
        body = RequestBody(BodyScanner(head.framing, head.length))
        try:
            return await self._dispatch(client, call, body)
        except MalformedMessage as error:
            return await self._refuse_malformed(client, error)
        except (Unavailable, _TooMuchHeld):
            return await self._refuse(client, call, "ServiceUnavailable", "Please retry.", 503)
        finally:
            self._budget.give_back(body.reserved)

    async def _serve_streams(self, client: Connection) -> bool:
        """Speak HTTP/2 on a connection from now on, until it ends; each stream is served like a connection."""

        def note_idle(is_idle: bool) -> None:
            if is_idle:
                self._idle[client] = None
            else:
                self._idle.pop(client, None)

        session = ClientSession(self._accept, self._timeouts, note_idle)
        self._sessions[client] = session
        try:
            client.unread(PREFACE_HEAD)
            client.hand_over(session)
            await session.closed
        finally:
            self._sessions.pop(client, None)
            note_idle(False)
        return False

    async def _dispatch(self, client: Connection, call: _Call, body: RequestBody) -> bool:
        is_continue_due = call.head.expects_continue
        reason = contradiction(call.request, call.scope)
        if reason:
            return await self._refuse(client, call, "InvalidRequest", reason, 400)
        owner = self._ownership.owner_at_once(call.request, call.operation, call.scope)
        if owner is None and call.request.body is not None:
            owner = await self._owner(call)
        if owner is Owner.OWN:
            return await self._answer_own(client, call, body, is_continue_due=is_continue_due)
        if call.operation is None and may_be_form(call.request):
            await self._hold(client, call, body, FORM_LIMIT_BYTES, is_continue_due=is_continue_due)
            is_continue_due = False
            form = read_form(call.request, body.payload)
            if form is not None:
                return await self._pass_form(client, call, body, form)
        takes_stream, gives_stream = await self._streams(call)
        may_name_action = call.operation is None and is_query_call(call.request, call.scope)
        is_held_at_all = call.head.length <= BODY_LIMIT_BYTES or may_name_action
        if not body.is_whole and not takes_stream and is_held_at_all:
            await self._hold(client, call, body, BODY_LIMIT_BYTES, is_continue_due=is_continue_due)
            is_continue_due = False
        if call.request.body is None and body.payload:
            call = _with_body(call, body)
            _, gives_stream = await self._streams(call)
            owner = await self._owner(call) if body.is_whole else owner
        if (await self._owner(call) if owner is None else owner) is Owner.OWN:
            return await self._answer_own(client, call, body, is_continue_due=is_continue_due)
        reason = body_contradiction(call.request, call.scope)
        if reason:
            return await self._refuse(client, call, "InvalidRequest", reason, 400, is_whole=body.is_whole)
        return await self._pass_on(client, call, body, holds_answer=not gives_stream, is_continue_due=is_continue_due)

    async def _pass_form(self, client: Connection, call: _Call, body: RequestBody, form: FormCall) -> bool:
        """Pass on a form that posts an object to S3, recorded as the call it makes."""
        request = form.request.with_body(None, len(body.payload)) if body.is_whole else form.request
        reason = form.contradiction or ("The call is signed beside its form." if call.scope is not None else "")
        call = _Call(call.head, request, form.scope, WRITES_LIKE)
        if reason:
            return await self._refuse(client, call, "InvalidRequest", reason, 400, is_whole=body.is_whole)
        return await self._pass_on(client, call, body, holds_answer=True, is_continue_due=False)

    async def _owner(self, call: _Call) -> Owner:
        decided = self._ownership.owner_at_once(call.request, call.operation, call.scope)
        return await self._ownership.owner(call.request, call.operation, call.scope) if decided is None else decided

    async def _streams(self, call: _Call) -> tuple[bool, bool]:
        return self._streaming.known(call.operation) or await self._streaming.look_up(call.operation)

    async def _hold(
        self, client: Connection, call: _Call, body: RequestBody, limit: int, *, is_continue_due: bool
    ) -> None:
        """Read the request's body until it is whole or longer than ``limit``. Raises _TooMuchHeld.

        Memory is reserved as bytes arrive, so that connections that only announce a body hold up nobody.
        """
        if is_continue_due:
            client.write(CONTINUE)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeouts.hold_s
        wire, payload, size = [body.wire], [body.payload], len(body.payload)
        while not body.scanner.is_complete and size <= limit:
            data = await client.read(max(0.0, min(self._timeouts.read_s, deadline - loop.time())))
            if not data:
                raise ConnectionGone
            needed = 2 * len(data)
            if not self._budget.take(needed):
                raise _TooMuchHeld
            body.reserved += needed
            taken, decoded = body.scanner.feed(data)
            client.unread(data[len(taken) :])
            wire.append(taken)
            payload.append(decoded)
            size += len(decoded)
        body.wire, body.payload = b"".join(wire), b"".join(payload)

    async def _answer_own(self, client: Connection, call: _Call, body: RequestBody, *, is_continue_due: bool) -> bool:
        if call.head.length <= OWN_BODY_LIMIT_BYTES:
            await self._hold(client, call, body, OWN_BODY_LIMIT_BYTES, is_continue_due=is_continue_due)
        if not body.is_whole or len(body.payload) > OWN_BODY_LIMIT_BYTES:
            return await self._refuse(client, call, "RequestEntityTooLarge", "The request is too large.", 413)
        request = call.request.with_body(body.payload, len(body.payload))
        response = await self._own_api(request)
        closes = call.head.is_last or self._is_stopping
        client.write(response_bytes(response, call.head.method, closes=closes))
        await client.drain(self._timeouts.write_s)
        return not closes

    async def _pass_on(
        self, client: Connection, call: _Call, body: RequestBody, *, holds_answer: bool, is_continue_due: bool
    ) -> bool:
        try:
            record = await self._recorder.begin(call.request, call.operation, call.scope)
        except RecordingUnavailable:
            return await self._refuse(
                client, call, "ServiceUnavailable", "The call could not be put on record; please retry.", 503
            )
        pool = self._service_pools.get(call.service, self._pool)
        upstreams = self._http2_upstreams[pool] if client.is_http2 else pool
        exchange = Exchange(
            client,
            call.head,
            body,
            record,
            upstreams,
            self._timeouts,
            refuse=lambda: self._unreachable(call),
            budget=self._budget,
            holds_answer=holds_answer,
            is_continue_due=is_continue_due,
        )
        try:
            is_reusable = await exchange.run()
        except RecordingUnavailable:
            code, message, status = "ServiceUnavailable", "The call's result could not be put on record.", 503
        except ExchangeFailed as failure:
            code, message, status = _failure_answer(failure)
        else:
            if not body.is_whole:
                await self._linger(client)
            return is_reusable and not self._is_stopping
        if exchange.has_answered or not status:
            client.abort()
            return False
        return await self._refuse(client, call, code, message, status, is_whole=body.is_whole)

    def _unreachable(self, call: _Call) -> HttpResponse:
        message, request_id = "The upstream cannot be reached; please retry.", self._identifiers.uuid()
        return refusal(
            call.operation, call.service, "ServiceUnavailable", message, 503, request_id, request=call.request
        )

    async def _refuse_malformed(self, client: Connection, error: MalformedMessage) -> bool:
        response = refusal(None, "", "BadRequest", f"The request is not proper HTTP/1.1: {error}.", error.status, "")
        client.write(response_bytes(response, "", closes=True))
        await self._linger(client)
        return False

    async def _refuse(
        self, client: Connection, call: _Call, code: str, message: str, status: int, *, is_whole: bool = False
    ) -> bool:
        """Answer with the called service's own error; the connection stays when the request was read whole."""
        request_id = self._identifiers.uuid()
        response = refusal(call.operation, call.service, code, message, status, request_id, request=call.request)
        closes = call.head.is_last or not is_whole
        client.write(response_bytes(response, call.head.method, closes=closes))
        if closes:
            await self._linger(client)
        else:
            await client.drain(self._timeouts.write_s)
        return not closes

    async def _linger(self, client: Connection) -> None:
        """Read on for a moment: closing over unread bytes would reset the connection and lose the answer."""
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                await client.drain(LINGER_SECONDS)
                client.end()
                while left > 0 and (data := await client.read(LINGER_SECONDS)):
                    left -= len(data)
        except (ConnectionGone, TimeoutError):
            pass


def _with_body(call: _Call, body: RequestBody) -> _Call:
    """Return the call with its body, None when that is too long; its beginning names the operation all the same."""
    beginning = call.request.with_body(body.payload[:BODY_LIMIT_BYTES], call.request.body_size_bytes)
    request = call.request
    if body.is_whole:
        held = body.payload if len(body.payload) <= BODY_LIMIT_BYTES else None
        request = request.with_body(held, len(body.payload))
    scope = call.scope or body_scope(request)
    return _Call(call.head, request, scope, identify(beginning, scope))


def _failure_answer(failure: ExchangeFailed) -> tuple[str, str, int]:
    if failure.status == 400:
        return "BadRequest", "The request's body is not proper HTTP/1.1.", 400
    if failure.status == 503:
        return "ServiceUnavailable", "The upstream cannot be reached; please retry.", 503
    if failure.status == 504:
        return "RequestTimeout", "The upstream did not answer in time.", 504
    return "BadGateway", "The upstream ended the connection without a proper answer.", failure.status
