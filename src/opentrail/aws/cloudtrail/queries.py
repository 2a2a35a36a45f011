"""StartQuery, DescribeQuery, GetQueryResults, ListQueries, CancelQuery (reference: api section 6).

An account sees its own queries, those of the called Region, also those on stores of other accounts whose resource
policy lets it in (``query_access``). The deprecated EventDataStore of three of the operations is checked where it is
given, and needed nowhere.
"""

import asyncio
import base64
from collections.abc import Sequence

import orjson

from opentrail.aws.cloudtrail.errors import (
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidParameterException,
)
from opentrail.aws.cloudtrail.event_data_store_views import is_store_reference
from opentrail.aws.cloudtrail.page_tokens import page_of
from opentrail.aws.cloudtrail.query_access import check_permission, reachable_store
from opentrail.aws.cloudtrail.query_errors import (
    InactiveQueryException,
    InvalidDateRangeException,
    InvalidQueryStatementException,
    InvalidQueryStatusException,
    MaxConcurrentQueriesException,
    QueryIdNotFoundException,
)
from opentrail.aws.cloudtrail.result_destinations import check_result_place
from opentrail.aws.cloudtrail.store_keys import check_reading
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.lakesql.errors import InvalidStatement, UnknownStore
from opentrail.lakesql.parameters import bind
from opentrail.protocol import Parameters
from opentrail.query.lake_queries import CONCURRENT_QUERIES, EVENT_HISTORY, references
from opentrail.query.running_queries import TooManyQueries
from opentrail.resource.event_data_store import EventDataStore
from opentrail.resource.lake_query import LakeQuery
from opentrail.resource.query import QueryStatus

MAX_RESULTS = 1000
"""Rows, and queries, of one page."""

NULL = "null"
"""How a result shows a value that is not there: the answer's members are strings."""


def check_page_size(parameters: Parameters) -> None:
    """Raise the error that GetQueryResults and ListQueries document for a page size out of range."""
    for member in ("MaxQueryResults", "MaxResults"):
        maximum = parameters.get(member, MAX_RESULTS)
        if isinstance(maximum, int) and not 1 <= maximum <= MAX_RESULTS:
            raise InvalidMaxResultsException(MAX_RESULTS)


def check_list_queries(parameters: Parameters) -> None:
    """Raise the errors that ListQueries documents for a page size or a status that it does not know."""
    check_page_size(parameters)
    status = parameters.get("QueryStatus")
    if status is not None and status not in list(QueryStatus):
        raise InvalidQueryStatusException(str(status))


async def start_query(ports: ApiPorts, call: Call) -> Outcome:
    """Check a statement, queue it, and answer its id."""
    statement = _statement(call)
    stores = await _stores_of(ports, call, statement)
    await check_reading(ports, call, stores.values())
    delivery_uri: str = call.parameters.get("DeliveryS3Uri", "")

    async def check_place() -> None:
        if delivery_uri:
            await check_result_place(ports, call, delivery_uri, next(iter(stores.values())).arn)

    try:
        query = await ports.queries.start(
            call.account_id, call.region, statement, stores, delivery_s3_uri=delivery_uri, check_place=check_place
        )
    except UnknownStore as error:
        raise InvalidQueryStatementException(str(error)) from error
    except InvalidStatement as error:
        raise InvalidQueryStatementException(str(error)) from error
    except TooManyQueries as error:
        raise MaxConcurrentQueriesException(CONCURRENT_QUERIES) from error
    return Outcome({"QueryId": query.id} | _owner(call))


async def describe_query(ports: ApiPorts, call: Call) -> Outcome:
    """Show how a query stands and what it took."""
    if "QueryId" not in call.parameters:
        await check_permission(ports, call, "*")
        if "QueryAlias" in call.parameters:
            raise QueryIdNotFoundException(call.parameters["QueryAlias"])
        raise InvalidParameterException("You must specify a QueryId.")
    query = await _find(ports, call)
    output: Parameters = {
        "QueryId": query.id,
        "QueryString": query.statement,
        "QueryStatus": str(query.status),
        "QueryStatistics": {
            "EventsMatched": query.events_matched,
            "EventsScanned": query.events_scanned,
            "BytesScanned": query.bytes_scanned,
            "ExecutionTimeInMillis": query.run_time_ms,
            "CreationTime": query.created_at,
        },
    }
    if query.error_message:
        output["ErrorMessage"] = query.error_message
    if query.delivery_s3_uri:
        output |= {"DeliveryS3Uri": query.delivery_s3_uri, "DeliveryStatus": query.delivery_status}
    return Outcome(output | _owner(call))


async def get_query_results(ports: ApiPorts, call: Call) -> Outcome:
    """Show one page of a query's result; what there is of it while the query still runs."""
    query = await _find(ports, call)
    encrypted = [await ports.event_data_stores.event_data_store(arn) for arn in query.encrypted_stores]
    await check_reading(ports, call, (store for store in encrypted if store is not None))
    first = _first_row(call, query)
    rows = await ports.queries.rows(query, first, call.parameters.get("MaxQueryResults", MAX_RESULTS))
    labels = [label for label, _ in query.columns]
    output: Parameters = {
        "QueryStatus": str(query.status),
        "QueryStatistics": {
            "ResultsCount": len(rows),
            "TotalResultsCount": query.rows,
            "BytesScanned": query.bytes_scanned,
        },
        "QueryResultRows": [_shown_row(labels, row) for row in rows],
    }
    if query.error_message:
        output["ErrorMessage"] = query.error_message
    if query.status.is_final and first + len(rows) < query.rows:
        output["NextToken"] = _token(query, first + len(rows))
    return Outcome(output)


