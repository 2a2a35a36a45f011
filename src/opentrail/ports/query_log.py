"""The query log: the queries of the last seven days, each with the pages of its result."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from opentrail.resource.query import KeptQuery

Query = TypeVar("Query", bound=KeptQuery)


class QueryLog(Protocol[Query]):
    """Queries of one kind. All methods raise Unavailable."""

    async def store(self, query: Query) -> None:
        """Keep a query in place of what was kept of it; durable on return."""
        ...

    async def queries(self) -> Sequence[Query]:
        """Return every query that is kept, in no particular order."""
        ...

    async def append_page(self, query_id: str, start: int, page: bytes) -> None:
        """Add a page to a stored query's result, at ``start``; what lies behind it from an earlier try is cut off."""
        ...

    async def read_page(self, query_id: str, start: int, length: int) -> bytes:
        """Return a page that was appended."""
        ...

    async def remove(self, query_id: str) -> None:
        """Forget a query and its result."""
        ...
