"""The engine's processes: one for each query, forked of a host that has the engine loaded.

A host never sees a statement or a row, so what is forked of it knows no other query's. It waits for a while after the
last query: a process of its own then costs a query a few milliseconds, not the loading of an engine.
"""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass

from opentrail.adapters.query_engine.frames import END, START, pack_order

_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""All that a host gets of the server's environment: no setting, and no key."""

_NUMBER_BYTES = 4


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """One query's process: what it is told and what it answers."""

    host: "Host"
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Starting = asyncio.Task[EngineProcess]


class Processes:
    """Starts processes of the module ``worker``; none serves two queries. ``close`` ends the host."""

    def __init__(self, worker: str, spare_seconds: float) -> None:
        self._worker = worker
        self._spare_seconds = spare_seconds
        self._host: asyncio.Task[Host] | None = None
        self._taken = 0
        self._dropping: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def take(self) -> Starting:
        """Return a process that nobody else has, which may still be starting; its taker calls ``end``."""
        self._taken += 1
        if self._dropping is not None:
            self._dropping.cancel()
        return asyncio.create_task(self._start(), name="query engine")

    async def end(self, starting: Starting) -> None:
        """Kill a process, also one whose start was not waited for, and see it gone; the host may wait for the next."""
        try:
            process = await starting
            process.writer.close()
            await process.host.end(process.number)
        finally:
            self._taken -= 1
            if not self._taken:
                await self._rest()

    async def close(self) -> None:
        """End the host, and with it every process; one that is taken later has a host of its own."""
        if self._dropping is not None:
            self._dropping.cancel()
        self._drop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _start(self) -> EngineProcess:
        host = await self._living_host()
        try:
            return await host.fork()
        except ConnectionError:  # it died just now
            return await (await self._living_host()).fork()

    async def _living_host(self) -> "Host":
        if self._host is None or (self._host.done() and not _is_alive(self._host)):
            self._host = asyncio.create_task(Host.start(self._worker), name="query engine's host")
        return await asyncio.shield(self._host)

    async def _rest(self) -> None:
        """Have the host wait for the next query for as long as one may."""
        if self._spare_seconds:
            self._dropping = asyncio.get_running_loop().call_later(self._spare_seconds, self._drop)
        else:
            self._drop()
            await asyncio.gather(*self._ending, return_exceptions=True)

    def _drop(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            task = asyncio.create_task(_closed(host))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _is_alive(host: "asyncio.Task[Host]") -> bool:
    return not host.cancelled() and host.exception() is None and host.result().is_alive


async def _closed(host: "asyncio.Task[Host]") -> None:
    await (await host).close()


class Host:
    """The server's end of a host: orders go in (a process's number, with the socket that it talks on), the numbers of
    processes that have ended come back. When this end is gone the host kills them all."""

    def __init__(self, process: asyncio.subprocess.Process, orders: socket.socket) -> None:
        self.process = process
        self._orders = orders
        self._running: dict[int, asyncio.Event] = {}
        self._count = 0
        self._listening = asyncio.create_task(self._listen(), name="query engine's host, listening")

    @classmethod
    async def start(cls, worker: str) -> "Host":
        """Start a host; it forks as soon as it has loaded the engine."""
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # The same modules as here, wherever this process found them.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", worker,
                stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
                env=environment, cwd="/",
            )  # fmt: skip
        return cls(process, ours)

    @property
    def is_alive(self) -> bool:
        """Say whether it can fork, for all that is known here."""
        return not self._listening.done() and self.process.returncode is None

    async def fork(self) -> EngineProcess:
        """Return a new process. Raises ConnectionError when the host is gone."""
        self._count += 1
        number = self._count
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._orders, [pack_order(START, number)], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise ConnectionError from error
        self._running[number] = asyncio.Event()
        reader, writer = await asyncio.open_connection(sock=ours)
        return EngineProcess(self, number, reader, writer)

    async def end(self, number: int) -> None:
        """Kill a process and wait until it is gone."""
        ended = self._running.get(number)
        if ended is None or not self.is_alive:
            return
        with contextlib.suppress(OSError):
            self._orders.send(pack_order(END, number))
        await ended.wait()

    async def close(self) -> None:
        """End the host and what was forked of it."""
        self._orders.shutdown(socket.SHUT_RDWR)
        await self._listening
        await self.process.wait()
        self._orders.close()

    async def _listen(self) -> None:
        loop, received = asyncio.get_running_loop(), b""
        try:
            while more := await loop.sock_recv(self._orders, 1024):
                received += more
                while len(received) >= _NUMBER_BYTES:
                    number, received = int.from_bytes(received[:_NUMBER_BYTES], "big"), received[_NUMBER_BYTES:]
                    if (ended := self._running.pop(number, None)) is not None:
                        ended.set()
        except OSError:
            return
        finally:
            for ended in self._running.values():
                ended.set()
            self._running.clear()
