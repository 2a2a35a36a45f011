"""HTTP/2 as the gateway speaks it to its clients: every stream is one call."""

import asyncio
from collections.abc import Callable

from h2.errors import ErrorCodes
from h2.events import Event, RequestReceived, StreamReset

from opentrail.capture.connection import Connection
from opentrail.capture.exchange import Timeouts
from opentrail.capture.http2.frames import RESET_COST
from opentrail.capture.http2.messages import request_head_bytes
from opentrail.capture.http2.session import MAX_STREAMS, Session
from opentrail.capture.http2.stream import StreamTransport, connection_over

STREAMS_IN_ALL = 10_000
"""Calls on one connection before its client is asked to open another, which bounds what is remembered of them."""

Accept = Callable[[Connection], "asyncio.Task[None] | None"]


class ClientSession(Session):
    """Hands each stream's connection to ``accept``, which returns the task that serves it, None to refuse it.

    ``note_idle`` is told when the last call ended and when a new one begins. A call counts until its task has ended,
    even if its client gave it up before: a flood of calls that are given up at once is bounded by it.
    """

    def __init__(self, accept: Accept, timeouts: Timeouts, note_idle: Callable[[bool], None]) -> None:
        super().__init__(write_s=timeouts.write_s)
        self._accept = accept
        self._note_idle = note_idle
        self._idle_s = timeouts.idle_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = 0
        self._is_draining = False
        self._idle_timer: asyncio.TimerHandle | None = None
        self._set_idle(True)

    def drain(self) -> None:
        """Take no further call; close once those under way have ended."""
        if self._is_draining:
            return
        self._is_draining = True
        self.say_goodbye()
        self._end_if_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._set_idle(False)

    def _last_stream_id(self) -> int:
        return int(self._h2.highest_inbound_stream_id)

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, StreamReset):
            self.spend(RESET_COST)

    def _begin(self, event: RequestReceived) -> None:
        assert event.stream_id is not None
        connection, stream = connection_over(self, event.stream_id)
        self.streams[event.stream_id] = stream
        task = None if self._is_draining or len(self._tasks) >= MAX_STREAMS else self._accept(connection)
        if task is None:
            self.reset(stream, ErrorCodes.REFUSED_STREAM)
            stream.lose(None)
            self.spend(RESET_COST)
            return
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self._set_idle(False)
        self._taken += 1
        if self._taken >= STREAMS_IN_ALL:
            self.drain()
        self.guarded(stream, lambda: self._receive_request(stream, event))

    def _receive_request(self, stream: StreamTransport, event: RequestReceived) -> None:
        fields = [(bytes(name), bytes(value)) for name, value in event.headers or []]
        raw = request_head_bytes(fields, has_body=event.stream_ended is None)
        stream.method = raw.partition(b" ")[0].decode("ascii")
        stream.receive_head(raw)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._set_idle(self._transport is not None)
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._is_draining and not self._tasks and not self.streams:
            self._end()

    def forget(self, stream: StreamTransport) -> None:
        super().forget(stream)
        self._end_if_drained()

    def _set_idle(self, is_idle: bool) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if is_idle:
            self._idle_timer = self._loop.call_later(self._idle_s, self.drain)
        self._note_idle(is_idle)
