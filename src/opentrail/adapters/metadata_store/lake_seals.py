"""Seals of event data stores on the metadata database (port: lake_seals)."""

from sqlalchemy import select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import lake_seals
from opentrail.ports.lake_seals import LakeSeal


class SqlLakeSeals:
    """Implements LakeSeals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seal(self, arn: str) -> LakeSeal | None:
        query = select(lake_seals).where(lake_seals.c.arn == arn)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else LakeSeal(row.arn, row.statement, row.fingerprint, row.signature)

    async def put_seal(self, seal: LakeSeal) -> None:
        values = {
            "arn": seal.arn,
            "statement": seal.statement,
            "fingerprint": seal.fingerprint,
            "signature": seal.signature,
        }
        await self._database.write(lambda connection: put(connection, lake_seals, values))
