"""Saved queries of log groups in memory."""

from collections.abc import Sequence

from opentrail.resource.query_definition import QueryDefinition


class InMemoryQueryDefinitions:
    """Implements QueryDefinitions."""

    def __init__(self) -> None:
        self.kept: dict[str, QueryDefinition] = {}

    async def definitions(self, account_id: str, region: str) -> Sequence[QueryDefinition]:
        found = [one for one in self.kept.values() if (one.account_id, one.region) == (account_id, region)]
        return sorted(found, key=lambda one: (one.name, one.definition_id))

    async def put(self, definition: QueryDefinition) -> None:
        self.kept[definition.definition_id] = QueryDefinition.from_json(definition.to_json())

    async def remove(self, definition_id: str) -> None:
        self.kept.pop(definition_id, None)
