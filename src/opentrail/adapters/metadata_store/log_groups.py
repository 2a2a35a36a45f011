"""Log groups and the readers that deliver trails to them, on the metadata database (port: log_groups)."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Row, Select, delete, func, select, tuple_, update

from opentrail.adapters.metadata_store.database import Database, add, put
from opentrail.adapters.metadata_store.remembered import Remembered
from opentrail.adapters.metadata_store.tables import (
    log_filters,
    log_groups,
    log_readers,
    log_result_keys,
    log_streams,
    trails,
)
from opentrail.ports.journal import Position
from opentrail.ports.log_groups import LogGroupNotFound, LogNameTaken, LogReaderState
from opentrail.resource.log_group import LogFilter, LogGroup, LogStream
from opentrail.resource.trail import Trail

_Made = TypeVar("_Made")


class SqlLogGroups:
    """Implements LogGroups. What each batch of log events asks for is remembered."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._remembered = Remembered(database, monotonic)

    async def create(self, group: LogGroup) -> None:
        if not await self._database.write(lambda connection: add(connection, log_groups, _values(group))):
            raise LogNameTaken(group.name)

    async def group(self, account_id: str, region: str, name: str) -> LogGroup | None:
        columns = log_groups.c
        query = select(log_groups).where(
            columns.account_id == account_id, columns.region == region, columns.name == name
        )
        return await self._remembered.read(
            lambda connection: _first(connection, query, _group), "named", account_id, region, name
        )

    async def group_of(self, group_id: str) -> LogGroup | None:
        query = select(log_groups).where(log_groups.c.group_id == group_id)
        return await self._remembered.read(lambda connection: _first(connection, query, _group), "group", group_id)

    async def groups(
        self, account_id: str, region: str, *, prefix: str = "", containing: str = "", after: str = "", limit: int
    ) -> Sequence[LogGroup]:
        columns = log_groups.c
        query = select(log_groups).where(columns.account_id == account_id, columns.region == region)
        if prefix:
            query = query.where(func.substr(columns.name, 1, len(prefix)) == prefix, columns.name >= prefix)
        if containing:
            query = query.where(func.replace(columns.name, containing, "") != columns.name)
        query = query.where(columns.name > after).order_by(columns.name).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_group(row) for row in rows]

    async def count(self, account_id: str, region: str) -> int:
        columns = log_groups.c
        query = select(func.count()).where(columns.account_id == account_id, columns.region == region)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def all_groups(self) -> Sequence[LogGroup]:
        query = select(log_groups).order_by(log_groups.c.group_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_group(row) for row in rows]

    async def change(self, group: LogGroup) -> None:
        statement = update(log_groups).where(log_groups.c.group_id == group.group_id).values(_values(group))
        if not await self._database.write(lambda connection: connection.execute(statement).rowcount):
            raise LogGroupNotFound(group.name)

    async def delete(self, group_id: str) -> None:
        await self._database.write(lambda connection: _delete_group(connection, group_id))

    async def result_key(self, account_id: str, region: str) -> str:
        columns = log_result_keys.c
        query = select(columns.kms_key_arn).where(columns.account_id == account_id, columns.region == region)
        return await self._database.read(lambda connection: connection.execute(query).scalar()) or ""

    async def set_result_key(self, account_id: str, region: str, key_arn: str) -> None:
        values = {"account_id": account_id, "region": region, "kms_key_arn": key_arn}
        await self._database.write(lambda connection: put(connection, log_result_keys, values))

    async def create_stream(self, group_id: str, stream: LogStream) -> None:
        values = {
            "group_id": group_id,
            "name": stream.name,
            "stream_id": stream.stream_id,
            "created_at": stream.created_at,
        }

        def create(connection: Connection) -> bool:
            _require_group(connection, group_id)
            return add(connection, log_streams, values)

        if not await self._database.write(create):
            raise LogNameTaken(stream.name)

    async def stream(self, group_id: str, name: str) -> LogStream | None:
        query = select(log_streams).where(log_streams.c.group_id == group_id, log_streams.c.name == name)
        return await self._remembered.read(
            lambda connection: _first(connection, query, _stream), "stream", group_id, name
        )

    async def streams(self, group_id: str) -> Sequence[LogStream]:
        query = select(log_streams).where(log_streams.c.group_id == group_id).order_by(log_streams.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_stream(row) for row in rows]

    async def delete_stream(self, group_id: str, name: str) -> None:
        statement = delete(log_streams).where(log_streams.c.group_id == group_id, log_streams.c.name == name)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def put_filter(self, group_id: str, log_filter: LogFilter) -> None:
        values = {
            "group_id": group_id,
            "kind": log_filter.kind,
            "name": log_filter.name,
            "created_at": log_filter.created_at,
            "settings": orjson.dumps(dict(log_filter.settings)).decode(),
        }

        def set_filter(connection: Connection) -> None:
            _require_group(connection, group_id)
            put(connection, log_filters, values)

        await self._database.write(set_filter)

    async def filters(self, group_id: str, kind: str) -> Sequence[LogFilter]:
        columns = log_filters.c
        query = select(log_filters).where(columns.group_id == group_id, columns.kind == kind).order_by(columns.name)

        def read(connection: Connection) -> Sequence[LogFilter]:
            return tuple(map(_filter, connection.execute(query)))

        return await self._remembered.read(read, "filters", group_id, kind)

    async def account_filters(
        self, account_id: str, region: str, kind: str, after: tuple[str, str], limit: int
    ) -> Sequence[tuple[str, LogFilter]]:
        order = (log_filters.c.name, log_groups.c.name)
        query = (
            select(log_filters, log_groups.c.name.label("group_name"))
            .join(log_groups, log_groups.c.group_id == log_filters.c.group_id)
            .where(log_groups.c.account_id == account_id, log_groups.c.region == region, log_filters.c.kind == kind)
            .where(tuple_(*order) > after)
            .order_by(*order)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [(row.group_name, _filter(row)) for row in rows]

    async def delete_filter(self, group_id: str, kind: str, name: str) -> None:
        columns = log_filters.c
        statement = delete(log_filters).where(columns.group_id == group_id, columns.kind == kind, columns.name == name)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


class SqlLogReaders:
    """Implements LogReaders; a SqlTrailStore over the same database makes the readers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered = Remembered(database)

    async def readers(self) -> Sequence[LogReaderState]:
        query = select(log_readers).order_by(log_readers.c.trail_arn)
        rows = await self._remembered.read(lambda connection: connection.execute(query).all())
        return [LogReaderState(row.trail_arn, Position(row.cursor), row.trail) for row in rows]

    async def move(self, state: LogReaderState) -> None:
        await self._database.write(lambda connection: put(connection, log_readers, _reader_values(state)))

    async def finish(self, trail_arn: str) -> None:
        await self._database.write(lambda connection: _finish(connection, trail_arn))


def start_log_reader(connection: Connection, state: LogReaderState) -> None:
    """Make a trail's reader, unless it has one."""
    add(connection, log_readers, _reader_values(state))


def _finish(connection: Connection, trail_arn: str) -> None:
    settings = connection.execute(select(trails.c.settings).where(trails.c.arn == trail_arn)).scalar()
    if settings is None or not Trail.from_json(settings).cloud_watch_logs_log_group_arn:
        connection.execute(delete(log_readers).where(log_readers.c.trail_arn == trail_arn))


def _delete_group(connection: Connection, group_id: str) -> None:
    for table in (log_filters, log_streams, log_groups):
        connection.execute(delete(table).where(table.c.group_id == group_id))


def _require_group(connection: Connection, group_id: str) -> None:
    if connection.execute(select(log_groups.c.group_id).where(log_groups.c.group_id == group_id)).first() is None:
        raise LogGroupNotFound(group_id)


def _reader_values(state: LogReaderState) -> Mapping[str, Any]:
    return {"trail_arn": state.trail_arn, "cursor": state.cursor, "trail": state.trail}


def _values(group: LogGroup) -> Mapping[str, Any]:
    return {
        "group_id": group.group_id,
        "account_id": group.account_id,
        "region": group.region,
        "name": group.name,
        "created_at": group.created_at,
        "retention_days": group.retention_days,
        "group_class": group.group_class,
        "is_deletion_protected": group.is_deletion_protected,
        "tags": orjson.dumps(dict(group.tags)).decode(),
        "kms_key_arn": group.kms_key_arn,
    }


def _first(connection: Connection, query: Select[Any], made: Callable[[Row[Any]], _Made]) -> _Made | None:
    row = connection.execute(query).first()
    return None if row is None else made(row)


def _group(row: Row[Any]) -> LogGroup:
    return LogGroup(
        group_id=row.group_id,
        account_id=row.account_id,
        region=row.region,
        name=row.name,
        created_at=row.created_at,
        retention_days=row.retention_days,
        group_class=row.group_class,
        is_deletion_protected=row.is_deletion_protected,
        tags=orjson.loads(row.tags),
        kms_key_arn=row.kms_key_arn,
    )


def _stream(row: Row[Any]) -> LogStream:
    return LogStream(row.stream_id, row.name, row.created_at)


def _filter(row: Row[Any]) -> LogFilter:
    return LogFilter(row.kind, row.name, row.created_at, orjson.loads(row.settings))
