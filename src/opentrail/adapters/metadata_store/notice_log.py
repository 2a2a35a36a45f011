"""The notices still to be sent, on the metadata database (port: notices)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from opentrail.adapters.metadata_store.database import Database
from opentrail.adapters.metadata_store.tables import pending_notices
from opentrail.ports.notices import Notice

_NOTICE = tuple(pending_notices.c[member.name] for member in fields(Notice))


class SqlNoticeLog:
    """Implements NoticeLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receivers(self) -> Sequence[str]:
        query = select(pending_notices.c.receiver).distinct()
        return await self._database.read(lambda connection: connection.execute(query).scalars().all())

    async def pending(self, receiver: str, now: datetime, limit: int) -> Sequence[Notice]:
        return await self._database.read(lambda connection: _pending(connection, receiver, now, limit))

    async def postpone(self, until: Mapping[str, datetime]) -> None:
        if until:
            await self._database.write(lambda connection: _postpone(connection, until))

    async def remove(self, notice_ids: Sequence[str]) -> None:
        if notice_ids:
            statement = delete(pending_notices).where(pending_notices.c.notice_id.in_(notice_ids))
            await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _pending(connection: Connection, receiver: str, now: datetime, limit: int) -> list[Notice]:
    columns = pending_notices.c
    of_receiver = select(*_NOTICE).where(columns.receiver == receiver)
    fresh = of_receiver.where(columns.postponed_until.is_(None))
    age = (columns.delivered_at, columns.key, columns.notice_id)
    rows = list(connection.execute(fresh.order_by(*age).limit(limit)).mappings())
    if len(rows) == limit:
        newest = connection.execute(fresh.order_by(*(part.desc() for part in age)).limit(1)).mappings()
        rows = rows[:-1] + list(newest)
    else:
        again = of_receiver.where(columns.postponed_until <= now).order_by(columns.postponed_until, *age)
        rows += connection.execute(again.limit(limit - len(rows))).mappings()
    return [Notice(**row) for row in rows]


def _postpone(connection: Connection, until: Mapping[str, datetime]) -> None:
    for notice_id, moment in until.items():
        values = {"failures": pending_notices.c.failures + 1, "postponed_until": moment}
        connection.execute(update(pending_notices).where(pending_notices.c.notice_id == notice_id).values(values))
