"""Connections to the upstream, kept alive and used again, one request at a time on each."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import structlog

from opentrail.capture.connection import Connection

MAX_IDLE_CONNECTIONS = 128
"""Most idle connections kept to one upstream."""

IDLE_SECONDS = 4.0
"""How long an idle connection may be used again: just under the shortest keep-alive of common servers (5 s in
Node.js and uvicorn), so that a request seldom meets a connection that its server is about to close."""

WARNING_SECONDS = 1.0
"""At most one warning in this time says that an upstream cannot be reached, however many calls find it so."""

_log = structlog.get_logger(__name__)


class UpstreamUnreachable(Exception):
    """No connection to the upstream could be made in time."""


_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class Upstreams(Protocol):
    """Where a call gets its connection to the upstream from."""

    async def acquire(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """Return a connection and whether it was used before; raises UpstreamUnreachable."""
        ...

    def release(self, connection: Connection) -> None:
        """Take back a connection on which the last answer was read whole."""
        ...


class UpstreamPool:
    """Hands out connections to one upstream, the most recently used first. Without a URL none can be had.

    ``ca_bundle`` is a PEM file of the CAs that an ``https`` upstream is trusted by, "" for the system's.
    """

    def __init__(self, url: str, *, connect_s: float, ca_bundle: str = "") -> None:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if is_tls else 80)
        self._tls = ssl.create_default_context(cafile=ca_bundle or None) if is_tls else None
        self._http2_tls = _offering_http2(ca_bundle) if is_tls else None
        self._connect_s = connect_s
        self._idle: deque[tuple[float, Connection]] = deque()
        self._next_warning_at = 0.0
        self._unreached_calls = 0

    async def acquire(self, *, fresh: bool = False) -> tuple[Connection, bool]:
        """Return a connection and whether it was used before; raises UpstreamUnreachable."""
        idle = None if fresh else self.take_idle()
        return (await self._connect(), False) if idle is None else (idle, True)

    def take_idle(self) -> Connection | None:
        """Return a connection that was used before, None when there is none."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if since >= oldest and connection.is_open and not connection.has_input:
                return connection
            connection.close()
        return None

    def release(self, connection: Connection) -> None:
        """Take back a connection on which the last answer was read whole."""
        if not connection.is_open or connection.has_input:
            connection.close()
            return
        self._idle.append((asyncio.get_running_loop().time(), connection))
        while len(self._idle) > MAX_IDLE_CONNECTIONS:
            self._idle.popleft()[1].close()

    def expire(self) -> None:
        """Close the connections that have been idle for too long."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle and (self._idle[0][0] < oldest or not self._idle[0][1].is_open):
            self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop()[1].close()

    @property
    def is_tls(self) -> bool:
        return self._tls is not None

    async def _connect(self) -> Connection:
        return await self.connect(Connection)

    async def connect(self, make: Callable[[], _Protocol], *, offers_http2: bool = False) -> _Protocol:
        """Open a connection of the caller's own protocol, over TLS with an offer to speak HTTP/2 if wanted; raises
        UpstreamUnreachable."""
        if not self._host:
            self._warn("no upstream is set")
            raise UpstreamUnreachable("no upstream is set")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                tls = self._http2_tls if offers_http2 else self._tls
                _, connection = await loop.create_connection(make, self._host, self._port, ssl=tls)
        except (OSError, TimeoutError) as error:
            said = str(error) or f"no connection in {self._connect_s:g} s"
            self._warn(said)
            raise UpstreamUnreachable(said) from error
        return connection

    def _warn(self, error: str) -> None:
        """Say for the operator where no connection could be made; ``calls`` counts those since the last warning."""
        self._unreached_calls += 1
        now = asyncio.get_running_loop().time()
        if now < self._next_warning_at:
            return
        address = f"{self._host}:{self._port}" if self._host else ""
        _log.warning("the upstream cannot be reached", upstream=address, calls=self._unreached_calls, error=error)
        self._next_warning_at, self._unreached_calls = now + WARNING_SECONDS, 0


def _offering_http2(ca_bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_bundle or None)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
