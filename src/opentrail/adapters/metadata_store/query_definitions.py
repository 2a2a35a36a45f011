"""Saved queries of log groups on the metadata database (port: query_definitions)."""

from collections.abc import Sequence

from sqlalchemy import delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import query_definitions
from opentrail.resource.query_definition import QueryDefinition


class SqlQueryDefinitions:
    """Implements QueryDefinitions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def definitions(self, account_id: str, region: str) -> Sequence[QueryDefinition]:
        columns = query_definitions.c
        query = select(columns.settings).where(columns.account_id == account_id, columns.region == region)
        found = await self._database.read(lambda connection: connection.execute(query).scalars().all())
        return sorted(map(QueryDefinition.from_json, found), key=lambda one: (one.name, one.definition_id))

    async def put(self, definition: QueryDefinition) -> None:
        values = {
            "definition_id": definition.definition_id,
            "account_id": definition.account_id,
            "region": definition.region,
            "settings": definition.to_json(),
        }
        await self._database.write(lambda connection: put(connection, query_definitions, values))

    async def remove(self, definition_id: str) -> None:
        query = delete(query_definitions).where(query_definitions.c.definition_id == definition_id)
        await self._database.write(lambda connection: connection.execute(query) and None)
