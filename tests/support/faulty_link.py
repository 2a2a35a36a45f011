"""A TCP link to a server that fails as a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit


class Fault(Enum):
    """What becomes of a connection, decided when it comes."""

    NONE = "everything passes"
    DOWN = "closed at once"
    HANGS = "taken, and never answered"
    LOSES_ANSWERS = "the server answers, the client never hears it"
    CUTS_ANSWERS = "the client gets the first bytes of the answer"
    DRIPS = "everything passes, late and in small pieces"


class FaultyLink:
    """Carries connections to ``target``; ``fault`` may change at any time and holds for the next connection."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.fault = Fault.NONE
        self.url = ""
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection in a task of its own."""
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        fault = self.fault
        with suppress(OSError, asyncio.IncompleteReadError):
            if fault is Fault.HANGS:
                await reader.read()
            elif fault is not Fault.DOWN:
                await self._pass_on(fault, reader, writer)
        writer.close()

    async def _pass_on(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward = await asyncio.open_connection(self._target.hostname, self._target.port)
        sending = asyncio.create_task(_copy(reader, onward, fault))
        try:
            if fault is Fault.LOSES_ANSWERS:
                await onward_reader.read()
            elif fault is Fault.CUTS_ANSWERS:
                writer.write((await onward_reader.read(65536))[:20])
                await writer.drain()
            else:
                await _copy(onward_reader, writer, fault)
        finally:
            sending.cancel()
            onward.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
    with suppress(OSError):
        while data := await reader.read(200 if fault is Fault.DRIPS else 65536):
            if fault is Fault.DRIPS:
                await asyncio.sleep(0.002)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def faulty_link(target: str) -> AsyncIterator[FaultyLink]:
    """Open a link on a free port of 127.0.0.1."""
    link = FaultyLink(target)
    server = await asyncio.start_server(link.take, "127.0.0.1", 0)
    link.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield link
    finally:
        server.close()
        await link.close()
