"""Logs Insights: StartQuery, GetQueryResults, StopQuery, DescribeQueries, ListLogGroupsForQuery.

An account sees its own queries, those of the called Region.
"""

from collections.abc import Sequence

from opentrail.aws.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    MalformedQueryException,
    ResourceNotFoundException,
)
from opentrail.aws.logs.naming import identified_group
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.logsql.errors import MalformedQuery
from opentrail.protocol import Parameters
from opentrail.query.log_queries import DEFAULT_ROWS, MAX_GROUPS, LogQuestion
from opentrail.query.running_queries import TooManyQueries
from opentrail.resource.log_group import LogGroup, milliseconds
from opentrail.resource.log_query import LogQuery
from opentrail.resource.query import QueryStatus

MAX_PAGE_ROWS = 10_000
MAX_QUERIES = 1_000
"""Rows, and queries, of one page."""

QUERY_LANGUAGE = "CWLI"

STATUSES = {
    QueryStatus.QUEUED: "Scheduled",
    QueryStatus.RUNNING: "Running",
    QueryStatus.FINISHED: "Complete",
    QueryStatus.FAILED: "Failed",
    QueryStatus.CANCELLED: "Cancelled",
    QueryStatus.TIMED_OUT: "Timeout",
}
"""Where a query is, as the service model spells it."""

_GROUP_MEMBERS = ("logGroupName", "logGroupNames", "logGroupIdentifiers")
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


async def start_query(ports: ApiPorts, call: Call) -> Outcome:
    """Check a query, queue it, and answer its id."""
    parameters = call.parameters
    check_language(parameters)
    groups = await _groups(ports, call)
    start, end = (min(parameters[name], _LAST_SECOND) for name in ("startTime", "endTime"))
    if end < start:
        raise InvalidParameterException("endTime must not be before startTime.")
    question = LogQuestion(
        call.account_id,
        call.region,
        parameters["queryString"],
        groups,
        start,
        end,
        parameters.get("limit", DEFAULT_ROWS),
        call.caller.arn,
    )
    try:
        query = await ports.log_queries.start(question)
    except MalformedQuery as error:
        raise MalformedQueryException.of(error) from error
    except TooManyQueries:
        raise LimitExceededException from None
    return Outcome({"queryId": query.id})


def check_language(parameters: Parameters) -> None:
    """Raise InvalidParameter for a query in another language than Logs Insights QL."""
    language = parameters.get("queryLanguage", QUERY_LANGUAGE)
    if language != QUERY_LANGUAGE:
        raise InvalidParameterException.not_supported(f"queries in {language}")


async def _groups(ports: ApiPorts, call: Call) -> Sequence[LogGroup]:
    given = [name for name in _GROUP_MEMBERS if call.parameters.get(name)]
    if len(given) != 1:
        raise InvalidParameterException(f"Exactly one of {', '.join(_GROUP_MEMBERS)} must be given.")
    value = call.parameters[given[0]]
    names: list[str] = [value] if isinstance(value, str) else value
    if len(names) > MAX_GROUPS:
        raise InvalidParameterException(f"A query can have no more than {MAX_GROUPS} log groups.")
    found: dict[str, LogGroup] = {}
    for name in names:
        group = await identified_group(ports, call, name)
        if group is None:
            raise ResourceNotFoundException.queried_group(name, call.account_id)
        found[group.group_id] = group
    return list(found.values())


async def get_query_results(ports: ApiPorts, call: Call) -> Outcome:
    """Show one page of a query's result; what there is of it while the query still runs."""
    query, parameters = _find(ports, call), call.parameters
    wanted = parameters.get("maxItems") or MAX_PAGE_ROWS
    first = int(read_token(call, parameters["nextToken"], query.id)[0]) if parameters.get("nextToken") else 0
    rows = await ports.log_queries.rows(query, first, wanted)
    labels = [label for label, _ in query.columns]
    output: Parameters = {
        "queryLanguage": QUERY_LANGUAGE,
        "results": [_shown_row(labels, row) for row in rows],
        "statistics": {
            "recordsMatched": float(query.records_matched),
            "recordsScanned": float(query.records_scanned),
            "estimatedRecordsSkipped": 0.0,
            "bytesScanned": float(query.bytes_scanned),
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": float(len(query.log_groups)),
            "resultCount": float(query.rows),
        },
        "status": STATUSES[query.status],
    }
    if query.status.is_final and first + len(rows) < query.rows:
        output["nextToken"] = token(call, [first + len(rows)], query.id)
    return Outcome(output)


def _shown_row(labels: Sequence[str], row: Sequence[str | None]) -> list[Parameters]:
    """Return a row without the fields that the event does not have."""
    return [{"field": label, "value": value} for label, value in zip(labels, row, strict=True) if value is not None]


async def stop_query(ports: ApiPorts, call: Call) -> Outcome:
    """Stop a query at once. One that has ended cannot be stopped."""
    query = _find(ports, call)
    if query.status.is_final:
        raise InvalidParameterException(f"Query with ID {query.id} is not running: it is {STATUSES[query.status]}.")
    await ports.log_queries.cancel(query)
    return Outcome({"success": True})


async def list_log_groups_for_query(ports: ApiPorts, call: Call) -> Outcome:
    """Show the groups that a query asks, by name; there are never more than one page holds."""
    return Outcome({"logGroupIdentifiers": list(_find(ports, call).log_groups)})


async def describe_queries(ports: ApiPorts, call: Call) -> Outcome:
    """Show the queries of seven days, newest first: all, those of a group, or those of a status."""
    parameters = call.parameters
    group, status = parameters.get("logGroupName", ""), parameters.get("status", "")
    found = [
        query
        for query in ports.log_queries.of(call.account_id, call.region)
        if (not group or group in query.log_groups) and status in ("", STATUSES[query.status])
    ]
    if parameters.get("queryLanguage", QUERY_LANGUAGE) != QUERY_LANGUAGE:
        found = []
    if parameters.get("nextToken"):
        created, last_id = read_token(call, parameters["nextToken"])
        found = [query for query in found if (milliseconds(query.created_at), query.id) < (created, last_id)]
    count = parameters.get("maxResults", MAX_QUERIES)
    output: Parameters = {"queries": [_described(query) for query in found[:count]]}
    if len(found) > count:
        output["nextToken"] = token(call, [milliseconds(found[count - 1].created_at), found[count - 1].id])
    return Outcome(output)


def _described(query: LogQuery) -> Parameters:
    shown: Parameters = {
        "queryLanguage": QUERY_LANGUAGE,
        "queryId": query.id,
        "queryString": _with_source(query),
        "status": STATUSES[query.status],
        "createTime": milliseconds(query.created_at),
        "logGroupName": query.log_groups[0],
        "bytesScanned": float(query.bytes_scanned),
    }
    if query.status is not QueryStatus.QUEUED:
        shown["queryDuration"] = query.run_time_ms
    if query.user:
        shown["userIdentity"] = query.user
    return shown


def _with_source(query: LogQuery) -> str:
    """Return a query's text with its groups and times (ms) before it, as CloudWatch Logs shows it."""
    groups = ",".join(f'"{name}"' for name in query.log_groups)
    return f"SOURCE {groups} START={query.start * 1000} END={query.end * 1000} | {query.text}"


def _find(ports: ApiPorts, call: Call) -> LogQuery:
    query_id: str = call.parameters["queryId"]
    query = ports.log_queries.find(query_id, call.account_id, call.region)
    if query is None:
        raise ResourceNotFoundException.query(query_id)
    return query
