"""Logs Insights joined with its engine: for the server, and for a command on a home that no server holds."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentrail.adapters.query_engine.duckdb import DuckDbEngine
from opentrail.adapters.query_log.local import LocalQueryLog
from opentrail.admin.log_querying import LogQueryCommands
from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.ports.log_keys import LogDataKeys
from opentrail.query.log_queries import LogQueries
from opentrail.query.log_result_keys import LogResultKeys
from opentrail.query.sealed_pages import open_page
from opentrail.resource.log_query import LogQuery
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation, open_installation
from opentrail.wiring.querying import Commands


def log_queries(installation: Installation) -> LogQueries:
    """Return the installation's queries over log groups."""
    folder = installation.home.log_queries
    return LogQueries(
        LocalQueryLog(folder, LogQuery.from_json),
        DuckDbEngine(folder),
        installation.log_groups,
        installation.log_store,
        installation.clock,
        installation.identifiers,
        LogResultKeys(installation.log_groups, LogDataKeys(installation.key_ring)),
    )


def log_query_commands(installation: Installation, queries: LogQueries) -> LogQueryCommands:
    """Return the operator's commands over the queries."""
    settings = installation.settings
    return LogQueryCommands(queries, installation.log_groups, account_id=settings.account_id, region=settings.region)


@asynccontextmanager
async def open_log_query_commands(home: Home, settings: Settings) -> AsyncIterator[Commands]:
    """Open a home that no server holds for queries, and hold it meanwhile. Raises OperatorError, HomeInUse."""
    if not home.path.is_dir():
        raise OperatorError(f"there is no home at {home.path}: `opentrail --home {home.path} serve` makes one")
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation:
            queries = log_queries(installation)
            await queries.open()
            try:
                yield log_query_commands(installation, queries).commands()
            finally:
                await queries.close()


def read_log_result_page(home: Home, query_id: str, start: int, length: int, key: str = "") -> bytes:
    """Return a page of a result from the home, also beside the server that holds it; blocks. ``key`` is the result's
    data key (base64), empty where it has none."""
    with (home.log_queries / query_id / "rows").open("rb") as file:
        file.seek(start)
        return open_page(base64.b64decode(key), query_id, start, file.read(length))
