"""API destinations and connections in memory, for tests of what stands on them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.resource.api_destination import ApiDestination, Connection, ConnectionState


class InMemoryConnections:
    """Behaves as the port says."""

    def __init__(self) -> None:
        self._held: dict[str, Connection] = {}
        self._secrets: dict[str, bytes] = {}
        self._on_authorizing: Callable[[], None] = lambda: None

    async def named(self, account_id: str, region: str, name: str) -> Connection | None:
        return next((each for each in await self.all(account_id, region) if each.name == name), None)

    async def get(self, arn: str) -> Connection | None:
        return self._held.get(arn)

    async def all(self, account_id: str, region: str) -> Sequence[Connection]:
        found = [each for each in self._held.values() if (each.account_id, each.region) == (account_id, region)]
        return sorted(found, key=lambda each: each.name)

    async def authorizing(self) -> Sequence[Connection]:
        return [each for _, each in sorted(self._held.items()) if each.state is ConnectionState.AUTHORIZING]

    async def put(self, connection: Connection, secrets: bytes | None) -> None:
        self._held[connection.arn] = connection
        if secrets is not None:
            self._secrets[connection.arn] = secrets
        if connection.state is ConnectionState.AUTHORIZING:
            self._on_authorizing()

    async def secrets(self, connection: Connection) -> bytes:
        held = self._held.get(connection.arn)
        is_same = held is not None and held.revision == connection.revision
        return self._secrets.get(connection.arn, b"") if is_same else b""

    async def settle(self, connection: Connection, state: ConnectionState, reason: str, at: datetime | None) -> None:
        held = self._held.get(connection.arn)
        if held is not None and held.revision == connection.revision:
            settled = replace(held, state=state, state_reason=reason, authorized_at=at or held.authorized_at)
            self._held[connection.arn] = settled

    async def delete(self, arn: str) -> None:
        self._held.pop(arn, None)
        self._secrets.pop(arn, None)

    def watch(self, on_authorizing: Callable[[], None]) -> None:
        self._on_authorizing = on_authorizing


class InMemoryApiDestinations:
    """Behaves as the port says."""

    def __init__(self) -> None:
        self._held: dict[str, ApiDestination] = {}

    async def named(self, account_id: str, region: str, name: str) -> ApiDestination | None:
        return next((each for each in await self.all(account_id, region) if each.name == name), None)

    async def get(self, arn: str) -> ApiDestination | None:
        return self._held.get(arn)

    async def all(self, account_id: str, region: str) -> Sequence[ApiDestination]:
        found = [each for each in self._held.values() if (each.account_id, each.region) == (account_id, region)]
        return sorted(found, key=lambda each: each.name)

    async def put(self, destination: ApiDestination) -> None:
        self._held[destination.arn] = destination

    async def delete(self, arn: str) -> None:
        self._held.pop(arn, None)
