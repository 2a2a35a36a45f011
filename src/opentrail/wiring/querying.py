"""The lake's queries joined with their engine: for the server, and for a command on a home that no server holds."""

from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opentrail.adapters.event_history.segment import join_block
from opentrail.adapters.lake_table.history import HistoryFiles
from opentrail.adapters.query_engine.duckdb import DuckDbEngine
from opentrail.adapters.query_log.local import LocalQueryLog
from opentrail.admin.queries import QueryCommands
from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.ports.object_store import ObjectStores
from opentrail.query.lake_queries import LakeQueries
from opentrail.query.result_delivery import ResultDelivery
from opentrail.query.sealed_pages import open_page
from opentrail.query.store_result_keys import StoreResultKeys
from opentrail.resource.lake_query import LakeQuery
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation, open_installation

SPARE_SECONDS = 60.0
"""How long after a query the server keeps a process, of some 80 MB, ready for the next one."""

HISTORY_WORKER = "opentrail.wiring.history_worker"

Commands = dict[str, Callable[..., Awaitable[dict[str, Any]]]]


def lake_queries(
    installation: Installation, lake: LakeDelivery, stores: ObjectStores | None, spare_seconds: float = SPARE_SECONDS
) -> LakeQueries:
    """Return the installation's queries; without ``stores`` no result is delivered."""
    folder = installation.home.queries

    return LakeQueries(
        LocalQueryLog(folder, LakeQuery.from_json),
        installation.lake_tables.engine(DuckDbEngine(folder, spare_seconds=spare_seconds)),
        lake,
        installation.clock,
        installation.identifiers,
        history=HistoryFiles(installation.history.open_segments, join_block, HISTORY_WORKER, folder),
        delivery=ResultDelivery(stores, installation.signer) if stores is not None else None,
        results=StoreResultKeys(installation.store_keys, installation.event_data_stores),
    )


def query_commands(installation: Installation, queries: LakeQueries) -> QueryCommands:
    """Return the operator's commands over the queries."""
    settings = installation.settings
    return QueryCommands(
        queries, installation.event_data_stores, account_id=settings.account_id, region=settings.region
    )


@asynccontextmanager
async def open_query_commands(home: Home, settings: Settings, spare_seconds: float = 0.0) -> AsyncIterator[Commands]:
    """Open a home that no server holds for queries, and hold it meanwhile. Raises OperatorError, HomeInUse.

    Without ``spare_seconds`` no process is kept ready for a next query: most commands have one.
    """
    if not home.path.is_dir():
        raise OperatorError(f"there is no home at {home.path}: `opentrail --home {home.path} serve` makes one")
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation:
            await installation.feeder.catch_up()
            tables = installation.lake_tables
            lake = installation.open_lake()
            queries = lake_queries(installation, lake, None, spare_seconds)
            await queries.open()
            try:
                yield query_commands(installation, queries).commands()
            finally:
                await queries.close()
                await tables.close()


def read_result_page(home: Home, query_id: str, start: int, length: int, key: str = "") -> bytes:
    """Return a page of a result from the home, opened with its key (base64) where it has one, also beside the server
    that holds it; blocks. Raises Unavailable for one that was altered."""
    with (home.queries / query_id / "rows").open("rb") as file:
        file.seek(start)
        return open_page(b64decode(key), query_id, start, file.read(length))


def write_parquet(path: Path, columns: Sequence[tuple[str, str]], pages: Iterator[list[list[str | None]]]) -> int:
    """Write a result as a Parquet file, whole or not at all; return how many rows it has; blocks."""
    # Imported here because it brings Arrow, which a server without an event data store shall not load.
    from opentrail.adapters.query_engine.result_table import ResultTable

    return ResultTable(columns).write(path, pages)
