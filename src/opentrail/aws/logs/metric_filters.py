"""Metric filters: set, describe, delete. ``pipeline.metric_filters`` publishes what they count."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opentrail.aws.logs.errors import (
    InvalidOperationException,
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from opentrail.aws.logs.naming import find_group
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.logs.patterns import has_expression, read_pattern
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.filter_pattern import FilterPattern
from opentrail.protocol import Parameters
from opentrail.resource.log_group import (
    METRIC_FILTER,
    STANDARD,
    SUBSCRIPTION_FILTER,
    LogFilter,
    LogGroup,
    milliseconds,
)

FILTERS_PER_GROUP = 100
EXPRESSIONS_PER_GROUP = 5
"""Filters of a group whose patterns have a regular expression, metric and subscription filters together."""

MAX_DIMENSIONS = 3

_PAGE = 50
_FILTERS_AT_A_TIME = 1_000
_SYSTEM_FIELDS = ("@aws.account", "@aws.region")
_SELECTOR = re.compile(r"\$\.?[^\s*]+")


async def put_metric_filter(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a metric filter of a group, in place of the one of its name."""
    parameters = call.parameters
    pattern = read_pattern(parameters["filterPattern"])
    [transformation] = parameters["metricTransformations"]
    _check_transformation(transformation, pattern, parameters.get("emitSystemFieldDimensions", ()))
    if parameters.get("applyOnTransformedLogs") or parameters.get("fieldSelectionCriteria"):
        raise InvalidParameterException.not_supported("filters on transformed logs or selected fields")
    group = await find_group(ports, call)
    if group.group_class != STANDARD:
        raise InvalidOperationException.group_class(group.group_class)
    members = ("filterPattern", "metricTransformations", "emitSystemFieldDimensions")
    settings = {name: parameters[name] for name in members if name in parameters}
    return await planned_filter(ports, call, group, METRIC_FILTER, settings, FILTERS_PER_GROUP)


async def planned_filter(
    ports: ApiPorts, call: Call, group: LogGroup, kind: str, settings: Mapping[str, Any], quota: int
) -> Outcome:
    """Return the outcome that sets a filter, once the group's quotas allow it. Raises LimitExceeded."""
    name: str = call.parameters["filterName"]
    metric, subscription = [
        await ports.log_groups.filters(group.group_id, each) for each in (METRIC_FILTER, SUBSCRIPTION_FILTER)
    ]
    others = [one for one in (*metric, *subscription) if (one.kind, one.name) != (kind, name)]
    if sum(one.kind == kind for one in others) >= quota:
        raise LimitExceededException
    if has_expression(settings["filterPattern"]):
        expressions = sum(has_expression(one.settings["filterPattern"]) for one in others)
        if expressions >= EXPRESSIONS_PER_GROUP:
            raise LimitExceededException
    log_filter = LogFilter(kind, name, call.received_at, settings)

    async def keep() -> None:
        await ports.log_groups.put_filter(group.group_id, log_filter)

    return Outcome(after=keep)


def _check_transformation(
    transformation: Mapping[str, Any], pattern: FilterPattern, system_fields: Sequence[str]
) -> None:
    _check_value(transformation["metricValue"])
    dimensions = transformation.get("dimensions", {})
    if any(field not in _SYSTEM_FIELDS for field in system_fields):
        raise InvalidParameterException(f"emitSystemFieldDimensions may have: {', '.join(_SYSTEM_FIELDS)}")
    if len(dimensions) + len(system_fields) > MAX_DIMENSIONS:
        raise InvalidParameterException(f"A metric filter can have at most {MAX_DIMENSIONS} dimensions.")
    if not dimensions:
        return
    if "defaultValue" in transformation:
        raise InvalidParameterException(
            "Invalid metric transformation: dimensions and default value are mutually exclusive properties."
        )
    if pattern.view == "text":
        raise InvalidParameterException(
            "Invalid metric transformation: dimensions are available for JSON and space-delimited filter patterns only."
        )
    for value in dimensions.values():
        if not _SELECTOR.fullmatch(value):
            raise InvalidParameterException(f"Invalid metric transformation: dimension value {value} must be valid")


