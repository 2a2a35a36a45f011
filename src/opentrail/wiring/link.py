"""Questions between the server and one of its gateway processes, over a connected pair of Unix sockets.

A message is ``<number: 4><header length: 4><body length: 4>`` (little-endian), a JSON header and raw bytes. A header is
``{"ask": NAME, "arguments": {...}}``, and the other end's under the same number ``{"answer": {...}}`` or
``{"error": SENTENCE}``. Either end may ask, at any time; answers come in any order.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import orjson
import structlog

from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

MAX_HEADER_BYTES = 1024 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024

_PREFIX = struct.Struct("<III")
_IS_ANSWER = 0x80000000

Answer = tuple[dict[str, Any], bytes]
Handler = Callable[[dict[str, Any], bytes], Awaitable[Answer]]

_log = structlog.get_logger(__name__)


class Link:
    """One end. ``handlers`` answer the other end's questions by name; ``closed`` is set once the other end is gone."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self.closed = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._handlers = handlers
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._receiving = asyncio.create_task(self._receive())

    @classmethod
    async def over(cls, connected: socket.socket, handlers: Mapping[str, Handler]) -> "Link":
        """Return the end of a connected Unix socket."""
        reader, writer = await asyncio.open_unix_connection(sock=connected)
        return cls(reader, writer, handlers)

    async def ask(self, question: str, arguments: Mapping[str, Any] | None = None, body: bytes = b"") -> Answer:
        """Return the other end's answer. Raises Unavailable when it is gone or could not answer, OperatorError with its
        sentence when it refused."""
        if self.closed.is_set():
            raise Unavailable("the other process is gone")
        number = next(self._numbers) & ~_IS_ANSWER
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await self._send(number, {"ask": question, "arguments": arguments or {}}, body)
            header, payload = await answer
        finally:
            self._asked.pop(number, None)
        if "error" in header:
            raise OperatorError(header["error"]) if header.get("is_refusal") else Unavailable(header["error"])
        return header["answer"], payload

    async def close(self) -> None:
        """End the link; questions under way fail on both ends."""
        self._receiving.cancel()
        await asyncio.gather(self._receiving, return_exceptions=True)

    async def _send(self, number: int, header: Mapping[str, Any], body: bytes) -> None:
        encoded = orjson.dumps(header)
        if len(encoded) > MAX_HEADER_BYTES or len(body) > MAX_BODY_BYTES:
            raise Unavailable("the message is too long for the other process")
        self._writer.write(_PREFIX.pack(number, len(encoded), len(body)) + encoded + body)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def _receive(self) -> None:
        try:
            while True:
                number, header_bytes, body_bytes = _PREFIX.unpack(await self._reader.readexactly(_PREFIX.size))
                if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
                    break
                header = orjson.loads(await self._reader.readexactly(header_bytes))
                self._take(number, header, await self._reader.readexactly(body_bytes))
        except (asyncio.IncompleteReadError, ConnectionError, orjson.JSONDecodeError):
            pass
        finally:
            self.closed.set()
            self._writer.close()
            for task in self._answering:
                task.cancel()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(Unavailable("the other process went away before it answered"))

    def _take(self, number: int, header: dict[str, Any], body: bytes) -> None:
        if number & _IS_ANSWER:
            asked = self._asked.get(number & ~_IS_ANSWER)
            if asked is not None and not asked.done():
                asked.set_result((header, body))
            return
        task = asyncio.create_task(self._answer(number, header, body))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, number: int, header: dict[str, Any], body: bytes) -> None:
        payload = b""
        try:
            answer, payload = await self._handlers[header["ask"]](header["arguments"], body)
            reply: dict[str, Any] = {"answer": answer}
        except OperatorError as error:
            reply = {"error": str(error), "is_refusal": True}
        except Unavailable as error:
            reply = {"error": str(error)}
        except Exception:
            _log.exception("a question of another process of this server failed", question=header.get("ask"))
            reply = {"error": "the other process failed to answer; the log says why"}
        try:
            await self._send(number | _IS_ANSWER, reply, payload)
        except Unavailable as error:
            await self._send(number | _IS_ANSWER, {"error": str(error)}, b"")
