"""One call on its way through: the request goes to the upstream and the answer comes back, byte for byte, and the call
is on record before the caller has the whole answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from opentrail.capture import OpenRecord
from opentrail.capture.budget import HeldBytes
from opentrail.capture.connection import Connection, ConnectionGone
from opentrail.capture.http1 import (
    BodyScanner,
    Framing,
    MalformedMessage,
    RequestHead,
    ResponseHead,
    forwarded_request_head,
    forwarded_response_head,
    parse_response_head,
)
from opentrail.capture.refusals import response_bytes
from opentrail.capture.upstream import Upstreams, UpstreamUnreachable
from opentrail.http_message import BODY_LIMIT_BYTES, HttpResponse

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

INTERIM_LIMIT = 16
"""Most 1xx answers before the real one."""

UNREACHABLE = "upstream-unreachable"
"""The reason on record of a call of which nothing was sent, for no connection to the upstream could be made."""

_RETRIED_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Every wait of the gateway, in seconds. ``answer_s`` runs from the last byte of the request to the first of the
    answer; ``idle_s`` is between two requests of a client; ``hold_s`` is for the whole of a body that is held."""

    connect_s: float = 5.0
    head_s: float = 15.0
    read_s: float = 60.0
    hold_s: float = 120.0
    write_s: float = 60.0
    answer_s: float = 300.0
    idle_s: float = 75.0
    continue_s: float = 1.0
    drain_s: float = 10.0


_SENT = asyncio.Event()
"""What a request that was sent whole waits for: nothing. Nobody waits for this event, so no loop takes it."""
_SENT.set()