def _check_value(value: str) -> None:
    """Raise InvalidParameter unless a metric value is a number, ``$.path`` without a wildcard, or ``$field``."""
    is_valid = _SELECTOR.fullmatch(value) is not None
    if not is_valid:
        try:
            float(value)
        except ValueError:
            pass
        else:
            is_valid = value.strip() == value and value[-1:].isdigit()
    if not is_valid:
        raise InvalidParameterException(f"Invalid metric transformation: metric value {value} must be a valid number")


async def describe_metric_filters(ports: ApiPorts, call: Call) -> Outcome:
    """Show the metric filters of a group, of the account in the Region, or those that feed one metric, by name."""
    parameters = call.parameters
    name, namespace = parameters.get("metricName"), parameters.get("metricNamespace")
    if (name is None) != (namespace is None):
        raise InvalidParameterException("metricName and metricNamespace must be given together.")
    given, limit = parameters.get("nextToken"), parameters.get("limit", _PAGE)
    after = tuple(read_token(call, given)) if given else ("", "")
    if parameters.get("logGroupName"):
        group = await find_group(ports, call)
        found = [(group.name, one) for one in await ports.log_groups.filters(group.group_id, METRIC_FILTER)]
        found = [one for one in found if one[1].name.startswith(parameters.get("filterNamePrefix", ""))]
    else:
        found = await _of_account(ports, call, parameters.get("filterNamePrefix", ""))
    if name is not None:
        found = [one for one in found if _feeds(one[1], name, namespace)]
    found = [one for one in found if (one[1].name, one[0]) > after]
    output: Parameters = {"metricFilters": [_described_metric_filter(*one) for one in found[:limit]]}
    if len(found) > limit:
        group_name, last = found[limit - 1]
        output["nextToken"] = token(call, [last.name, group_name])
    return Outcome(output)


async def _of_account(ports: ApiPorts, call: Call, prefix: str) -> list[tuple[str, LogFilter]]:
    found: list[tuple[str, LogFilter]] = []
    after = ("", "")
    while True:
        more = await ports.log_groups.account_filters(
            call.account_id, call.region, METRIC_FILTER, after, _FILTERS_AT_A_TIME
        )
        found += [one for one in more if one[1].name.startswith(prefix)]
        if len(more) < _FILTERS_AT_A_TIME:
            return found
        after = (more[-1][1].name, more[-1][0])


def _feeds(log_filter: LogFilter, name: str, namespace: str | None) -> bool:
    return any(
        (one["metricName"], one["metricNamespace"]) == (name, namespace)
        for one in log_filter.settings["metricTransformations"]
    )


def _described_metric_filter(group_name: str, log_filter: LogFilter) -> Parameters:
    return {
        "filterName": log_filter.name,
        **log_filter.settings,
        "creationTime": milliseconds(log_filter.created_at),
        "logGroupName": group_name,
        "applyOnTransformedLogs": False,
    }


async def delete_metric_filter(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a metric filter. On record before it takes effect."""
    group = await find_group(ports, call)
    deletion = await planned_deletion(ports, call, group, METRIC_FILTER)
    if deletion is None:
        raise ResourceNotFoundException.metric_filter()
    return deletion


async def planned_deletion(ports: ApiPorts, call: Call, group: LogGroup, kind: str) -> Outcome | None:
    """Return the outcome that deletes a filter, None when it is not there."""
    name: str = call.parameters["filterName"]
    if all(one.name != name for one in await ports.log_groups.filters(group.group_id, kind)):
        return None

    async def delete() -> None:
        await ports.log_groups.delete_filter(group.group_id, kind, name)

    return Outcome(after=delete)
