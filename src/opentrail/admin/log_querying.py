"""The operator's Logs Insights queries, over log groups of any account and Region of the installation."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.admin.administration import check_account
from opentrail.errors import OperatorError
from opentrail.logsql.errors import MalformedQuery, line_and_column
from opentrail.ports.log_groups import LogGroups
from opentrail.ports.log_store import LogKeyUnusable
from opentrail.query.log_queries import CONCURRENT_QUERIES, DEFAULT_ROWS, LogQueries, LogQuestion
from opentrail.query.running_queries import TooManyQueries
from opentrail.resource.log_group import LogGroup
from opentrail.resource.log_query import LogQuery

MAX_PAGES = 2000
"""Places of result pages in one answer."""

MAX_NAMED_GROUPS = 20
"""Groups that are named to who asks for one that is not there."""

Answer = dict[str, Any]


class LogQueryCommands:
    """Commands over the log groups' queries. Every method raises OperatorError with a sentence that says what to do."""

    def __init__(self, queries: LogQueries, groups: LogGroups, *, account_id: str, region: str) -> None:
        self._queries = queries
        self._groups = groups
        self._account_id = account_id
        self._region = region

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (
                self.start_log_query,
                self.describe_log_query,
                self.log_query_pages,
                self.cancel_log_query,
            )
        }

    async def start_log_query(
        self,
        statement: str,
        groups: list[str],
        start: int,
        end: int,
        limit: int = DEFAULT_ROWS,
        region: str = "",
        account: str = "",
    ) -> Answer:
        """Start a query over ``groups`` (names) from ``start`` to ``end`` (s since 1970).

        Return its id with account and Region, or as ``refused`` why the query is refused and where (line, column).
        """
        if account:
            check_account(account)
        owner, region = account or self._account_id, region or self._region
        found = [await self._group(owner, region, name) for name in dict.fromkeys(groups)]
        try:
            query = await self._queries.start(LogQuestion(owner, region, statement, found, start, end, limit))
        except MalformedQuery as error:
            line, column = line_and_column(statement, error.start)
            return {"refused": {"message": str(error), "line": line, "column": column}}
        except TooManyQueries as error:
            raise OperatorError(
                f"{CONCURRENT_QUERIES} queries are running or waiting already: wait for one of them to end"
            ) from error
        return {"id": "/".join((owner, region, query.id))}

    async def describe_log_query(self, query_id: str) -> Answer:
        """Return how a query stands."""
        query = self._find(query_id)
        return {
            "status": str(query.status),
            "columns": [list(column) for column in query.columns],
            "is_grouped": query.is_grouped,
            "rows": query.rows,
            "pages": len(query.pages),
            "progress": self._queries.progress(query),
            "events_scanned": query.records_scanned,
            "events_matched": query.records_matched,
            "bytes_scanned": query.bytes_scanned,
            "run_time_ms": query.run_time_ms,
            "error": query.error_message,
        }

    async def log_query_pages(self, query_id: str, first: int = 0) -> Answer:
        """Return where pages of a result lie in its file (start, length, rows), from the ``first`` on, and the data key
        that opens them (base64; empty where they are kept without one)."""
        query = self._find(query_id)
        try:
            key = await self._queries.result_key(query)
        except LogKeyUnusable as error:
            raise OperatorError(f"the result is kept under a KMS key that cannot be used now: {error}") from error
        pages = [list(page) for page in query.pages[first : first + MAX_PAGES]]
        return {"pages": pages, "key": base64.b64encode(key).decode()}

    async def cancel_log_query(self, query_id: str) -> Answer:
        """Stop a query at once; one that has ended stays as it is."""
        return {"status": str((await self._queries.cancel(self._find(query_id))).status)}

    def _find(self, query_id: str) -> LogQuery:
        account_id, region, name = query_id.split("/") if query_id.count("/") == 2 else ("", "", "")
        query = self._queries.find(name, account_id, region)
        if query is None:
            raise OperatorError("there is no such query any more; results are kept for seven days")
        return query

    async def _group(self, account_id: str, region: str, name: str) -> LogGroup:
        group = await self._groups.group(account_id, region, name)
        if group is not None:
            return group
        others = await self._groups.groups(account_id, region, limit=MAX_NAMED_GROUPS)
        named = ", ".join(other.name for other in others) or "none"
        raise OperatorError(f"there is no log group {name} of {account_id} in {region}; log groups there: {named}")
