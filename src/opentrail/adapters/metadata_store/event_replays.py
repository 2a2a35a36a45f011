"""Replays of archives on the metadata database (port: event_archives)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import event_replays
from opentrail.resource.event_archive import EventReplay

_COLUMNS = event_replays.c


class SqlEventReplays:
    """Implements EventReplays."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._on_put: Callable[[], None] = lambda: None

    async def get(self, arn: str) -> EventReplay | None:
        found = await self._found(select(_COLUMNS.settings).where(_COLUMNS.arn == arn))
        return found[0] if found else None

    async def all(self, account_id: str, region: str) -> Sequence[EventReplay]:
        query = select(_COLUMNS.settings).where(_COLUMNS.account_id == account_id, _COLUMNS.region == region)
        return await self._found(query.order_by(_COLUMNS.arn))

    async def under_way(self) -> Sequence[EventReplay]:
        return await self._found(select(_COLUMNS.settings).where(_COLUMNS.ended_at.is_(None)).order_by(_COLUMNS.arn))

    async def put(self, replay: EventReplay) -> None:
        await self._database.write(lambda connection: put(connection, event_replays, _row(replay)))
        self._on_put()

    async def advance(self, before: EventReplay, after: EventReplay) -> bool:
        query = select(_COLUMNS.settings).where(_COLUMNS.arn == before.arn)

        def work(connection: Connection) -> bool:
            kept = connection.execute(query).scalar()
            if kept is None or EventReplay.from_json(kept) != before:
                return False
            put(connection, event_replays, _row(after))
            return True

        return await self._database.write(work)

    async def forget(self, ended_before: datetime) -> None:
        statement = delete(event_replays).where(_COLUMNS.ended_at < ended_before)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    def watch(self, on_put: Callable[[], None]) -> None:
        self._on_put = on_put

    async def _found(self, query: Select[Any]) -> Sequence[EventReplay]:
        rows = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [EventReplay.from_json(each) for each in rows]


def _row(replay: EventReplay) -> dict[str, Any]:
    return {
        "arn": replay.arn,
        "account_id": replay.account_id,
        "region": replay.region,
        "ended_at": replay.ended_at,
        "settings": replay.to_json(),
    }
