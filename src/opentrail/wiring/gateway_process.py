"""A gateway process: ``python -m opentrail.wiring.gateway_process JOURNAL_FD LINK_FD``, started by the server only.

It relays and records calls; what it records goes to the server's journal over one socket, and everything else that it
needs of the server over the other. It drains and ends when the server says so (SIGTERM), and ends at once when the
server is gone: nothing can be put on record then, and the next server makes good what was left.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

from opentrail.adapters.journal.remote import RemoteJournal
from opentrail.adapters.metadata_store.database import Database, open_database
from opentrail.adapters.metadata_store.identity_store import SqlIdentityStore
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.clock import RandomIdentifiers, SystemClock
from opentrail.home import Home
from opentrail.identity import Principal
from opentrail.protocol.models import preload
from opentrail.sealing import Sealer
from opentrail.settings import Settings, read_settings
from opentrail.wiring.descriptors import claim_descriptors
from opentrail.wiring.gateway import PRELOADED_SERVICES, GatewayPorts, RunningGateway, event_builder, open_gateway
from opentrail.wiring.interpreter import tune_interpreter
from opentrail.wiring.link import Answer, Link
from opentrail.wiring.logs import configure_logging
from opentrail.wiring.own_api import LinkedApi

SERVER_GONE_EXIT = 4
"""Exit code of a process that outlived its server."""

LOST_CALLS_EXIT = 3
"""Exit code of a process that could not store everything before it ended; under ``fail-open`` only."""


class LinkedRegions:
    """A RegionRegister that has the server enable what this process has not met yet; ``enabled`` were so before."""

    def __init__(self, link: Link, enabled: Iterable[str]) -> None:
        self._link = link
        self._met = set(enabled)

    def names(self) -> Collection[str]:
        """Return the Regions that this process knows to be enabled."""
        return frozenset(self._met)

    def is_enabled(self, region: str) -> bool:
        return region in self._met

    async def enable(self, *regions: str) -> None:
        if not self._met.issuperset(regions):
            await self._link.ask("enable_regions", {"regions": regions})
            self._met.update(regions)


class SharedIdentityStore(SqlIdentityStore):
    """An identity store that has the server's other processes forget what this one has just learned anew."""

    def __init__(self, database: Database, sealer: Sealer, link: Link) -> None:
        super().__init__(database, sealer)
        self._link = link

    async def learn(
        self, access_key_id: str, token_hash: str, principal: Principal, expires_at: datetime | None
    ) -> None:
        await super().learn(access_key_id, token_hash, principal, expires_at)
        await self._link.ask("learned")


class GatewayProcess:
    """What the server asks for: ``serve``, once, and ``forget``."""

    def __init__(self, journal: RemoteJournal, stack: AsyncExitStack) -> None:
        self.link: Link
        self.gateway: RunningGateway | None = None
        self._journal = journal
        self._stack = stack
        self._identities: SharedIdentityStore | None = None
        self._archives: LocalArchives | None = None

    async def serve(self, arguments: dict[str, Any], body: bytes) -> Answer:
        """Listen at the address that all gateway processes share."""
        settings = read_settings(None, {}, arguments["settings"]).settings
        configure_logging(settings.log_level)
        home = Home(Path(arguments["home"]))
        database = await open_database(settings.metadata_url or f"sqlite:///{home.metadata_file}")
        self._stack.push_async_callback(database.close)
        self._identities = SharedIdentityStore(database, home.sealer(), self.link)
        self._archives = LocalArchives(home.archives)
        host, port = arguments["address"]
        await asyncio.to_thread(preload, PRELOADED_SERVICES)
        self.gateway = await self._stack.enter_async_context(
            open_gateway(
                settings,
                arguments["upstream_url"],
                self._ports(settings, LinkedRegions(self.link, arguments["enabled_regions"])),
                LinkedApi(self.link).handle,
                (host, port),
                processes=settings.gateway_processes,
            )
        )
        tune_interpreter()
        return {}, b""

    def _ports(self, settings: Settings, regions: LinkedRegions) -> GatewayPorts:
        assert self._identities is not None
        assert self._archives is not None
        return GatewayPorts(
            journal=self._journal,
            builder=event_builder(settings, RandomIdentifiers(), regions.names),
            identities=self._identities,
            archives=self._archives,
            regions=regions,
            clock=SystemClock(),
        )

    async def forget(self, arguments: dict[str, Any], body: bytes) -> Answer:
        """Ask the stores again from now on: the operator or another process changed something."""
        if self._identities is not None and self._archives is not None:
            self._identities.forget()
            self._archives.reload()
        if self.gateway is not None:
            self.gateway.callers.forget()
        return {}, b""


async def run(journal_socket: socket.socket, link_socket: socket.socket) -> int:
    """Serve until told to end; return the exit code."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    journal = await RemoteJournal.over(journal_socket, _end_at_once)
    async with AsyncExitStack() as stack:
        process = GatewayProcess(journal, stack)
        process.link = await Link.over(link_socket, {"serve": process.serve, "forget": process.forget})
        await ended.wait()
    return LOST_CALLS_EXIT if process.gateway is not None and process.gateway.has_lost_calls else 0


def _end_at_once() -> None:
    os._exit(SERVER_GONE_EXIT)


def main() -> None:
    # An interrupt from a terminal reaches every process of it; the server gets it too, and ends this one in its order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    claim_descriptors()
    sockets = [socket.socket(fileno=int(number)) for number in sys.argv[1:3]]
    sys.exit(uvloop.run(run(*sockets)))


if __name__ == "__main__":
    main()
