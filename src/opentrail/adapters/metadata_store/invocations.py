"""Invocations of rules' targets on the metadata database (port: invocations)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

import zstandard
from sqlalchemy import Connection, Dialect, bindparam, delete, func, insert, select, update

from opentrail.adapters.metadata_store.columns import moment_text
from opentrail.adapters.metadata_store.database import Database, add, put
from opentrail.adapters.metadata_store.tables import invocation_batches, invocations, rules_in_force, rules_reader
from opentrail.ports.invocations import Invocation, InvocationBatch, RulesInForce, Settlement
from opentrail.ports.journal import START, Position, SettingsEntry

_MEMBERS = tuple(member.name for member in fields(Invocation))
_MATCHED_AT = _MEMBERS.index("matched_at")
_values = attrgetter(*_MEMBERS)
_INVOCATION = tuple(invocations.c[name] for name in _MEMBERS)
_COLUMNS = invocations.c

_IDS_AT_A_TIME = 500
"""Ids that one statement names."""

_ROWS_AT_A_TIME = 50
"""Invocations that one statement stores: of 400 in a transaction each took 17 us of processor time, 22 one by one.
As many texts of the statement are kept."""

_BATCH_LEVEL = 1
"""Of compression: a batch of 350 like events is a twentieth as long, and compressing and storing it takes 1.1 us of
processor time an event where storing it as it is took 3.5."""

# Statements that come with every few events are made once: making and comparing one costs more than running it.
_MOVE = update(rules_reader).values(cursor=bindparam("position")).where(rules_reader.c.cursor < bindparam("position"))
_PLACE = {"sqlite": "?", "postgresql": "%s"}
_AGE = (_COLUMNS.matched_at, _COLUMNS.invocation_id)
_OF_DESTINATION = select(*_INVOCATION).where(_COLUMNS.destination == bindparam("to")).limit(bindparam("most"))
_FRESH = _OF_DESTINATION.where(_COLUMNS.postponed_until.is_(None)).order_by(*_AGE)
_AGAIN = _OF_DESTINATION.where(_COLUMNS.postponed_until <= bindparam("now")).order_by(_COLUMNS.postponed_until, *_AGE)
_BATCHES = invocation_batches.c
_OLDEST_BATCH = (
    select(_BATCHES.position, _BATCHES.number, _BATCHES.body)
    .where(_BATCHES.destination == bindparam("to"))
    .order_by(_BATCHES.position)
    .limit(1)
)
_OLDEST_BATCH_AT = _OLDEST_BATCH.with_only_columns(_BATCHES.matched_at)
_DROP_BATCH = delete(invocation_batches).where(
    _BATCHES.destination == bindparam("to"), _BATCHES.position == bindparam("at")
)
_FINISH = delete(invocations).where(_COLUMNS.invocation_id.in_(bindparam("ids", expanding=True)))
_POSTPONE = (
    update(invocations)
    .where(_COLUMNS.invocation_id == bindparam("id"))
    .values(attempts=_COLUMNS.attempts + 1, postponed_until=bindparam("until"))
)


class SqlInvocations:
    """Implements Invocations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_force(self) -> RulesInForce:
        return await self._database.read(_in_force)

    async def advance(
        self,
        cursor: Position,
        settings: Sequence[SettingsEntry],
        invocations: Sequence[Invocation],
        batches: Sequence[InvocationBatch] = (),
    ) -> None:
        await self._database.write(
            lambda connection: _advance(connection, cursor, settings, invocations, batches), moves_reader=True
        )

    async def add(self, invocations: Sequence[Invocation]) -> Sequence[Invocation]:
        return await self._database.write(lambda connection: _add(connection, invocations))

    async def waiting(self) -> Mapping[str, int]:
        return await self._database.read(_waiting)

    async def due(self, destination: str, now: datetime, limit: int) -> Sequence[Invocation]:
        while True:
            due = await self._database.read(lambda connection: _due(connection, destination, now, limit))
            if due is not None:
                return due
            await self._database.write(lambda connection: _unpack(connection, destination, limit))

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
    connection: Connection,
    cursor: Position,
    settings: Sequence[SettingsEntry],
    matched: Sequence[Invocation],
    batches: Sequence[InvocationBatch],
) -> None:
    if not _move(connection, cursor):
        return
    for entry in settings:
        if entry.settings is None:
            connection.execute(delete(rules_in_force).where(rules_in_force.c.arn == entry.scope))
        else:
            put(connection, rules_in_force, {"arn": entry.scope, "settings": entry.settings})
    insert_all(connection, matched)
    rows = [
        {
            "destination": batch.destination,
            "position": cursor,
            "number": len(batch),
            "matched_at": batch.matched_at,
            "body": zstandard.compress(batch.to_bytes(), level=_BATCH_LEVEL),
        }
        for batch in batches
    ]
    if rows:
        connection.execute(insert(invocation_batches), rows)


