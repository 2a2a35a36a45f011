"""Event history as a table: for a query's time, its events lie in files that the query engine reads."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from opentrail.ports.lake_table import LakeFile


class HistoryTable(Protocol):
    """Event history of one account at a time, all its Regions."""

    def files(
        self, account_id: str, since: datetime, until: datetime
    ) -> AbstractAsyncContextManager[tuple[LakeFile, ...]]:
        """Give the events from ``since`` to ``until``, both included, as Parquet files with the columns of a store of
        CloudTrail events, with others of the same days beside them; they go when the context is left.
        Raises Unavailable."""
        ...

    async def forget(self) -> None:
        """Remove what is kept between queries of events that Event history has no more. Raises Unavailable."""
        ...
