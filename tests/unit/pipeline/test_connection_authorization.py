"""Connections of the type OAUTH become authorized, or not, soon after they are made."""

import asyncio
import contextlib
from datetime import timedelta

from opentrail.pipeline.connection_authorization import ConnectionAuthorization
from opentrail.ports import PortError, Unavailable
from opentrail.resource.api_destination import Connection, ConnectionState
from tests.builders import NOON, HandClock
from tests.conformance.ports.test_api_destinations import a_connection
from tests.memory.api_destinations import InMemoryConnections


class Tokens:
    def __init__(self, fault: PortError | None = None) -> None:
        self.fault = fault
        self.asked = asyncio.Event()

    async def token(self, connection: Connection) -> str:
        self.asked.set()
        if self.fault is not None:
            raise self.fault
        return "t"

    def forget(self, connection: Connection, token: str) -> None:
        raise AssertionError("nothing was refused")


WAITING = a_connection(state=ConnectionState.AUTHORIZING)


async def test_a_connection_whose_server_gives_a_token_is_authorized() -> None:
    connections, clock = InMemoryConnections(), HandClock()
    authorization = ConnectionAuthorization(connections, Tokens(), clock)
    await connections.put(WAITING, b"s")
    clock.advance(2)

    await authorization.tick()

    settled = await connections.get(WAITING.arn)
    assert settled is not None
    assert (settled.state, settled.authorized_at) == (ConnectionState.AUTHORIZED, NOON + timedelta(seconds=2))


async def test_one_whose_server_gives_none_says_why() -> None:
    connections = InMemoryConnections()
    authorization = ConnectionAuthorization(connections, Tokens(Unavailable("no" * 1000)), HandClock())
    await connections.put(WAITING, b"s")

    await authorization.tick()

    settled = await connections.get(WAITING.arn)
    assert settled is not None
    assert (settled.state, settled.state_reason) == (ConnectionState.DEAUTHORIZED, "no" * 256)


async def test_a_new_connection_wakes_the_worker() -> None:
    connections, tokens = InMemoryConnections(), Tokens()
    running = asyncio.create_task(ConnectionAuthorization(connections, tokens, HandClock()).run())
    await asyncio.sleep(0)

    await connections.put(WAITING, b"s")
    await asyncio.wait_for(tokens.asked.wait(), 10)

    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
