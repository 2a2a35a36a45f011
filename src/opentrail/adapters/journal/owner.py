"""The owner's end of the socket: stores what other processes of this machine hand in (their end: ``remote.py``)."""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import structlog

from opentrail.adapters.journal.codec import MalformedBody, decode_entries
from opentrail.adapters.journal.frames import (
    CALL_ID_BYTES,
    BrokenConnection,
    Frame,
    Order,
    Outcome,
    format_frame,
    read_frame,
)
from opentrail.adapters.journal.local import LocalJournal
from opentrail.ports import Unavailable
from opentrail.ports.journal import CallId, PendingCall

MAX_REQUESTS_IN_FLIGHT = 1024
"""Requests of one connection that may wait for their commit; past it the connection is read no further."""

_log = structlog.get_logger()


class JournalSocket:
    """Lets processes of the same user write to a journal through a socket file that only its owner may open.

    The calls that a process opened and did not close are abandoned calls from the moment it goes away.
    """

    def __init__(self, journal: LocalJournal, path: Path) -> None:
        self._journal = journal
        self._path = path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen at the path, in place of what a killed owner left there. Raises OSError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(mask)
        self._server = await asyncio.start_unix_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Stop listening and end every connection; requests in flight are still stored, but get no reply."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _Connection(self._journal, reader, writer).serve()
        except asyncio.CancelledError:
            pass
        finally:
            self._connections.discard(task)
            writer.close()


class _Connection:
    """One process that writes; ``_open`` are the calls that it has to close."""

    def __init__(self, journal: LocalJournal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._journal = journal
        self._reader = reader
        self._writer = writer
        self._open: dict[CallId, bytes] = {}
        self._in_flight = asyncio.Semaphore(MAX_REQUESTS_IN_FLIGHT)
        self._is_gone = False

    async def serve(self) -> None:
        requests: set[asyncio.Task[None]] = set()
        try:
            while True:
                frame = await read_frame(self._reader)
                await self._in_flight.acquire()
                request = asyncio.create_task(self._answer(frame))
                requests.add(request)
                request.add_done_callback(requests.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except BrokenConnection as error:
            _log.warning("connection to the journal ended", reason=str(error))
        finally:
            self._is_gone = True
            self._abandon(self._open)

    async def _answer(self, frame: Frame) -> None:
        try:
            code, payload = await self._outcome(frame)
            with suppress(ConnectionError):
                self._writer.write(format_frame(Frame(frame.request, code, payload)))
                await self._writer.drain()
        finally:
            self._in_flight.release()

    async def _outcome(self, frame: Frame) -> tuple[int, bytes]:
        try:
            return Outcome.STORED, (await self._store(frame)).encode()
        except Unavailable as error:
            return Outcome.UNAVAILABLE, str(error).encode()
        except KeyError as error:
            return Outcome.NOT_PENDING, str(error.args[0]).encode()
        except (ValueError, MalformedBody) as error:
            return Outcome.REFUSED, str(error).encode()

    async def _store(self, frame: Frame) -> str:
        match frame.code:
            case Order.APPEND:
                return await self._journal.append(decode_entries(frame.payload))
            case Order.OPEN_CALL:
                call = await self._journal.open_call(frame.payload)
                self._open[call] = frame.payload
                if self._is_gone:
                    self._abandon({call: frame.payload})
                return call
            case Order.CLOSE_CALL:
                call = CallId(frame.payload[:CALL_ID_BYTES].decode())
                position = await self._journal.close_call(call, decode_entries(frame.payload[CALL_ID_BYTES:]))
                self._open.pop(call, None)
                return position
        raise ValueError(f"unknown request {frame.code}")

    def _abandon(self, calls: dict[CallId, bytes]) -> None:
        self._journal.abandon([PendingCall(call, event) for call, event in calls.items()])