async def list_queries(ports: ApiPorts, call: Call) -> Outcome:
    """List the queries of seven days on one event data store, newest first."""
    parameters = call.parameters
    store = await reachable_store(ports, call, parameters["EventDataStore"])
    start, end = parameters.get("StartTime"), parameters.get("EndTime")
    if start is not None and end is not None and start > end:
        raise InvalidDateRangeException
    status = parameters.get("QueryStatus")
    found = [
        query
        for query in ports.queries.of_store(store.arn, call.account_id, call.region)
        if (start is None or query.created_at >= start)
        and (end is None or query.created_at <= end)
        and status in (None, str(query.status))
    ]
    return Outcome(_page_of_queries(call, found))


async def cancel_query(ports: ApiPorts, call: Call) -> Outcome:
    """Stop a query that is queued or running."""
    query = await _find(ports, call)
    if query.status.is_final:
        raise InactiveQueryException(query.id, query.status)
    cancelled = await ports.queries.cancel(query)
    return Outcome({"QueryId": query.id, "QueryStatus": str(cancelled.status)} | _owner(call))


def _owner(call: Call) -> Parameters:
    """Return the member that names the event data stores' account, where the call named it."""
    member = "EventDataStoreOwnerAccountId"
    return {member: call.parameters[member]} if member in call.parameters else {}


def _statement(call: Call) -> str:
    """Return the statement to run, its parameters in place. No alias exists: dashboards and GenerateQuery make them."""
    parameters = call.parameters
    if "QueryAlias" in parameters:
        if "QueryStatement" in parameters:
            raise InvalidParameterException("You must specify either a QueryStatement or a QueryAlias, not both.")
        raise InvalidParameterException(f"The query alias {parameters['QueryAlias']} does not exist.")
    if "QueryStatement" not in parameters:
        raise InvalidParameterException("You must specify a QueryStatement.")
    statement: str = parameters["QueryStatement"]
    if "QueryParameters" not in parameters:
        return statement
    try:
        return bind(statement, parameters["QueryParameters"])
    except InvalidStatement as error:
        raise InvalidQueryStatementException(str(error)) from error


async def _stores_of(ports: ApiPorts, call: Call, statement: str) -> dict[str, EventDataStore]:
    """Return the event data stores that a statement names, by the names that it uses."""
    try:
        names = await asyncio.to_thread(references, statement)
    except InvalidStatement as error:
        raise InvalidQueryStatementException(str(error)) from error
    if not names:
        raise InvalidQueryStatementException.without_store()
    stores = {}
    for name in names:
        given = name if name.startswith("arn:") else name.lower()
        if not is_store_reference(given):
            raise InvalidQueryStatementException(str(UnknownStore(name)))
        stores[name] = await reachable_store(ports, call, given)
    return stores


async def _find(ports: ApiPorts, call: Call) -> LakeQuery:
    """Return the query that the call names, if the caller may do the call's operation on each event data store of it;
    these must be there and active. The operator's queries of Event history are not among the API's."""
    query_id = call.parameters["QueryId"]
    query = ports.queries.find(query_id, call.account_id, call.region)
    given = call.parameters.get("EventDataStore")
    if given is not None:
        store = await reachable_store(ports, call, given)
        if query is not None and store.arn not in query.event_data_stores:
            query = None
    if query is None or EVENT_HISTORY in query.event_data_stores:
        await check_permission(ports, call, "*")
        raise QueryIdNotFoundException(query_id)
    for arn in query.event_data_stores:
        await check_permission(ports, call, arn)
        await reachable_store(ports, call, arn)
    return query


def _shown_row(labels: Sequence[str], row: Sequence[str | None]) -> list[dict[str, str]]:
    return [{label: NULL if value is None else value} for label, value in zip(labels, row, strict=True)]


def _token(query: LakeQuery, first: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([query.id, first])).decode()


def _first_row(call: Call, query: LakeQuery) -> int:
    token: str = call.parameters.get("NextToken", "")
    if not token:
        return 0
    try:
        query_id, first = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise InvalidNextTokenException from None
    if query_id != query.id or not isinstance(first, int) or not 0 <= first <= query.rows:
        raise InvalidNextTokenException
    return first


def _page_of_queries(call: Call, found: Sequence[LakeQuery]) -> Parameters:
    page, token = page_of(call, sorted(found, key=_newest_query_first), _newest_query_first)
    listed = [
        {"QueryId": query.id, "QueryStatus": str(query.status), "CreationTime": query.created_at} for query in page
    ]
    return {"Queries": listed, **token}


def _newest_query_first(query: LakeQuery) -> str:
    return f"{_LAST_MICROSECOND - int(query.created_at.timestamp() * 1_000_000):020d} {query.id}"


_LAST_MICROSECOND = 10**18
