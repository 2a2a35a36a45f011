"""One TCP connection of the gateway, either side: bytes as they come, with a bound on every buffer and every wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from opentrail.capture.http1 import HEAD_END, HEAD_LIMIT_BYTES, MalformedMessage

READ_BUFFER_BYTES = 256 * 1024
"""Reading pauses above this; one arrival (at most 256 KB under uvloop) may exceed it."""

WRITE_BUFFER_BYTES = 256 * 1024
"""A writer that outruns its reader waits above this."""


CLOSE_SECONDS = 10.0
"""How long a closed connection may still take what was written to it."""


class ConnectionGone(Exception):
    """The peer closed or reset the connection, or went silent for longer than the stated time (``is_timeout``)."""

    def __init__(self, *, is_timeout: bool = False) -> None:
        super().__init__("timed out" if is_timeout else "closed")
        self.is_timeout = is_timeout


class Connection(asyncio.Protocol):
    """Arrived bytes wait in pieces; at most one task reads and one writes. ``on_change`` is called once when opened
    (True) and once when gone (False)."""

    def __init__(self, on_change: Callable[["Connection", bool], None] | None = None) -> None:
        self.peer = ""
        self.is_http2 = False
        self.bytes_received = 0
        self.was_reset = False
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._is_ended = False
        self._is_reading_paused = False
        self._is_writing_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._read_by = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Future[None] | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods without being of its class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if isinstance(name, tuple) else ""
        self.is_http2 = bool(transport.get_extra_info("is_http2", False))
        if self._on_change is not None:
            self._on_change(self, True)

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        self._pieces.append(bytes(data))
        self._buffered_bytes += len(data)
        if self._buffered_bytes > READ_BUFFER_BYTES and not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._is_ended = True
        _wake(self._reader)
        # Half-closing is not offered by TLS; elsewhere a client that only stopped sending still gets its answer.
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ended = True
        self.was_reset = exc is not None
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _wake(self._reader)
        _wake(self._writer)
        if self._on_change is not None:
            self._on_change(self, False)

    def pause_writing(self) -> None:
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        _wake(self._writer)

    # Called by the gateway.

    @property
    def is_open(self) -> bool:
        """Say whether both directions still work as far as this side knows."""
        return self._transport is not None and not self._is_ended and not self._transport.is_closing()

    @property
    def has_input(self) -> bool:
        return bool(self._pieces)

    @property
    def must_drain(self) -> bool:
        """Say whether a writer has to wait in ``drain``, or would learn there that the connection is gone."""
        return self._is_writing_paused or self._transport is None

    def take(self) -> bytes:
        """Return the next bytes that have arrived; there must be some (``has_input``)."""
        data = self._pieces.popleft()
        self._buffered_bytes -= len(data)
        if self._is_reading_paused and self._buffered_bytes <= READ_BUFFER_BYTES // 2 and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()
        return data

    def take_head(self) -> bytes | None:
        """Return what ``read_head`` does when all of it has arrived in one piece, else None, and take nothing."""
        if not self._pieces:
            return None
        data = self._pieces[0]
        end = data.find(HEAD_END) + len(HEAD_END)
        if end < len(HEAD_END):
            return None
        if end > HEAD_LIMIT_BYTES:
            raise MalformedMessage("the head is too long", 431)
        if end == len(data):
            return self.take()
        self._pieces[0] = data[end:]
        self._buffered_bytes -= end
        return data[:end]

    async def read(self, timeout_s: float) -> bytes:
        """Return the next bytes; empty at the end of the stream. Raises ConnectionGone when none come in time."""
        while not self._pieces:
            if self._is_ended:
                return b""
            await self._arrival(timeout_s)
        return self.take()

    def unread(self, data: bytes) -> None:
        """Put bytes back that belong to the next message."""
        if data:
            self._pieces.appendleft(data)
            self._buffered_bytes += len(data)

    async def wait_for_input(self, timeout_s: float) -> None:
        """Return once there are bytes to read; raises ConnectionGone at the end of the stream or after the time."""
        while not self._pieces:
            if self._is_ended:
                raise ConnectionGone
            await self._arrival(timeout_s)

    async def read_head(self, total_s: float) -> bytes:
        """Return the next head, up to and including its blank line.

        Raises MalformedMessage (431) over HEAD_LIMIT_BYTES and ConnectionGone when it is not whole after ``total_s``.
        """
        deadline = self._loop.time() + total_s
        data = await self.read(total_s)
        end = data.find(HEAD_END)
        if end < 0:
            data, end = await self._rest_of_head(data, deadline)
        end += len(HEAD_END)
        if end > HEAD_LIMIT_BYTES:
            raise MalformedMessage("the head is too long", 431)
        if end == len(data):
            return data
        self.unread(data[end:])
        return data[:end]

    async def _rest_of_head(self, first: bytes, deadline: float) -> tuple[bytes, int]:
        data = bytearray(first)
        while True:
            if len(data) > HEAD_LIMIT_BYTES:
                raise MalformedMessage("the head is too long", 431)
            more = await self.read(max(0.0, deadline - self._loop.time()))
            if not more:
                raise ConnectionGone
            searched = max(0, len(data) - len(HEAD_END))
            data += more
            end = data.find(HEAD_END, searched)
            if end >= 0:
                return bytes(data), end

    def write(self, data: bytes) -> None:
        """Send bytes, in order; bytes for a connection that is gone are dropped."""
        if self._transport is not None and data:
            self._transport.write(data)

    async def drain(self, timeout_s: float) -> None:
        """Wait until the peer took enough of what was written; raises ConnectionGone."""
        while self._is_writing_paused and self._transport is not None:
            self._writer = self._loop.create_future()
            timer = self._loop.call_later(timeout_s, _expire, self._writer)
            try:
                await self._writer
            finally:
                timer.cancel()
                self._writer = None
        if self._transport is None:
            raise ConnectionGone

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Let ``protocol`` have what arrives from now on, and what has and was not taken; this connection can still be
        closed."""
        if self._transport is None:
            raise ConnectionGone
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        while self._pieces:
            protocol.data_received(self.take())

    def end(self) -> None:
        """Send what was written and say that no more will come; the peer may go on sending."""
        if self._transport is not None and self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Send what was written, for CLOSE_SECONDS at most, then close."""
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.get_write_buffer_size():
                self._loop.call_later(CLOSE_SECONDS, self.abort)
            self._transport.close()

    def abort(self) -> None:
        """Close at once, so that the peer can tell it from an orderly end."""
        if self._transport is not None:
            self._transport.abort()

    def _arrival(self, timeout_s: float) -> "asyncio.Future[None]":
        """Return what ends when there is something to read, or the time is over; one task at most may wait for it."""
        self._reader = self._loop.create_future()
        self._read_by = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._read_by:
            self._arm()
        return self._reader

    def _arm(self) -> None:
        """Set the one timer that all reads share; most end long before it, and then it need not be touched."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._read_by, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._reader is None or self._reader.done():
            return
        if self._loop.time() < self._read_by:
            self._arm()
        else:
            self._reader.set_exception(ConnectionGone(is_timeout=True))


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(ConnectionGone(is_timeout=True))
