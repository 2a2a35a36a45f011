"""Authorizes connections of the type OAUTH once they are made or changed, so that their state says what they are
worth.

Each is tried once: a server that gives no token leaves its connection DEAUTHORIZED, with the reason. API destinations
ask for tokens themselves all the same, whenever they need one.
"""

import asyncio

import structlog

from opentrail.clock import Clock
from opentrail.ports import PortError, Unavailable
from opentrail.ports.api_destinations import Connections, TokenSource
from opentrail.resource.api_destination import Connection, ConnectionState

AT_A_TIME = 8
MAX_REASON_CHARACTERS = 512
RETRY_SECONDS = 5.0
"""While the store of connections does not answer."""

_log = structlog.get_logger(__name__)


class ConnectionAuthorization:
    """Either ``run``, or ``tick`` by hand."""

    def __init__(self, connections: Connections, tokens: TokenSource, clock: Clock) -> None:
        self._connections = connections
        self._tokens = tokens
        self._clock = clock
        self._woken = asyncio.Event()
        connections.watch(self._woken.set)

    async def run(self) -> None:
        """Authorize whatever waits for it until cancelled; what a stop interrupted is tried again."""
        while True:
            self._woken.clear()
            try:
                await self.tick()
            except Unavailable as error:
                _log.warning("connections wait for their store", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._woken.wait()

    async def tick(self) -> None:
        """Authorize what waits for it now. Raises Unavailable."""
        waiting = list(await self._connections.authorizing())
        for start in range(0, len(waiting), AT_A_TIME):
            await asyncio.gather(*map(self._authorize, waiting[start : start + AT_A_TIME]))

    async def _authorize(self, connection: Connection) -> None:
        try:
            await self._tokens.token(connection)
        except PortError as error:
            _log.warning("a connection was not authorized", connection=connection.arn, error=str(error))
            reason = str(error)[:MAX_REASON_CHARACTERS]
            await self._connections.settle(connection, ConnectionState.DEAUTHORIZED, reason, None)
            return
        await self._connections.settle(connection, ConnectionState.AUTHORIZED, "", self._clock.now())
