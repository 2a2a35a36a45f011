"""The gateway's processes as the server sees them: started, asked, watched, started again, ended."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from opentrail.adapters.journal.owner import JournalConnection
from opentrail.capture.gateway import OwnApi
from opentrail.errors import OperatorError
from opentrail.pipeline.recording import record_gap, recover_abandoned_calls
from opentrail.ports import PortError, Unavailable
from opentrail.settings import RecordingMode
from opentrail.wiring import own_api
from opentrail.wiring.gateway import address_taken
from opentrail.wiring.gateway_process import LOST_CALLS_EXIT
from opentrail.wiring.installation import Installation
from opentrail.wiring.link import Answer, Link

START_SECONDS = 60.0
"""How long a process may take until it listens."""

FORGET_SECONDS = 1.0
"""How long whoever changed something waits for every process to have forgotten what it knew."""

END_SECONDS = 25.0
"""How long a process may drain before it is killed; what it had open is then on record with outcome unknown."""

RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0)
"""Waits before a process that ended by itself is started again; the last one repeats. A process that served for
STEADY_SECONDS starts over at the first."""

STEADY_SECONDS = 30.0

LISTENER_SECONDS = 2.0
"""How long a start waits for an address that is taken."""

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Started:
    """One process and the two sockets to it. ``stored_at`` is when it last had something stored, ``has_served`` whether
    it ever listened."""

    process: asyncio.subprocess.Process
    link: Link
    connection: JournalConnection
    stored_at: datetime
    has_served: bool = False


class GatewayProcesses:
    """``settings.gateway_processes`` of them, at one address that the kernel spreads connections over.

    One that ends by itself is started again; the calls it had open are on record as unknown, and under ``fail-open`` a
    gap event says that some may be missing.
    """

    def __init__(self, installation: Installation, answer: OwnApi, upstream_url: str) -> None:
        self._installation = installation
        self._answer = answer
        self._upstream_url = upstream_url
        self._started: set[_Started] = set()
        self._watchers: list[asyncio.Task[None]] = []
        self._recovering = asyncio.Lock()
        self._is_ending = False
        self.has_lost_calls = False

    @asynccontextmanager
    async def running(self, address: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
        """Start all and watch over them; yield the address once all listen; on leaving have them drain and end, every
        call settled. Raises OperatorError."""
        async with _reserved(address) as shared:
            try:
                for started in await self._start_all(shared):
                    self._watchers.append(asyncio.create_task(self._watch(started, shared)))
                yield shared
            finally:
                await self._end_all()

    async def forget(self, *, but: Link | None = None) -> None:
        """Have every process forget what it knows of identities and archives, for something changed; ``but`` is the
        link to the one that knows. Waits FORGET_SECONDS at most."""
        asked = [started.link.ask("forget") for started in self._started if started.link is not but]
        if asked:
            done, late = await asyncio.wait([asyncio.ensure_future(one) for one in asked], timeout=FORGET_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)

    async def _start_all(self, address: tuple[str, int]) -> list[_Started]:
        """Return all once each listens or failed to; raises the first failure."""
        count = self._installation.settings.gateway_processes
        results = await asyncio.gather(*(self._start(address) for _ in range(count)), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, _Started)]

    async def _end_all(self) -> None:
        self._is_ending = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(self._end(started) for started in set(self._started)))

    async def _start(self, address: tuple[str, int]) -> _Started:
        journal_ours, journal_theirs = socket.socketpair()
        link_ours, link_theirs = socket.socketpair()
        with journal_theirs, link_theirs:
            theirs = (journal_theirs.fileno(), link_theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "opentrail.wiring.gateway_process", *map(str, theirs), pass_fds=theirs
            )
        installation = self._installation
        connection = await JournalConnection.over(journal_ours, installation.journal, lambda: self._stored(started))

        async def learned(arguments: dict[str, Any], body: bytes) -> Answer:
            installation.identities.forget()
            await self.forget(but=link)
            return {}, b""

        link = await Link.over(
            link_ours,
            {own_api.QUESTION: self._own_api, "enable_regions": self._enable_regions, "learned": learned},
        )
        started = _Started(process, link, connection, installation.clock.now())
        self._started.add(started)
        plan = {
            "home": str(installation.home.path),
            "settings": installation.settings.as_options(),
            "upstream_url": self._upstream_url,
            "address": address,
            "enabled_regions": sorted(installation.regions.names()),
        }
        try:
            async with asyncio.timeout(START_SECONDS):
                await link.ask("serve", plan)
        except (TimeoutError, PortError) as error:
            await self._end(started)
            raise OperatorError("a gateway process did not start; the log says why") from error
        except OperatorError:
            await self._end(started)
            raise
        started.has_served = True
        return started

    async def _watch(self, started: _Started, address: tuple[str, int]) -> None:
        """See to it that the process is followed by another whenever it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        running: _Started | None = started
        failures = 0
        while True:
            since = loop.time()
            if running is not None:
                code = await running.process.wait()
                _log.error("a gateway process ended; another takes its place", pid=running.process.pid, code=code)
                await self._settle(running)
            failures = 0 if loop.time() - since > STEADY_SECONDS else min(failures + 1, len(RESTART_SECONDS) - 1)
            await asyncio.sleep(RESTART_SECONDS[failures])
            running = await self._start_again(address)

    async def _start_again(self, address: tuple[str, int]) -> _Started | None:
        try:
            return await self._start(address)
        except (OperatorError, OSError) as error:
            _log.error("a gateway process cannot be started", error=str(error))
            return None

    async def _end(self, started: _Started) -> None:
        if started.process.returncode is None:
            started.process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await started.process.wait()
        except TimeoutError:
            _log.warning("a gateway process did not drain in time", pid=started.process.pid)
            started.process.kill()
            await started.process.wait()
        await self._settle(started)

    async def _settle(self, started: _Started) -> None:
        """Put on record what a process that ended left open, and that calls may be missing."""
        self._started.discard(started)
        await started.link.close()
        await started.connection.gone
        installation, code = self._installation, started.process.returncode
        try:
            async with self._recovering:
                await recover_abandoned_calls(installation.journal, installation.builder, installation.regions)
            is_open = installation.settings.recording is RecordingMode.FAIL_OPEN
            if is_open and code == LOST_CALLS_EXIT and self._is_ending:
                self.has_lost_calls = True
            elif is_open and code != 0 and started.has_served:
                await self._record_gap(started.stored_at)
        except Unavailable as error:
            self.has_lost_calls = True
            _log.warning("what a gateway process left open is not on record yet", error=str(error))

    async def _record_gap(self, since: datetime) -> None:
        installation = self._installation
        await record_gap(
            installation.journal,
            installation.builder,
            installation.regions,
            account_id=installation.settings.account_id,
            region=installation.settings.region,
            started_at=since,
            ended_at=installation.clock.now(),
        )

    def _stored(self, started: _Started) -> None:
        started.stored_at = self._installation.clock.now()

    async def _own_api(self, arguments: dict[str, Any], body: bytes) -> Answer:
        return own_api.format_answer(await self._answer(own_api.read_call(arguments, body)))

    async def _enable_regions(self, arguments: dict[str, Any], body: bytes) -> Answer:
        await self._installation.regions.enable(*arguments["regions"])
        return {}, b""


@asynccontextmanager
async def _reserved(address: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
    """Hold an address (port 0 takes a free one) for listeners of this server alone; raises OperatorError when another
    has it."""
    try:
        host, port = await _free_address(address)
        holder = socket.socket(_family(host), socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
    except OSError as error:
        raise address_taken("gateway", address, error) from error
    with holder:
        yield host, port


async def _free_address(address: tuple[str, int]) -> tuple[str, int]:
    """Return the address once nobody listens there; raises OSError when somebody still does after LISTENER_SECONDS.

    A listener of our own would share the address with any other of this user that is ready to share; this one is not,
    and so finds out. Processes of a server that was killed may still be about to end.
    """
    deadline = asyncio.get_running_loop().time() + LISTENER_SECONDS
    while True:
        try:
            with socket.create_server(address, family=_family(address[0])) as alone:
                host, port = alone.getsockname()[:2]
                return host, port
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
