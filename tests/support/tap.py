"""A forwarder on the loopback interface that keeps what passes through it: put before and behind the gateway, it shows
whether the gateway changed a byte."""

import asyncio
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.wire_log import WireMessage, read_requests, read_responses

MAX_KEPT_BYTES = 512 * 1024 * 1024
"""Most bytes kept of all connections together; a test that sends more fails."""

PIECE_BYTES = 256 * 1024


@dataclass
class TappedConnection:
    """What passed on one connection, by direction."""

    sent: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)

    def requests(self) -> list[WireMessage]:
        return read_requests(bytes(self.sent))

    def responses(self) -> list[WireMessage]:
        """Return the answers, interim ones included."""
        methods = [request.method for request in self.requests()]
        return read_responses(bytes(self.answered), methods)

    def exchanges(self) -> list[tuple[WireMessage, WireMessage]]:
        """Return every request with its final answer."""
        final = [response for response in self.responses() if response.status >= 200]
        return list(zip(self.requests(), final, strict=True))


class Tap:
    """Listens on a free port and forwards to ``target``, which may be set later. Runs a loop in a thread of its own."""

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.connections: list[TappedConnection] = []
        self._kept_bytes = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Cut every connection and stop listening."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        kept = TappedConnection()
        self.connections.append(kept)
        parts = urlsplit(self.target)
        try:
            far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, kept.sent))
                group.create_task(self._pump(far_reader, writer, kept.answered))
        except asyncio.CancelledError:
            return  # only ``close`` cancels; the stream server would report it as a failure
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: bytearray) -> None:
        try:
            while data := await source.read(PIECE_BYTES):
                self._kept_bytes += len(data)
                assert self._kept_bytes <= MAX_KEPT_BYTES
                kept += data
                target.write(data)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
        except (ConnectionError, RuntimeError):
            target.transport.abort()
