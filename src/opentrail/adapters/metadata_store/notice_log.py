"""The notices still to be sent, on the metadata database (port: notices)."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from opentrail.adapters.metadata_store.database import Database
from opentrail.adapters.metadata_store.tables import pending_notices
from opentrail.ports.notices import Notice


class SqlNoticeLog:
    """Implements NoticeLog."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receivers(self) -> Sequence[str]:
        query = select(pending_notices.c.receiver).distinct()
        return await self._database.read(lambda connection: connection.execute(query).scalars().all())

    async def pending(self, receiver: str, limit: int) -> Sequence[Notice]:
        columns = pending_notices.c
        query = (
            select(pending_notices)
            .where(columns.receiver == receiver)
            .order_by(columns.delivered_at, columns.key, columns.notice_id)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [Notice(**row) for row in rows]

    async def remove(self, notice_ids: Sequence[str]) -> None:
        if notice_ids:
            statement = delete(pending_notices).where(pending_notices.c.notice_id.in_(notice_ids))
            await self._database.write(lambda connection: connection.execute(statement).rowcount)
