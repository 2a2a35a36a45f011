"""Event data stores, channels and their policies on the metadata database (port: event_data_stores)."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, exists, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.remembered import Remembered
from opentrail.adapters.metadata_store.tables import (
    channels,
    event_data_stores,
    lake_readers,
    lake_seals,
    resource_policies,
    tags,
)
from opentrail.ports.event_data_stores import LakeReaderState
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.channel import Channel, is_channel_arn
from opentrail.resource.event_data_store import EventDataStore, is_event_data_store_arn


class SqlEventDataStores:
    """Implements EventDataStores; what it shows is applied by a SqlTrailStore over the same database."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._remembered = Remembered(database, monotonic)

    async def event_data_store(self, arn: str) -> EventDataStore | None:
        query = select(event_data_stores.c.settings).where(event_data_stores.c.arn == arn)
        settings = await self._database.read(lambda connection: connection.execute(query).scalar())
        return None if settings is None else EventDataStore.from_json(settings)

    async def event_data_stores(self, account_id: str | None = None) -> Sequence[EventDataStore]:
        query = select(event_data_stores.c.settings).order_by(event_data_stores.c.arn)
        if account_id is not None:
            query = query.where(event_data_stores.c.account_id == account_id)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [EventDataStore.from_json(settings) for settings in found]

    async def channel(self, arn: str) -> Channel | None:
        def read(connection: Connection) -> Channel | None:
            settings = connection.execute(select(channels.c.settings).where(channels.c.arn == arn)).scalar()
            return None if settings is None else Channel.from_json(settings)

        return await self._remembered.read(read, "channel", arn)

    async def channels(self, account_id: str) -> Sequence[Channel]:
        query = select(channels.c.settings).where(channels.c.account_id == account_id).order_by(channels.c.arn)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [Channel.from_json(settings) for settings in found]

    async def resource_policy(self, resource_arn: str) -> str:
        def read(connection: Connection) -> str:
            query = select(resource_policies.c.policy).where(resource_policies.c.resource_arn == resource_arn)
            return connection.execute(query).scalar() or ""

        return await self._remembered.read(read, "policy", resource_arn)

    async def set_resource_policy(self, resource_arn: str, policy: str) -> None:
        await self._database.write(lambda connection: _set_policy(connection, resource_arn, policy))

    async def lake_readers(self) -> Sequence[LakeReaderState]:
        query = select(lake_readers).order_by(lake_readers.c.arn)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [LakeReaderState(row.arn, Position(row.cursor), row.settings) for row in rows]

    async def move_reader(self, state: LakeReaderState) -> None:
        values = {"arn": state.arn, "cursor": state.cursor, "settings": state.settings}
        await self._database.write(lambda connection: put(connection, lake_readers, values), moves_reader=True)

    async def finish_reader(self, arn: str) -> None:
        is_there = exists().where(event_data_stores.c.arn == arn)
        statement = delete(lake_readers).where(lake_readers.c.arn == arn, ~is_there)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


def apply_lake_settings(connection: Connection, position: Position, entry: SettingsEntry) -> bool:
    """Make the settings of an event data store or a channel visible; False when ``entry`` is about neither."""
    if is_event_data_store_arn(entry.scope):
        _apply_store(connection, position, entry)
    elif is_channel_arn(entry.scope):
        _apply_channel(connection, entry)
    else:
        return False
    if entry.settings is None:
        connection.execute(delete(tags).where(tags.c.resource_arn == entry.scope))
        connection.execute(delete(lake_seals).where(lake_seals.c.arn == entry.scope))
        connection.execute(delete(resource_policies).where(resource_policies.c.resource_arn == entry.scope))
    return True


def _apply_store(connection: Connection, position: Position, entry: SettingsEntry) -> None:
    if entry.settings is None:
        connection.execute(delete(event_data_stores).where(event_data_stores.c.arn == entry.scope))
        return
    if connection.execute(select(lake_readers.c.arn).where(lake_readers.c.arn == entry.scope)).first() is None:
        put(connection, lake_readers, {"arn": entry.scope, "cursor": position, "settings": entry.settings})
    account_id = EventDataStore.from_json(entry.settings).account_id
    values = {"arn": entry.scope, "account_id": account_id, "settings": entry.settings}
    put(connection, event_data_stores, values)


def _apply_channel(connection: Connection, entry: SettingsEntry) -> None:
    if entry.settings is None:
        connection.execute(delete(channels).where(channels.c.arn == entry.scope))
        return
    account_id = Channel.from_json(entry.settings).account_id
    put(connection, channels, {"arn": entry.scope, "account_id": account_id, "settings": entry.settings})


def _set_policy(connection: Connection, resource_arn: str, policy: str) -> None:
    if policy:
        put(connection, resource_policies, {"resource_arn": resource_arn, "policy": policy})
    else:
        connection.execute(delete(resource_policies).where(resource_policies.c.resource_arn == resource_arn))
