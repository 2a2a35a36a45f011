"""The journal that another process on this machine owns: batches go to it over a Unix socket."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from opentrail.adapters.journal.codec import check_size, encode_entries, format_number, parse_number
from opentrail.adapters.journal.frames import (
    GATHERED_BYTES,
    MAX_WRITES,
    BrokenConnection,
    FrameReader,
    Order,
    Outcome,
    Result,
    WriteOrder,
    format_request,
    read_reply,
)
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, JournalEntry, Position

MAX_WAITING_WRITES = 8192
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""What may wait for the owner's reply; more is refused with Unavailable."""

FRAMES_IN_FLIGHT = 1
"""Frames that may wait for the owner's reply; what is asked for meanwhile goes out in one, once there is a reply. So a
lone caller waits for nobody, and many cost few frames, wake-ups and commits."""

_Waiter = asyncio.Future[Any]


class RemoteJournal(asyncio.Protocol):
    """The writing half of a Journal, with its promises: what is returned from is stored, by the process that owns it.

    What is asked for in one turn of the event loop, or while a frame is under way, goes out as one frame. Once the
    owner is gone everything is Unavailable for good; a caller that waits at that moment does not know whether its
    entries were stored.
    """

    def __init__(self, on_gone: Callable[[], None] | None = None) -> None:
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._numbers = count(1)
        self._outgoing: deque[tuple[WriteOrder, _Waiter]] = deque()
        self._sent: dict[int, list[tuple[WriteOrder, _Waiter]]] = {}
        self._waiting_writes = 0
        self._waiting_bytes = 0

    @classmethod
    async def over(cls, connected: socket.socket, on_gone: Callable[[], None] | None = None) -> "RemoteJournal":
        """Return the journal whose owner has the other end of a connected Unix socket; ``on_gone`` is called once when
        the owner is no longer there."""
        _, journal = await asyncio.get_running_loop().create_unix_connection(lambda: cls(on_gone), sock=connected)
        return journal

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        position: Position = await self._write(Order.APPEND, 0, encode_entries(entries))
        return position

    def open_call(self, event: bytes) -> "asyncio.Future[CallId]":
        try:
            check_size(len(event))
        except ValueError as error:
            return self._failed(error)
        return self._write(Order.OPEN_CALL, 0, event)

    def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> "asyncio.Future[Position]":
        try:
            number = parse_number(call)
        except ValueError:
            return self._failed(KeyError(call))
        try:
            return self._write(Order.CLOSE_CALL, number, encode_entries(entries))
        except ValueError as error:
            return self._failed(error)

    async def close(self) -> None:
        """End the connection; callers that wait get Unavailable."""
        if self._transport is not None:
            self._transport.close()
        self._fail_all()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods without being of its class.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                results, message = read_reply(frame)
                self._settle(self._sent.pop(frame.request, []), results, message)
            if self._outgoing:
                self._loop.call_soon(self._send)
        except BrokenConnection:
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail_all()
        if self._on_gone is not None:
            self._on_gone()

    def _write(self, order: Order, call: int, body: bytes) -> _Waiter:
        if self._transport is None:
            return self._failed(Unavailable("the owner of the journal is gone"))
        if self._waiting_writes >= MAX_WAITING_WRITES or self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
            return self._failed(Unavailable("too many batches wait for the owner of the journal"))
        waiter: _Waiter = self._loop.create_future()
        if not self._outgoing and len(self._sent) < FRAMES_IN_FLIGHT:
            self._loop.call_soon(self._send)
        self._outgoing.append((WriteOrder(order, call, body), waiter))
        self._waiting_writes += 1
        self._waiting_bytes += len(body)
        return waiter

    def _failed(self, error: Exception) -> _Waiter:
        waiter: _Waiter = self._loop.create_future()
        waiter.set_exception(error)
        return waiter

    def _send(self) -> None:
        while self._outgoing and self._transport is not None:
            group: list[tuple[WriteOrder, _Waiter]] = []
            size = 0
            while self._outgoing and len(group) < MAX_WRITES and size < GATHERED_BYTES:
                group.append(self._outgoing.popleft())
                size += len(group[-1][0].body)
            number = next(self._numbers) & 0xFFFFFFFF
            self._sent[number] = group
            self._transport.write(format_request(number, [write for write, _ in group]))

    def _settle(self, group: list[tuple[WriteOrder, _Waiter]], results: Sequence[Result], message: str) -> None:
        self._release(group)
        if len(results) != len(group):
            raise BrokenConnection("a reply to something else")
        for (write, waiter), (outcome, number) in zip(group, results, strict=True):
            if waiter.cancelled():
                if write.order == Order.OPEN_CALL and outcome == Outcome.STORED:
                    self._drop_call(number)
            elif outcome == Outcome.STORED:
                waiter.set_result(format_number(number))
            else:
                waiter.set_exception(_failure(outcome, message))

    def _release(self, group: Sequence[tuple[WriteOrder, _Waiter]]) -> None:
        self._waiting_writes -= len(group)
        self._waiting_bytes -= sum(len(write.body) for write, _ in group)

    def _drop_call(self, number: int) -> None:
        """Close a call whose opener was cancelled: nobody knows its id, so nobody else will."""
        dropping = self._write(Order.CLOSE_CALL, number, b"")
        dropping.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _fail_all(self) -> None:
        groups = [list(self._outgoing), *self._sent.values()]
        self._outgoing.clear()
        self._sent.clear()
        for group in groups:
            self._release(group)
            for _, waiter in group:
                if not waiter.done():
                    waiter.set_exception(Unavailable("the owner of the journal went away before it answered"))


def _failure(outcome: int, message: str) -> Exception:
    match outcome:
        case Outcome.REFUSED:
            return ValueError(message)
        case Outcome.NOT_PENDING:
            return KeyError(message)
    return Unavailable(message)
