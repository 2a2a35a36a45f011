"""Alarms, their states and their history on the metadata database (port: alarms)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, select, tuple_, update

from opentrail.adapters.metadata_store.database import Database, add, put
from opentrail.adapters.metadata_store.tables import alarm_history, alarms, invocations, tags
from opentrail.ports.alarms import HistoryQuery, StateChange
from opentrail.ports.invocations import Invocation
from opentrail.resource.alarm import Alarm, AlarmState, HistoryItem


class SqlAlarms:
    """Implements Alarms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, alarms: Sequence[Alarm], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        def work(connection: Connection) -> None:
            for alarm in alarms:
                _put_alarm(connection, alarm)
            _add(connection, items, set_off)

        await self._database.write(work)

    async def delete(self, arns: Sequence[str], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        def work(connection: Connection) -> None:
            for arn in arns:
                connection.execute(delete(alarms).where(alarms.c.arn == arn))
                connection.execute(delete(tags).where(tags.c.resource_arn == arn))
            _add(connection, items, set_off)

        await self._database.write(work)

    async def all_alarms(self) -> Sequence[Alarm]:
        query = select(alarms).order_by(alarms.c.arn)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_alarm(row) for row in rows]

    async def set_states(self, changes: Sequence[StateChange]) -> None:
        def work(connection: Connection) -> None:
            for change in changes:
                statement = update(alarms).where(alarms.c.arn == change.arn).values(state=change.state.to_json())
                if connection.execute(statement).rowcount:
                    _add(connection, change.items, change.invocations)

        await self._database.write(work)

    async def add_history(self, items: Sequence[HistoryItem]) -> None:
        await self._database.write(lambda connection: _add(connection, items, ()))

    async def history(self, query: HistoryQuery) -> Sequence[HistoryItem]:
        rows = await self._database.read(lambda connection: connection.execute(_history(query)).all())
        return [_item(row) for row in rows]

    async def expire_history(self, before: datetime) -> None:
        statement = delete(alarm_history).where(alarm_history.c.at < before)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _put_alarm(connection: Connection, alarm: Alarm) -> None:
    kept = connection.execute(select(alarms.c.state).where(alarms.c.arn == alarm.arn)).scalar()
    values = {
        "arn": alarm.arn,
        "account_id": alarm.account_id,
        "region": alarm.region,
        "name": alarm.name,
        "kind": alarm.kind,
        "configured_at": alarm.configured_at,
        "settings": orjson.dumps(dict(alarm.settings)),
        "state": alarm.state.to_json() if kept is None else kept,
    }
    put(connection, alarms, values)


def _add(connection: Connection, items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
    for item in items:
        add(connection, alarm_history, asdict(item) | {"data": orjson.dumps(dict(item.data))})
    for invocation in set_off:
        add(connection, invocations, asdict(invocation))


def _history(query: HistoryQuery) -> Any:
    columns = alarm_history.c
    selected = select(alarm_history).where(columns.account_id == query.account_id, columns.region == query.region)
    if query.alarm_name:
        selected = selected.where(columns.alarm_name == query.alarm_name)
    if query.kind:
        selected = selected.where(columns.kind == query.kind)
    if query.alarm_kinds:
        selected = selected.where(columns.alarm_kind.in_(query.alarm_kinds))
    if query.start is not None:
        selected = selected.where(columns.at >= query.start)
    if query.end is not None:
        selected = selected.where(columns.at <= query.end)
    place = tuple_(columns.at, columns.item_id)
    if query.after is not None:
        selected = selected.where(place < query.after if query.is_newest_first else place > query.after)
    order = (columns.at.desc(), columns.item_id.desc()) if query.is_newest_first else (columns.at, columns.item_id)
    return selected.order_by(*order).limit(query.limit)


def _alarm(row: Row[Any]) -> Alarm:
    return Alarm(
        arn=row.arn,
        name=row.name,
        account_id=row.account_id,
        region=row.region,
        kind=row.kind,
        configured_at=row.configured_at,
        settings=orjson.loads(row.settings),
        state=AlarmState.from_json(row.state),
    )


def _item(row: Row[Any]) -> HistoryItem:
    return HistoryItem(
        item_id=row.item_id,
        account_id=row.account_id,
        region=row.region,
        alarm_name=row.alarm_name,
        alarm_kind=row.alarm_kind,
        at=row.at,
        kind=row.kind,
        summary=row.summary,
        data=orjson.loads(row.data),
    )
