"""The operator's SQL: over every event data store of the installation, by id, ARN or name, and over Event history."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import Any

from opentrail.errors import OperatorError
from opentrail.lakesql.errors import InvalidStatement, Place
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.lakesql.types import SqlType
from opentrail.ports.event_data_stores import EventDataStores
from opentrail.ports.lake_keys import StoreKeyRefused
from opentrail.query.lake_queries import (
    CONCURRENT_QUERIES,
    EVENT_HISTORY,
    HistorySource,
    LakeQueries,
    Source,
    reference_places,
)
from opentrail.query.running_queries import TooManyQueries
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind
from opentrail.resource.lake_query import LakeQuery

MAX_PAGES = 2000
"""Places of result pages in one answer."""

Answer = dict[str, Any]

_UNRESOLVED = re.compile(r"Column '(?P<name>[^']+)' cannot be resolved")


class QueryCommands:
    """Commands over the lake's queries. Every method raises OperatorError with a sentence that says what to do."""

    def __init__(self, queries: LakeQueries, stores: EventDataStores, *, account_id: str, region: str) -> None:
        self._queries = queries
        self._stores = stores
        self._account_id = account_id
        self._region = region

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (
                self.start_query,
                self.describe_query,
                self.query_pages,
                self.cancel_query,
                self.query_tables,
            )
        }

    async def start_query(self, statement: str) -> Answer:
        """Start a query; return its id, or as ``refused`` why the statement is refused and where (line, column)."""
        try:
            query = await self._queries.start(self._account_id, self._region, statement, await self._sources(statement))
        except InvalidStatement as error:
            return {"refused": _refusal(error)}
        except StoreKeyRefused as error:
            raise OperatorError(str(error)) from error
        except TooManyQueries as error:
            raise OperatorError(
                f"{CONCURRENT_QUERIES} queries are running or waiting already: wait for one of them to end"
            ) from error
        return {"id": query.id}

    async def describe_query(self, query_id: str) -> Answer:
        """Return how a query stands."""
        query = self._find(query_id)
        return {
            "status": str(query.status),
            "columns": [list(column) for column in query.columns],
            "rows": query.rows,
            "pages": len(query.pages),
            "progress": self._queries.progress(query),
            "events_scanned": query.events_scanned,
            "events_matched": query.events_matched,
            "bytes_scanned": query.bytes_scanned,
            "run_time_ms": query.run_time_ms,
            "error": query.error_message,
        }

    async def query_pages(self, query_id: str, first: int = 0) -> Answer:
        """Return where pages of a result lie in its file (start, length, rows), from the ``first`` on, and the key that
        opens them (base64; empty where they are kept without one)."""
        query = self._find(query_id)
        try:
            key = await self._queries.result_key(query)
        except StoreKeyRefused as error:
            raise OperatorError(str(error)) from error
        pages = [list(page) for page in query.pages[first : first + MAX_PAGES]]
        return {"pages": pages, "key": base64.b64encode(key).decode()}

    async def cancel_query(self, query_id: str) -> Answer:
        """Stop a query at once; one that has ended stays as it is."""
        return {"status": str((await self._queries.cancel(self._find(query_id))).status)}

    async def query_tables(self) -> Answer:
        """Return what can be queried, and each kind's columns with their types, the members of rows dotted."""
        stores = await self._active()
        tables = [
            {"name": EVENT_HISTORY, "arn": "", "kind": EventDataStoreKind.CLOUDTRAIL.name},
            *({"name": store.name, "arn": store.arn, "kind": store.kind.name} for store in stores),
        ]
        kinds = {EventDataStoreKind.CLOUDTRAIL, *(store.kind for store in stores)}
        return {"tables": tables, "columns": {kind.name: _column_types(kind) for kind in kinds}}

    def _find(self, query_id: str) -> LakeQuery:
        query = self._queries.find(query_id, self._account_id, self._region)
        if query is None:
            raise OperatorError("there is no such query any more; results are kept for seven days")
        return query

    async def _active(self) -> list[EventDataStore]:
        return [store for store in await self._stores.event_data_stores() if not store.is_pending_deletion]

    async def _sources(self, statement: str) -> dict[str, Source]:
        stores = await self._active()
        places = await asyncio.to_thread(reference_places, statement)
        return {name: self._source(name, place, stores) for name, place in places.items()}

    def _source(self, name: str, place: Place | None, stores: Sequence[EventDataStore]) -> Source:
        wanted = name.lower()
        if wanted == EVENT_HISTORY:
            return HistorySource(self._account_id)
        found = [store for store in stores if wanted in (store.arn.lower(), store.id, store.name.lower())]
        if len(found) == 1:
            return found[0]
        if found:
            arns = " or ".join(store.id for store in found)
            raise InvalidStatement(f"Table '{name}' is the name of several event data stores: say {arns}", place)
        raise InvalidStatement(_unknown_table(name, [EVENT_HISTORY, *(store.name for store in stores)]), place)


def _unknown_table(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.lower(), known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:20])}"
    return f"Table '{name}' does not exist; {hint}"


def _refusal(error: InvalidStatement) -> Answer:
    place = error.place
    return {
        "message": error.reason + _suggestion(error.reason),
        "line": place.line if place else 0,
        "column": place.column if place else 0,
    }


def _suggestion(reason: str) -> str:
    """Return what a column that is not there may have been meant for, of any kind of event data store."""
    unresolved = _UNRESOLVED.search(reason)
    if unresolved is None:
        return ""
    known = {name.lower(): name for kind in EventDataStoreKind for name in _column_types(kind)}
    near = get_close_matches(unresolved["name"].lower(), list(known), 1, 0.75)
    return f"; did you mean {known[near[0]]}?" if near else ""


def _column_types(kind: EventDataStoreKind) -> dict[str, str]:
    return dict(pair for name, of in schema_of_kind(kind).columns for pair in _typed_paths(name, of))


def _typed_paths(name: str, kind: SqlType) -> list[tuple[str, str]]:
    if not kind.is_row:
        return [(name, str(kind))]
    return [(name, "row"), *(pair for member, of in kind.fields for pair in _typed_paths(f"{name}.{member}", of))]
