"""The journal that another process on this machine owns: batches go to it over a Unix socket."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from opentrail.adapters.journal.codec import check_size, encode_entries, parse_number
from opentrail.adapters.journal.frames import BrokenConnection, Frame, Order, Outcome, format_frame, read_frame
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, JournalEntry, Position

MAX_WAITING_REQUESTS = 8192
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""What may wait for the owner's reply; more is refused with Unavailable."""


class RemoteJournal:
    """The writing half of a Journal, with its promises: what is returned from is stored, by the process that owns it.

    Connects at the first call, and again at the next one after the owner went away. A caller that waits when it goes
    away gets Unavailable and, unlike with a journal of its own, does not know whether its entries were stored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._replies: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._waiting_bytes = 0
        self._numbers = count(1)
        self._connecting = asyncio.Lock()

    async def append(self, entries: Sequence[JournalEntry]) -> Position:
        return Position(await self._request(Order.APPEND, encode_entries(entries)))

    async def open_call(self, event: bytes) -> CallId:
        check_size(len(event))
        return CallId(await self._request(Order.OPEN_CALL, event))

    async def close_call(self, call: CallId, entries: Sequence[JournalEntry]) -> Position:
        body = encode_entries(entries)
        try:
            parse_number(call)
        except ValueError as error:
            raise KeyError(call) from error
        return Position(await self._request(Order.CLOSE_CALL, call.encode() + body))

    async def close(self) -> None:
        """End the connection; callers that wait get Unavailable."""
        if self._replies is not None:
            self._replies.cancel()
            await asyncio.gather(self._replies, return_exceptions=True)

    async def _request(self, order: Order, payload: bytes) -> str:
        writer = await self._connected()
        if len(self._waiting) >= MAX_WAITING_REQUESTS or self._waiting_bytes + len(payload) > MAX_WAITING_BYTES:
            raise Unavailable("too many batches wait for the owner of the journal")
        number = next(self._numbers) & 0xFFFFFFFF
        reply: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        self._waiting_bytes += len(payload)
        try:
            writer.write(format_frame(Frame(number, order, payload)))
            return _result(await reply)
        finally:
            self._waiting.pop(number, None)
            self._waiting_bytes -= len(payload)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                try:
                    reader, self._writer = await asyncio.open_unix_connection(self._path)
                except OSError as error:
                    raise Unavailable(f"no process owns the journal at {self._path}: {error}") from error
                self._replies = asyncio.create_task(self._receive(reader, self._writer))
            return self._writer

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                frame = await read_frame(reader)
                reply = self._waiting.get(frame.request)
                if reply is not None and not reply.done():
                    reply.set_result(frame)
        except (asyncio.IncompleteReadError, ConnectionError, BrokenConnection):
            pass
        finally:
            self._writer = None
            writer.close()
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(Unavailable("the owner of the journal went away before it answered"))


def _result(reply: Frame) -> str:
    text = reply.payload.decode()
    match reply.code:
        case Outcome.STORED:
            return text
        case Outcome.REFUSED:
            raise ValueError(text)
        case Outcome.NOT_PENDING:
            raise KeyError(text)
    raise Unavailable(text)