class ExchangeFailed(Exception):
    """The upstream gave no whole answer. ``reason`` goes on record; ``status`` is what the client gets, 0 when it is
    past being answered."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class RequestBody:
    """What arrived of a request's body before it was passed on: its bytes on the wire and its payload. The scanner
    says whether that was all."""

    __slots__ = ("payload", "reserved", "scanner", "wire")

    def __init__(self, scanner: BodyScanner, wire: bytes = b"", payload: bytes = b"", reserved: int = 0) -> None:
        self.scanner = scanner
        self.wire = wire
        self.payload = payload
        self.reserved = reserved

    @property
    def is_whole(self) -> bool:
        return self.scanner.is_complete


class Exchange:
    """Carries one request and its answer. ``run`` settles the record exactly once, whatever happens.

    ``refuse`` makes the 503 for a call that cannot be sent at all: that is what its client gets and what is on record.
    """

    def __init__(
        self,
        client: Connection,
        head: RequestHead,
        body: RequestBody,
        record: OpenRecord,
        pool: Upstreams,
        timeouts: Timeouts,
        *,
        refuse: Callable[[], HttpResponse],
        budget: HeldBytes,
        holds_answer: bool,
        is_continue_due: bool,
    ) -> None:
        self._client = client
        self._head = head
        self._body = body
        self._record = record
        self._pool = pool
        self._timeouts = timeouts
        self._refuse = refuse
        self._budget = budget
        self._reserved = 0
        self._holds_answer = holds_answer
        self._is_continue_due = is_continue_due
        self._may_send = _SENT if body.is_whole else asyncio.Event()
        self._is_client_gone = False
        self._is_settled = False
        self._sender: asyncio.Task[None] | None = None
        self._sender_failure: ExchangeFailed | None = None
        self._is_answered = False
        self.has_answered = False

    async def run(self) -> bool:
        """Relay; return whether the client's connection may carry another request.

        Raises ExchangeFailed and RecordingUnavailable; ``has_answered`` then says whether bytes of an answer went
        out already.
        """
        try:
            return await self._attempt(fresh=False)
        except ExchangeFailed as failure:
            cause = self._sender_failure or failure
            await self._abandon(cause.reason)
            raise cause from failure
        finally:
            if self._sender is not None and not self._sender.done():
                self._sender.cancel()
            self._budget.give_back(self._reserved)
            if not self._is_settled:
                await self._abandon("gateway-stopped")

    async def _attempt(self, *, fresh: bool) -> bool:
        try:
            upstream, is_reused = await self._pool.acquire(fresh=fresh)
        except UpstreamUnreachable as error:
            if fresh:
                # The request went out on a connection that was then closed: what became of it is not known.
                raise ExchangeFailed(UNREACHABLE, 503) from error
            return await self._answer_unsent()
        received_before = upstream.bytes_received
        is_reusable = False
        try:
            upstream.write(forwarded_request_head(self._head) + self._body.wire)
            if not self._body.is_whole:
                self._sender = asyncio.create_task(self._send_rest(upstream))
            try:
                answer = await self._answer_head(upstream)
            except ConnectionGone as gone:
                # RFC 9112 section 9.3.1: a safe request on a connection that had been idle may be sent again.
                is_stale = is_reused and not gone.is_timeout and upstream.bytes_received == received_before
                if not (is_stale and self._head.method in _RETRIED_METHODS and self._head.framing is Framing.NONE):
                    raise _no_answer(gone) from gone
            else:
                is_reusable = await self._relay_answer(upstream, answer)
                if is_reusable and self._sender is not None and answer.status < 300:
                    # The answer came early, but the upstream still listens (RFC 9112 section 9.5). After a refusal
                    # clients stop sending, and both connections are given up.
                    await asyncio.wait({self._sender})
                return outlives(self._head, answer) and self._is_request_sent() and not self._is_client_gone
        finally:
            if is_reusable and self._is_request_sent():
                self._pool.release(upstream)
            elif self._is_answered:
                upstream.close()
            else:
                upstream.abort()
        return await self._attempt(fresh=True)

    async def _answer_unsent(self) -> bool:
        """Answer a call of which no byte went upstream: its failure is certain, and goes on record as the client's
        answer. Returns whether the client's connection may carry another request."""
        response = replace(self._refuse(), reason=UNREACHABLE)
        closes = self._head.is_last or not self._body.is_whole
        await self._finish(response)
        await self._to_client(response_bytes(response, self._head.method, closes=closes))
        return not closes and not self._is_client_gone

    def _is_request_sent(self) -> bool:
        return self._body.is_whole and (self._sender is None or self._sender.done())

    async def _send_rest(self, upstream: Connection) -> None:
        """Pass on what is left of the request's body as it arrives."""
        try:
            await self._send_pieces(upstream)
        except ConnectionGone as error:
            # A client's fault ends the exchange; an upstream that stops listening may still have an answer to give.
            if self._is_client_gone:
                self._fail(upstream, "client-timeout" if error.is_timeout else "client-disconnected", 0)
        except MalformedMessage:
            self._fail(upstream, "client-malformed-body", 400)

    async def _send_pieces(self, upstream: Connection) -> None:
        if self._is_continue_due and not self._client.has_input:
            try:
                async with asyncio.timeout(self._timeouts.continue_s):
                    await self._may_send.wait()
            except TimeoutError:
                self._may_send.set()
            self._client.write(CONTINUE)
        self._may_send.set()
        scanner = self._body.scanner
        while not scanner.is_complete:
            try:
                data = await self._client.read(self._timeouts.read_s)
            except ConnectionGone:
                self._is_client_gone = True
                raise
            if not data:
                self._is_client_gone = True
                raise ConnectionGone
            wire, _ = scanner.feed(data)
            if len(wire) < len(data):
                self._client.unread(data[len(wire) :])
            upstream.write(wire)
            await upstream.drain(self._timeouts.write_s)

    def _fail(self, upstream: Connection, reason: str, status: int) -> None:
        self._sender_failure = ExchangeFailed(reason, status)
        upstream.abort()

    async def _answer_head(self, upstream: Connection) -> ResponseHead:
        for _ in range(INTERIM_LIMIT):
            if not upstream.has_input:
                await self._first_byte(upstream)
            try:
                raw = upstream.take_head() or await upstream.read_head(self._timeouts.head_s)
                head = parse_response_head(raw, self._head.method)
            except MalformedMessage as error:
                raise ExchangeFailed("upstream-malformed", 502) from error
            if head.status >= 200:
                self._stop_waiting_sender()
                return head
            if head.status == 101:
                break
            self._may_send.set()
        raise ExchangeFailed("upstream-malformed", 502)

    async def _first_byte(self, upstream: Connection) -> None:
        """Wait for the answer; the time starts anew while the request is still being sent."""
        while True:
            is_sent = self._is_request_sent()
            try:
                return await upstream.wait_for_input(self._timeouts.answer_s)
            except ConnectionGone as error:
                if not error.is_timeout or is_sent:
                    raise

    def _stop_waiting_sender(self) -> None:
        """The answer came before the body was asked for: the client will not send it."""
        if self._sender is not None and not self._may_send.is_set() and not self._sender.done():
            self._sender.cancel()

    async def _relay_answer(self, upstream: Connection, head: ResponseHead) -> bool:
        """Relay the answer; return whether the upstream's connection may be used again."""
        scanner = BodyScanner(head.framing, head.length)
        held = bytearray() if self._may_hold(head) else None
        size, extra, unsent = 0, b"", forwarded_response_head(head, closes=not outlives(self._head, head))
        while not scanner.is_complete:
            data = upstream.take() if upstream.has_input else await self._next_piece(upstream, head)
            if not data:
                break
            try:
                wire, payload = scanner.feed(data)
            except MalformedMessage as error:
                raise ExchangeFailed("upstream-malformed", 0 if self.has_answered else 502) from error
            extra, size = data[len(wire) :], size + len(payload)
            if held is not None:
                held += payload
                held = held if len(held) <= BODY_LIMIT_BYTES else None
            unsent += wire
            if not scanner.is_complete:
                await self._to_client(unsent)
                unsent = b""
                if self._is_client_gone and held is None:
                    break
        self._is_answered = not self._is_client_gone
        await self._finish(
            HttpResponse.received(head.status, head.headers, None if held is None else bytes(held), size)
        )
        await self._to_client(unsent)
        return scanner.is_complete and not head.is_last and not extra

    def _may_hold(self, head: ResponseHead) -> bool:
        """Say whether the answer's body is kept for the record: errors of every call, and what is no object data."""
        if not (self._holds_answer or head.status >= 300) or head.length > BODY_LIMIT_BYTES:
            return False
        size = {Framing.NONE: 0, Framing.LENGTH: head.length}.get(head.framing, BODY_LIMIT_BYTES)
        if not self._budget.take(size):
            return False
        self._reserved += size
        return True

    async def _next_piece(self, upstream: Connection, head: ResponseHead) -> bytes:
        try:
            data = await upstream.read(self._timeouts.read_s)
        except ConnectionGone as error:
            raise ExchangeFailed("upstream-timeout", 0 if self.has_answered else 504) from error
        if not data and (head.framing is not Framing.UNTIL_CLOSE or upstream.was_reset):
            raise ExchangeFailed("upstream-reset", 0 if self.has_answered else 502)
        return data

    async def _to_client(self, data: bytes) -> None:
        """Send bytes of the answer; a client that is gone does not stop the record."""
        if self._is_client_gone or not data:
            return
        self.has_answered = True
        self._client.write(data)
        if not self._client.must_drain:
            return
        try:
            await self._client.drain(self._timeouts.write_s)
        except ConnectionGone:
            self._is_client_gone = True
            self._client.abort()

    async def _finish(self, response: HttpResponse) -> None:
        self._is_settled = True
        await self._record.finish(response)

    async def _abandon(self, reason: str) -> None:
        if not self._is_settled:
            self._is_settled = True
            await self._record.abandon(reason)


def outlives(request: RequestHead, answer: ResponseHead) -> bool:
    """Say whether the client's connection outlives this answer as far as the two heads tell."""
    return not request.is_last and answer.framing is not Framing.UNTIL_CLOSE


def _no_answer(error: ConnectionGone) -> ExchangeFailed:
    return ExchangeFailed("upstream-timeout", 504) if error.is_timeout else ExchangeFailed("upstream-closed", 502)
