"""Trails and their tags on the metadata database (port: trail_store)."""

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import Connection, Select, delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.delivery_log import start_reader
from opentrail.adapters.metadata_store.event_data_stores import apply_lake_settings
from opentrail.adapters.metadata_store.event_rules import apply_rule_settings
from opentrail.adapters.metadata_store.log_groups import start_log_reader
from opentrail.adapters.metadata_store.tables import applied_settings, tags, trails
from opentrail.adapters.metadata_store.topics import apply_topic_settings
from opentrail.ports.delivery_log import ReaderState
from opentrail.ports.journal import REGIONS_SCOPE, START, Position, SettingsEntry
from opentrail.ports.log_groups import LogReaderState
from opentrail.resource.trail import Trail

_NO_REGIONS = "[]"


class SqlTrailStore:
    """Implements TrailStore. The readers that ``apply`` starts are those of a SqlDeliveryLog, a SqlEventDataStores and
    a SqlLogReaders over the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def applied(self) -> Position:
        return (await self._database.read(_applied))[0]

    async def apply(self, position: Position, entry: SettingsEntry) -> None:
        await self._database.write(lambda connection: _apply(connection, position, entry))

    async def trail(self, arn: str) -> Trail | None:
        query = select(trails.c.settings).where(trails.c.arn == arn)
        settings = await self._database.read(lambda connection: connection.execute(query).scalar())
        return None if settings is None else Trail.from_json(settings)

    async def trails(self, account_id: str) -> Sequence[Trail]:
        return await self._found(select(trails.c.settings).where(trails.c.account_id == account_id))

    async def all_trails(self) -> Sequence[Trail]:
        return await self._found(select(trails.c.settings))

    async def _found(self, query: Select[bytes]) -> Sequence[Trail]:
        ordered = query.order_by(trails.c.arn)
        found = await self._database.read(lambda connection: connection.execute(ordered).scalars().all())
        return [Trail.from_json(settings) for settings in found]

    async def enabled_regions(self) -> Sequence[str]:
        return _regions((await self._database.read(_applied))[1])

    async def tags(self, resource_arn: str) -> Mapping[str, str]:
        query = select(tags.c.tags).where(tags.c.resource_arn == resource_arn)
        found = await self._database.read(lambda connection: connection.execute(query).scalar())
        return {} if found is None else orjson.loads(found)

    async def set_tags(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        await self._database.write(lambda connection: _set_tags(connection, resource_arn, tags))


def _applied(connection: Connection) -> tuple[Position, str]:
    row = connection.execute(select(applied_settings.c.position, applied_settings.c.regions)).first()
    return (START, _NO_REGIONS) if row is None else (Position(row.position), row.regions)


def _regions(text: str) -> tuple[str, ...]:
    return tuple(sorted(orjson.loads(text)))


def _apply(connection: Connection, position: Position, entry: SettingsEntry) -> None:
    applied, regions = _applied(connection)
    if position <= applied:
        return
    if entry.scope == REGIONS_SCOPE:
        regions = _NO_REGIONS if entry.settings is None else entry.settings.decode()
    elif (
        apply_lake_settings(connection, position, entry)
        or apply_rule_settings(connection, entry)
        or apply_topic_settings(connection, entry)
    ):
        pass
    elif entry.settings is None:
        connection.execute(delete(trails).where(trails.c.arn == entry.scope))
        connection.execute(delete(tags).where(tags.c.resource_arn == entry.scope))
    else:
        _save_trail(connection, ReaderState(entry.scope, position, entry.settings, _regions(regions)), entry.settings)
    put(connection, applied_settings, {"id": 1, "position": position, "regions": regions})


def _save_trail(connection: Connection, state: ReaderState, settings: bytes) -> None:
    if connection.execute(select(trails.c.arn).where(trails.c.arn == state.trail_arn)).first() is None:
        start_reader(connection, state)
    trail = Trail.from_json(settings)
    if trail.cloud_watch_logs_log_group_arn:
        start_log_reader(connection, LogReaderState(state.trail_arn, state.cursor, settings))
    put(connection, trails, {"arn": state.trail_arn, "account_id": trail.account_id, "settings": settings})


def _set_tags(connection: Connection, resource_arn: str, values: Mapping[str, str]) -> None:
    if values:
        put(connection, tags, {"resource_arn": resource_arn, "tags": orjson.dumps(dict(values)).decode()})
    else:
        connection.execute(delete(tags).where(tags.c.resource_arn == resource_arn))
