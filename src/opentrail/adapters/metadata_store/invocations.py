"""Invocations of rules' targets on the metadata database (port: invocations)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from opentrail.adapters.metadata_store.database import Database, insert, put
from opentrail.adapters.metadata_store.tables import invocations, rules_in_force, rules_reader
from opentrail.ports.invocations import Invocation, RulesInForce, Settlement
from opentrail.ports.journal import START, Position, SettingsEntry

_MEMBERS = tuple(member.name for member in fields(Invocation))
_INVOCATION = tuple(invocations.c[name] for name in _MEMBERS)
_COLUMNS = invocations.c

_IDS_AT_A_TIME = 500
"""Ids that one statement names."""


class SqlInvocations:
    """Implements Invocations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_force(self) -> RulesInForce:
        return await self._database.read(_in_force)

    async def advance(
        self, cursor: Position, settings: Sequence[SettingsEntry], invocations: Sequence[Invocation]
    ) -> None:
        await self._database.write(lambda connection: _advance(connection, cursor, settings, invocations))

    async def add(self, invocations: Sequence[Invocation]) -> Sequence[Invocation]:
        return await self._database.write(lambda connection: _add(connection, invocations))

    async def waiting(self) -> Mapping[str, int]:
        query = select(_COLUMNS.destination, func.count()).group_by(_COLUMNS.destination)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row[0]: row[1] for row in rows}

    async def due(self, destination: str, now: datetime, limit: int) -> Sequence[Invocation]:
        return await self._database.read(lambda connection: _due(connection, destination, now, limit))

    async def next_due(self, destination: str) -> datetime | None:
        query = select(func.min(_COLUMNS.postponed_until)).where(_COLUMNS.destination == destination)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def settle(self, settlement: Settlement) -> None:
        await self._database.write(lambda connection: _settle(connection, settlement))

    async def hasten(self, destination: str, until: datetime) -> None:
        later = update(invocations).where(_COLUMNS.destination == destination, _COLUMNS.postponed_until > until)
        statement = later.values(postponed_until=until)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _in_force(connection: Connection) -> RulesInForce:
    cursor = connection.execute(select(rules_reader.c.cursor)).scalar()
    rows = connection.execute(select(rules_in_force.c.arn, rules_in_force.c.settings)).all()
    return RulesInForce(START if cursor is None else Position(cursor), {row.arn: row.settings for row in rows})


def _advance(
    connection: Connection, cursor: Position, settings: Sequence[SettingsEntry], matched: Sequence[Invocation]
) -> None:
    before = connection.execute(select(rules_reader.c.cursor)).scalar()
    if before is not None and cursor <= before:
        return
    for entry in settings:
        if entry.settings is None:
            connection.execute(delete(rules_in_force).where(rules_in_force.c.arn == entry.scope))
        else:
            put(connection, rules_in_force, {"arn": entry.scope, "settings": entry.settings})
    insert_all(connection, matched)
    put(connection, rules_reader, {"id": 1, "cursor": cursor})


def insert_all(connection: Connection, made: Sequence[Invocation]) -> None:
    """Store invocations but those whose ids are there already, in one statement; one a row costs ten times that."""
    if made:
        statement = insert(connection, invocations).on_conflict_do_nothing()
        connection.execute(statement, [_row(invocation) for invocation in made])


def _add(connection: Connection, made: Sequence[Invocation]) -> list[Invocation]:
    known: set[str] = set()
    for start in range(0, len(made), _IDS_AT_A_TIME):
        ids = [invocation.invocation_id for invocation in made[start : start + _IDS_AT_A_TIME]]
        known |= set(
            connection.execute(select(_COLUMNS.invocation_id).where(_COLUMNS.invocation_id.in_(ids))).scalars()
        )
    new = {each.invocation_id: each for each in made if each.invocation_id not in known}
    insert_all(connection, list(new.values()))
    return list(new.values())


def _row(invocation: Invocation) -> dict[str, Any]:
    return {name: getattr(invocation, name) for name in _MEMBERS}


def _due(connection: Connection, destination: str, now: datetime, limit: int) -> list[Invocation]:
    of_destination = select(*_INVOCATION).where(_COLUMNS.destination == destination)
    age = (_COLUMNS.matched_at, _COLUMNS.invocation_id)
    fresh = of_destination.where(_COLUMNS.postponed_until.is_(None)).order_by(*age).limit(limit)
    rows = list(connection.execute(fresh).mappings())
    if len(rows) < limit:
        again = of_destination.where(_COLUMNS.postponed_until <= now).order_by(_COLUMNS.postponed_until, *age)
        rows += connection.execute(again.limit(limit - len(rows))).mappings()
    return [Invocation(**row) for row in rows]


def _settle(connection: Connection, settlement: Settlement) -> None:
    for start in range(0, len(settlement.finished), _IDS_AT_A_TIME):
        ids = settlement.finished[start : start + _IDS_AT_A_TIME]
        connection.execute(delete(invocations).where(_COLUMNS.invocation_id.in_(ids)))
    if settlement.postponed:
        postpone = update(invocations).where(_COLUMNS.invocation_id == bindparam("id"))
        postpone = postpone.values(attempts=_COLUMNS.attempts + 1, postponed_until=bindparam("until"))
        rows = [{"id": each, "until": moment} for each, moment in settlement.postponed.items()]
        connection.execute(postpone, rows)
    for dead in settlement.dead:
        changed = update(invocations).where(_COLUMNS.invocation_id == dead.invocation_id)
        connection.execute(changed.values(_row(dead) | {"postponed_until": None}))