def _move(connection: Connection, cursor: Position) -> bool:
    """Move the reader's cursor; say False, and leave it, when it is not behind."""
    if connection.exec_driver_sql(_move_text(connection.dialect), {"position": cursor}).rowcount:
        return True
    return add(connection, rules_reader, {"id": 1, "cursor": cursor})


def insert_all(connection: Connection, made: Sequence[Invocation]) -> None:
    """Store invocations but those whose ids are there already, many in one statement."""
    for start in range(0, len(made), _ROWS_AT_A_TIME):
        some = made[start : start + _ROWS_AT_A_TIME]
        values = tuple(value for each in some for value in _driver_row(each))
        connection.exec_driver_sql(_insert_text(connection.dialect.name, len(some)), values)


# For the driver itself: through SQLAlchemy a row took a third longer, and moving the cursor 0.13 ms.
@cache
def _insert_text(database: str, rows: int) -> str:
    row = f"({', '.join([_PLACE[database]] * len(_MEMBERS))})"
    into = f"{invocations.name} ({', '.join(_MEMBERS)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"  # noqa: S608 - names of ours


@cache
def _move_text(dialect: Dialect) -> str:
    return str(_MOVE.compile(dialect=dialect))


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


def _driver_row(invocation: Invocation) -> tuple[Any, ...]:
    row = _values(invocation)
    return (*row[:_MATCHED_AT], moment_text(row[_MATCHED_AT]), *row[_MATCHED_AT + 1 :])


def _waiting(connection: Connection) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for query in (
        select(_COLUMNS.destination, func.count()).group_by(_COLUMNS.destination),
        select(_BATCHES.destination, func.sum(_BATCHES.number)).group_by(_BATCHES.destination),
    ):
        found.update({row[0]: row[1] for row in connection.execute(query)})
    return found


def _due(connection: Connection, destination: str, now: datetime, limit: int) -> list[Invocation] | None:
    """Return what is due; None when some of it is in a batch still."""
    asked = {"to": destination, "most": limit}
    rows = list(connection.execute(_FRESH, asked))
    batched_at = connection.execute(_OLDEST_BATCH_AT, {"to": destination}).scalar()
    if batched_at is not None and (len(rows) < limit or batched_at < rows[-1].matched_at):
        return None
    if len(rows) < limit:
        rows += connection.execute(_AGAIN, asked | {"now": now, "most": limit - len(rows)})
    return [Invocation(*row) for row in rows]


def _unpack(connection: Connection, destination: str, number: int) -> None:
    """Put invocations in the place of a destination's oldest batches: at least so many, if there are."""
    while number > 0 and (batch := connection.execute(_OLDEST_BATCH, {"to": destination}).one_or_none()):
        connection.execute(_DROP_BATCH, {"to": destination, "at": batch.position})
        insert_all(connection, InvocationBatch.unpacked(destination, _inflated(batch.body)))
        number -= batch.number


def _inflated(body: bytes) -> bytes:
    """Return a batch's bytes; those from before batches were compressed begin with their JSON."""
    return body if body.startswith(b"{") else zstandard.decompress(body)


def _settle(connection: Connection, settlement: Settlement) -> None:
    for start in range(0, len(settlement.finished), _IDS_AT_A_TIME):
        ids = list(settlement.finished[start : start + _IDS_AT_A_TIME])
        connection.execute(_FINISH, {"ids": ids})
    if settlement.postponed:
        rows = [{"id": each, "until": moment} for each, moment in settlement.postponed.items()]
        connection.execute(_POSTPONE, rows)
    for dead in settlement.dead:
        changed = update(invocations).where(_COLUMNS.invocation_id == dead.invocation_id)
        connection.execute(changed.values(_row(dead) | {"postponed_until": None}))
