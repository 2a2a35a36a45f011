"""Guards of trails on the metadata database (port: trail_guards)."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import trail_guards
from opentrail.resource.trail_guard import TrailGuard


class SqlTrailGuards:
    """Implements TrailGuards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[TrailGuard]:
        query = select(trail_guards.c.settings).order_by(trail_guards.c.trail_arn)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return [TrailGuard.from_json(one) for one in found]

    async def put(self, guard: TrailGuard) -> None:
        values = {"trail_arn": guard.trail_arn, "settings": guard.to_json()}
        await self._database.write(lambda connection: put(connection, trail_guards, values))

    async def remove(self, trail_arn: str) -> None:
        query = delete(trail_guards).where(trail_guards.c.trail_arn == trail_arn)
        await self._database.write(lambda connection: connection.execute(query) and None)
