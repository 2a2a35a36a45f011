"""API destinations and connections: what rules call over HTTP, with which secrets, and the tokens that these are worth.

All methods are durable on return and raise Unavailable.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from opentrail.resource.api_destination import ApiDestination, Connection, ConnectionState


class Connections(Protocol):
    """Connections and, sealed, their secrets. A name is unique in its account and Region."""

    async def named(self, account_id: str, region: str, name: str) -> Connection | None: ...

    async def get(self, arn: str) -> Connection | None: ...

    async def all(self, account_id: str, region: str) -> Sequence[Connection]:
        """Return the connections of account and Region, by name."""
        ...

    async def authorizing(self) -> Sequence[Connection]:
        """Return the connections, of whatever account, whose state is AUTHORIZING."""
        ...

    async def put(self, connection: Connection, secrets: bytes | None) -> None:
        """Keep a connection in place of the one of its ARN; ``secrets`` None keeps those that are there, b"" erases
        them."""
        ...

    async def secrets(self, connection: Connection) -> bytes:
        """Return a connection's secrets, b"" when there are none or they are of another revision."""
        ...

    async def settle(self, connection: Connection, state: ConnectionState, reason: str, at: datetime | None) -> None:
        """Note what became of authorizing a connection, unless its secrets changed meanwhile; ``at`` says when it was
        authorized."""
        ...

    async def delete(self, arn: str) -> None: ...

    def watch(self, on_authorizing: Callable[[], None]) -> None:
        """Have ``on_authorizing`` called after every put of a connection that is AUTHORIZING."""
        ...


class ApiDestinations(Protocol):
    """API destinations. A name is unique in its account and Region."""

    async def named(self, account_id: str, region: str, name: str) -> ApiDestination | None: ...

    async def get(self, arn: str) -> ApiDestination | None: ...

    async def all(self, account_id: str, region: str) -> Sequence[ApiDestination]:
        """Return the API destinations of account and Region, by name."""
        ...

    async def put(self, destination: ApiDestination) -> None:
        """Keep an API destination in place of the one of its ARN."""
        ...

    async def delete(self, arn: str) -> None: ...


class TokenSource(Protocol):
    """The tokens that authorization servers give for connections of the type OAUTH."""

    async def token(self, connection: Connection) -> str:
        """Return a token that is good still, asked for when need be. Raises Unavailable when none was given, and
        TargetRefused when none may be asked for."""
        ...

    def forget(self, connection: Connection, token: str) -> None:
        """Ask anew next time, if the kept token is ``token``."""
        ...
