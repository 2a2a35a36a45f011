"""GetMetricData: metric queries and metric math over them (reference: cloudwatch-alarms, section 2)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from opentrail.aws.cloudwatch.errors import InvalidNextToken
from opentrail.aws.cloudwatch.metric_statistics import WRONG_PERIOD, chosen_range, is_period
from opentrail.aws.cloudwatch.paging import read_token, token
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.metric.expression import Expression, InvalidExpression, Series, Span, read_expression
from opentrail.metric.key import MetricKey, read_dimensions
from opentrail.metric.statistics import UnknownStatistic, read_statistic
from opentrail.query.metric_math import joined_units, series_of, work_out

MAX_QUERIES = 500
MAX_POINTS = 100_800
"""Queries of a call, and datapoints of an answer."""

MAX_EXPRESSIONS = 100
"""Expressions among a call's queries."""

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")

Query = Mapping[str, Any]


async def get_metric_data(ports: ApiPorts, call: Call) -> Outcome:
    """Answer metric queries; those that a page has no room for are on the next."""
    given = call.parameters
    queries: Sequence[Query] = given["MetricDataQueries"]
    expressions = check_queries(queries)
    start, end = int(given["StartTime"].timestamp()), int(given["EndTime"].timestamp())
    if start >= end:
        raise ValidationFailed("The parameter EndTime must be greater than StartTime.")
    limit = given.get("MaxDatapoints", MAX_POINTS)
    if not 1 <= limit <= MAX_POINTS:
        raise ValidationFailed(f"MaxDatapoints must be between 1 and {MAX_POINTS}.")
    periods = query_periods(queries, expressions)
    needed = sum(-(-(end - start) // period) for period in periods.values())
    if needed > MAX_POINTS:
        raise ValidationFailed(f"The request is for up to {needed} datapoints; at most {MAX_POINTS} can be asked for.")
    series, begins = await _metric_series(ports, call, queries, start, end)
    spans = {name: Span(begins, end, periods[name]) for name in expressions}
    try:
        made = work_out(queries, expressions, series, spans)
    except InvalidExpression as error:
        raise ValidationFailed(str(error)) from error
    found = [(query, each) for query in queries if query.get("ReturnData", True) for each in made[query["Id"]]]
    is_ascending = given.get("ScanBy") == "TimestampAscending"
    return _page(call, [_shown(*each, is_ascending=is_ascending) for each in found], limit)


def check_queries(queries: Sequence[Query]) -> Mapping[str, Expression]:
    """Check queries and return the expressions among them by id. Raises ValidationError."""
    if not queries or len(queries) > MAX_QUERIES:
        raise ValidationFailed(f"MetricDataQueries must have 1 to {MAX_QUERIES} queries.")
    if len({query["Id"] for query in queries}) != len(queries):
        raise ValidationFailed("The values for parameter Id in MetricDataQueries are not unique.")
    expressions: dict[str, Expression] = {}
    for query in queries:
        if not _ID.fullmatch(query["Id"]):
            raise ValidationFailed(f"The value {query['Id']} for parameter Id is not matching the expected pattern.")
        if ("MetricStat" in query) is ("Expression" in query):
            raise ValidationFailed("Each query must have one of MetricStat and Expression.")
        if query.get("AccountId"):
            raise ValidationFailed("AccountId is not supported by this installation.")
        if "Expression" in query:
            expressions[query["Id"]] = _expression(query)
        else:
            _check_metric_stat(query["MetricStat"])
    if len(expressions) > MAX_EXPRESSIONS:
        raise ValidationFailed(f"MetricDataQueries can have at most {MAX_EXPRESSIONS} expressions.")
    for name, expression in expressions.items():
        _check_names(name, expression, expressions, {query["Id"] for query in queries})
    return expressions


def _expression(query: Query) -> Expression:
    try:
        return read_expression(query["Expression"])
    except InvalidExpression as error:
        raise ValidationFailed(f"Error in expression '{query['Id']}': {error}") from error


def _check_metric_stat(stat: Mapping[str, Any]) -> None:
    metric = stat["Metric"]
    if not metric.get("Namespace") or not metric.get("MetricName"):
        raise ValidationFailed("A metric needs a Namespace and a MetricName.")
    try:
        read_statistic(stat["Stat"])
    except UnknownStatistic as error:
        raise ValidationFailed(f"The value {error} for parameter Stat is not supported.") from error
    if not is_period(stat["Period"]):
        raise ValidationFailed(WRONG_PERIOD)


def _check_names(name: str, expression: Expression, expressions: Mapping[str, Expression], known: set[str]) -> None:
    """Raise ValidationError for an id that is none, and for expressions that go round."""
    seen, waiting = {name}, [expression]
    while waiting:
        for each in waiting.pop().names():
            if each not in known:
                raise ValidationFailed(f"Error in expression '{name}': {each} is the id of no query")
            if each == name:
                raise ValidationFailed(f"Error in expression '{name}': it depends on itself")
            if each in expressions and each not in seen:
                seen.add(each)
                waiting.append(expressions[each])


def query_periods(queries: Sequence[Query], expressions: Mapping[str, Expression]) -> Mapping[str, int]:
    """Return the period of each query: an expression has the shortest of what it is made of."""
    periods = {query["Id"]: int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query}
    shortest = min(periods.values(), default=0)
    own = {query["Id"]: query.get("Period") for query in queries}

    def of(name: str) -> int:
        if name in periods:
            return periods[name]
        expression = expressions[name]
        parts = [shortest] if expression.names_all and shortest else []
        parts += [of(each) for each in expression.names()]
        period = min(parts, default=own[name] or 0)
        if not period:
            raise ValidationFailed(f"Error in expression '{name}': it needs a Period")
        return period

    return {query["Id"]: of(query["Id"]) for query in queries}


async def _metric_series(
    ports: ApiPorts, call: Call, queries: Sequence[Query], start: int, end: int
) -> tuple[dict[str, Series], int]:
    """Return the series of the queries that name a metric, by id, and where the first of them begins."""
    series: dict[str, Series] = {}
    begins = end
    now = int(call.received_at.timestamp())
    for query in queries:
        if "MetricStat" not in query:
            continue
        stat = query["MetricStat"]
        wanted = chosen_range(_key(call, stat["Metric"]), start, end, stat["Period"], now, stat.get("Unit"))
        begins = min(begins, wanted.start)
        series[query["Id"]] = series_of(joined_units(await ports.metrics.read(wanted)), read_statistic(stat["Stat"]))
    return series, begins if begins < end else start // 60 * 60


def _key(call: Call, metric: Mapping[str, Any]) -> MetricKey:
    dimensions = read_dimensions(metric.get("Dimensions", ()))
    return MetricKey(call.account_id, call.region, metric["Namespace"], metric["MetricName"], dimensions)


def _shown(query: Query, series: Series, *, is_ascending: bool) -> dict[str, Any]:
    times = sorted(series, reverse=not is_ascending)
    label = query.get("Label") or (query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else None)
    return {
        "Id": query["Id"],
        "Label": label or query["Id"],
        "Timestamps": [datetime.fromtimestamp(time, UTC) for time in times],
        "Values": [series[time] for time in times],
        "StatusCode": "Complete",
    }


def _page(call: Call, results: Sequence[dict[str, Any]], limit: int) -> Outcome:
    """Return as many datapoints as a page may have; a result that goes on is PartialData."""
    place = read_token(call, InvalidNextToken()) or [0, 0]
    if not (isinstance(place, list) and len(place) == 2 and all(isinstance(each, int) and each >= 0 for each in place)):
        raise InvalidNextToken
    number, skipped = place
    shown: list[dict[str, Any]] = []
    room = limit
    while number < len(results):
        result = results[number]
        values = result["Values"][skipped:]
        taken = min(room, len(values))
        part = {name: result[name][skipped : skipped + taken] for name in ("Timestamps", "Values")}
        is_whole = taken == len(values)
        shown.append(result | part | {"StatusCode": "Complete" if is_whole else "PartialData"})
        room -= taken
        if not is_whole:
            return Outcome({"MetricDataResults": shown, "NextToken": token(call, [number, skipped + taken])})
        number, skipped = number + 1, 0
    return Outcome({"MetricDataResults": shown})
