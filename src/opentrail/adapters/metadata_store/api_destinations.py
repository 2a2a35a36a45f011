"""API destinations and connections on the metadata database (port: api_destinations)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import api_destinations, event_connections
from opentrail.ports import Unavailable
from opentrail.resource.api_destination import ApiDestination, Connection, ConnectionState
from opentrail.sealing import SealBroken, Sealer

_CONNECTIONS, _DESTINATIONS = event_connections.c, api_destinations.c


class SqlConnections:
    """Implements Connections. Secrets are sealed, bound to their connection's ARN; nothing is cached."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._on_authorizing: Callable[[], None] = lambda: None

    async def named(self, account_id: str, region: str, name: str) -> Connection | None:
        found = await self._found(_of_place(select(_CONNECTIONS.settings), _CONNECTIONS, account_id, region, name))
        return found[0] if found else None

    async def get(self, arn: str) -> Connection | None:
        found = await self._found(select(_CONNECTIONS.settings).where(_CONNECTIONS.arn == arn))
        return found[0] if found else None

    async def all(self, account_id: str, region: str) -> Sequence[Connection]:
        query = _of_place(select(_CONNECTIONS.settings), _CONNECTIONS, account_id, region)
        return await self._found(query.order_by(_CONNECTIONS.name))

    async def authorizing(self) -> Sequence[Connection]:
        query = select(_CONNECTIONS.settings).where(_CONNECTIONS.state == ConnectionState.AUTHORIZING.value)
        return await self._found(query.order_by(_CONNECTIONS.arn))

    async def put(self, connection: Connection, secrets: bytes | None) -> None:
        sealed = None if secrets is None else self._sealer.seal(secrets, connection.arn)

        def work(transaction: Transaction) -> None:
            kept = sealed
            if kept is None:
                query = select(_CONNECTIONS.sealed_secrets).where(_CONNECTIONS.arn == connection.arn)
                kept = transaction.execute(query).scalar_one()
            put(transaction, event_connections, {**_row(connection), "sealed_secrets": kept})

        await self._database.write(work)
        if connection.state is ConnectionState.AUTHORIZING:
            self._on_authorizing()

    async def secrets(self, connection: Connection) -> bytes:
        query = select(_CONNECTIONS.settings, _CONNECTIONS.sealed_secrets).where(_CONNECTIONS.arn == connection.arn)
        row = await self._database.read(lambda transaction: transaction.execute(query).first())
        if row is None or Connection.from_json(row[0]).revision != connection.revision:
            return b""
        try:
            return self._sealer.unseal(row[1], connection.arn)
        except SealBroken as error:
            raise Unavailable(str(error)) from error

    async def settle(self, connection: Connection, state: ConnectionState, reason: str, at: datetime | None) -> None:
        query = select(_CONNECTIONS.settings, _CONNECTIONS.sealed_secrets).where(_CONNECTIONS.arn == connection.arn)

        def work(transaction: Transaction) -> None:
            row = transaction.execute(query).first()
            held = None if row is None else Connection.from_json(row[0])
            if row is None or held is None or held.revision != connection.revision:
                return
            settled = replace(held, state=state, state_reason=reason, authorized_at=at or held.authorized_at)
            put(transaction, event_connections, {**_row(settled), "sealed_secrets": row[1]})

        await self._database.write(work)

    async def delete(self, arn: str) -> None:
        statement = delete(event_connections).where(_CONNECTIONS.arn == arn)
        await self._database.write(lambda transaction: transaction.execute(statement).rowcount)

    def watch(self, on_authorizing: Callable[[], None]) -> None:
        self._on_authorizing = on_authorizing

    async def _found(self, query: Select[Any]) -> Sequence[Connection]:
        rows = await self._database.read(lambda transaction: transaction.execute(query).scalars().all())
        return [Connection.from_json(each) for each in rows]


class SqlApiDestinations:
    """Implements ApiDestinations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def named(self, account_id: str, region: str, name: str) -> ApiDestination | None:
        found = await self._found(_of_place(select(_DESTINATIONS.settings), _DESTINATIONS, account_id, region, name))
        return found[0] if found else None

    async def get(self, arn: str) -> ApiDestination | None:
        found = await self._found(select(_DESTINATIONS.settings).where(_DESTINATIONS.arn == arn))
        return found[0] if found else None

    async def all(self, account_id: str, region: str) -> Sequence[ApiDestination]:
        query = _of_place(select(_DESTINATIONS.settings), _DESTINATIONS, account_id, region)
        return await self._found(query.order_by(_DESTINATIONS.name))

    async def put(self, destination: ApiDestination) -> None:
        row = {
            "arn": destination.arn,
            "account_id": destination.account_id,
            "region": destination.region,
            "name": destination.name,
            "settings": destination.to_json(),
        }
        await self._database.write(lambda transaction: put(transaction, api_destinations, row))

    async def delete(self, arn: str) -> None:
        statement = delete(api_destinations).where(_DESTINATIONS.arn == arn)
        await self._database.write(lambda transaction: transaction.execute(statement).rowcount)

    async def _found(self, query: Select[Any]) -> Sequence[ApiDestination]:
        rows = await self._database.read(lambda transaction: transaction.execute(query).scalars().all())
        return [ApiDestination.from_json(each) for each in rows]


def _of_place(query: Select[Any], columns: Any, account_id: str, region: str, name: str = "") -> Select[Any]:
    query = query.where(columns.account_id == account_id, columns.region == region)
    return query.where(columns.name == name) if name else query


def _row(connection: Connection) -> dict[str, Any]:
    return {
        "arn": connection.arn,
        "account_id": connection.account_id,
        "region": connection.region,
        "name": connection.name,
        "state": connection.state.value,
        "settings": connection.to_json(),
    }
