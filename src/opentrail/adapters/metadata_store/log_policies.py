"""Resource policies of CloudWatch Logs on the metadata database (port: log_policies)."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import log_policies
from opentrail.resource.log_policy import LogPolicy


class SqlLogPolicies:
    """Implements LogPolicies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policies(self, account_id: str, region: str) -> Sequence[LogPolicy]:
        columns = log_policies.c
        query = select(log_policies).where(columns.account_id == account_id, columns.region == region)
        rows = await self._database.read(
            lambda connection: connection.execute(query.order_by(columns.name)).mappings().all()
        )
        return [LogPolicy(**row) for row in rows]

    async def put(self, policy: LogPolicy) -> None:
        await self._database.write(lambda connection: put(connection, log_policies, asdict(policy)))

    async def remove(self, account_id: str, region: str, name: str) -> None:
        columns = log_policies.c
        query = delete(log_policies).where(
            columns.account_id == account_id, columns.region == region, columns.name == name
        )
        await self._database.write(lambda connection: connection.execute(query) and None)
