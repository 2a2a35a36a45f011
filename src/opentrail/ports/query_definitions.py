"""Saved queries of log groups."""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.query_definition import QueryDefinition


class QueryDefinitions(Protocol):
    """Every method is durable on return and raises Unavailable."""

    async def definitions(self, account_id: str, region: str) -> Sequence[QueryDefinition]:
        """Return the definitions of an account in a Region, by name, then id."""
        ...

    async def put(self, definition: QueryDefinition) -> None:
        """Keep a definition in place of the one of its id."""
        ...

    async def remove(self, definition_id: str) -> None:
        """Remove a definition; one that is not there is passed over."""
        ...
