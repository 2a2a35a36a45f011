"""The owner's end of the socket: stores what another process of this machine hands in (its end: ``remote.py``)."""

import asyncio
import socket
from collections.abc import Callable

import structlog

from opentrail.adapters.journal.codec import MalformedBody, count_entries, format_number, parse_number
from opentrail.adapters.journal.frames import (
    BrokenConnection,
    Frame,
    FrameReader,
    Order,
    Outcome,
    Result,
    WriteOrder,
    format_reply,
    read_request,
)
from opentrail.adapters.journal.local import LocalJournal
from opentrail.adapters.journal.segments import ENTRIES, OPENED, SETTLED
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, PendingCall, Position

MAX_BYTES_IN_FLIGHT = 16 * 1024 * 1024
"""Bytes of a connection's writes that may wait for their commit; past it the connection is read no further."""

_KINDS: dict[int, int] = {Order.APPEND: ENTRIES, Order.OPEN_CALL: OPENED, Order.CLOSE_CALL: SETTLED}

_log = structlog.get_logger(__name__)

OnStored = Callable[[], None]
"""Called for every frame of which anything was stored."""


class JournalConnection(asyncio.Protocol):
    """One process that writes to this process's journal.

    The calls that it opened and did not close are abandoned calls once it has gone away and what it still had in
    flight is stored: then ``gone`` is done.
    """

    def __init__(self, journal: LocalJournal, on_stored: OnStored | None = None) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal = journal
        self._on_stored = on_stored
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._open: dict[int, bytes] = {}
        self._groups = 0
        self._bytes_in_flight = 0
        self._is_paused = False

    @classmethod
    async def over(
        cls, connected: socket.socket, journal: LocalJournal, on_stored: OnStored | None = None
    ) -> "JournalConnection":
        """Serve the process that has the other end of a connected Unix socket."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(lambda: cls(journal, on_stored), sock=connected)
        return connection

    def close(self) -> None:
        """End the connection; writes in flight are still stored, but get no reply."""
        if self._transport is not None:
            self._transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods without being of its class.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except BrokenConnection as error:
            _log.warning("connection to the journal ended", reason=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end_when_settled()

    def _take(self, frame: Frame) -> None:
        writes = list(read_request(frame))
        group = _Group(self, frame, len(writes))
        self._groups += 1
        self._bytes_in_flight += len(frame.payload)
        for index, write in enumerate(writes):
            slot = _Slot(group, index, write)
            try:
                self._store(write, slot)
            except (Unavailable, KeyError, ValueError, MalformedBody) as error:
                slot.set_exception(error)
        if self._bytes_in_flight > MAX_BYTES_IN_FLIGHT and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        if not writes:
            self.settled(group)

    def _store(self, write: WriteOrder, slot: "_Slot") -> None:
        entries = 0 if write.order == Order.OPEN_CALL else count_entries(write.body)
        if write.order == Order.APPEND and not entries:
            slot.set_result(self._journal.head())
        else:
            self._journal.write(_KINDS.get(write.order, -1), write.call, entries, write.body, slot)

    def settled(self, group: "_Group") -> None:
        """Reply to a frame all of whose writes ended."""
        self._groups -= 1
        self._bytes_in_flight -= len(group.frame.payload)
        if self._on_stored is not None and group.is_stored:
            self._on_stored()
        if self._transport is None:
            self._end_when_settled()
            return
        self._transport.write(format_reply(group.frame.request, group.results, group.message))
        if self._is_paused and self._bytes_in_flight <= MAX_BYTES_IN_FLIGHT // 2:
            self._is_paused = False
            self._transport.resume_reading()

    def stored(self, write: WriteOrder, number: int) -> None:
        """Take note of a write that is durable."""
        if write.order == Order.OPEN_CALL:
            self._open[number] = write.body
        else:
            self._open.pop(write.call, None)

    def _end_when_settled(self) -> None:
        if self._groups or self.gone.done():
            return
        left = [PendingCall(CallId(format_number(number)), event) for number, event in self._open.items()]
        self._journal.abandon(left)
        self._open.clear()
        self.gone.set_result(None)


class _Group:
    """The writes of one frame: how each went, and how many have not ended."""

    __slots__ = ("_connection", "_left", "frame", "is_stored", "message", "results")

    def __init__(self, connection: JournalConnection, frame: Frame, writes: int) -> None:
        self.frame = frame
        self.results = [Result(Outcome.UNAVAILABLE, 0)] * writes
        self.message = ""
        self.is_stored = False
        self._connection = connection
        self._left = writes

    def end(self, index: int, write: WriteOrder, result: Result) -> None:
        self.results[index] = result
        if result.outcome == Outcome.STORED:
            self.is_stored = True
            self._connection.stored(write, result.number)
        self._left -= 1
        if not self._left:
            self._connection.settled(self)


class _Slot:
    """What waits in the journal for one write: the part of asyncio.Future that the journal uses, with no turn of the
    event loop between the commit and the reply."""

    __slots__ = ("_group", "_index", "_is_done", "_write")

    def __init__(self, group: _Group, index: int, write: WriteOrder) -> None:
        self._group = group
        self._index = index
        self._write = write
        self._is_done = False

    def done(self) -> bool:
        return self._is_done

    def cancelled(self) -> bool:
        return False

    def set_result(self, position: Position) -> None:
        self._is_done = True
        self._group.end(self._index, self._write, Result(Outcome.STORED, parse_number(position)))

    def set_exception(self, error: Exception) -> None:
        self._is_done = True
        self._group.message = str(error.args[0]) if isinstance(error, KeyError) else str(error)
        self._group.end(self._index, self._write, Result(_outcome_of(error), 0))


def _outcome_of(error: Exception) -> Outcome:
    if isinstance(error, KeyError):
        return Outcome.NOT_PENDING
    return Outcome.REFUSED if isinstance(error, ValueError | MalformedBody) else Outcome.UNAVAILABLE
