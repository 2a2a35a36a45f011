"""PutMetricData and ListMetrics (reference: cloudwatch-alarms, section 2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opentrail.aws.cloudwatch.errors import (
    InvalidParameterCombinationException,
    InvalidParameterValueException,
    MissingRequiredParameterException,
)
from opentrail.aws.cloudwatch.paging import read_token, token
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.metric.aggregate import MAX_VALUE, Aggregate, is_valid, of_statistics, of_values
from opentrail.metric.key import MetricKey, read_dimensions, wire_dimensions
from opentrail.ports.metric_store import LISTED_S, MINUTE_S, KnownMetric, Measurement
from opentrail.protocol import Parameters

MAX_DATA = 1_000
MAX_VALUES = 150
"""Data of one call, and values of one datum."""

MAX_AGE_S = 14 * 86_400
MAX_AHEAD_S = 2 * 3600
"""How old, and how far ahead, a datum's time may be."""

METRICS_PER_PAGE = 500

_RECENT_S = 3 * 3600
_NO_UNIT = "None"


async def put_metric_data(ports: ApiPorts, call: Call) -> Outcome:
    """Store metric data durably; all of them, or none when one is refused."""
    if call.parameters.get("EntityMetricData"):
        raise InvalidParameterValueException("EntityMetricData is not supported by this installation.")
    data: Sequence[Mapping[str, Any]] = call.parameters.get("MetricData", ())
    namespace: str = call.parameters["Namespace"]
    if namespace.startswith("AWS/"):
        raise InvalidParameterValueException("The value AWS/ for parameter Namespace is invalid.")
    if not data:
        raise MissingRequiredParameterException.parameter("MetricData")
    if len(data) > MAX_DATA:
        raise InvalidParameterValueException(f"The collection MetricData must not have a size greater than {MAX_DATA}.")
    measurements = [
        _measurement(call, namespace, datum, f"MetricData.member.{number}") for number, datum in enumerate(data, 1)
    ]

    async def store() -> None:
        await ports.metrics.put(measurements, int(call.received_at.timestamp()))

    return Outcome(before=store)


def _measurement(call: Call, namespace: str, datum: Mapping[str, Any], place: str) -> Measurement:
    resolution = datum.get("StorageResolution", MINUTE_S)
    if resolution not in (1, MINUTE_S):
        raise InvalidParameterValueException(
            f"The value {resolution} for parameter {place}.StorageResolution is invalid. It must be 1 or 60."
        )
    dimensions = read_dimensions(datum.get("Dimensions", ()))
    if len({name for name, _ in dimensions}) != len(dimensions):
        raise InvalidParameterValueException(f"The parameter {place}.Dimensions has a name twice.")
    key = MetricKey(call.account_id, call.region, namespace, datum["MetricName"], dimensions)
    time = _time(call, datum.get("Timestamp", call.received_at), place)
    return Measurement(key, time, datum.get("Unit", _NO_UNIT), _aggregate(datum, place), resolution)


def _time(call: Call, moment: datetime, place: str) -> int:
    ahead = (moment - call.received_at).total_seconds()
    if ahead < -MAX_AGE_S:
        raise InvalidParameterValueException(
            f"The parameter {place}.Timestamp must specify a time no more than two weeks in the past."
        )
    if ahead > MAX_AHEAD_S:
        raise InvalidParameterValueException(
            f"The parameter {place}.Timestamp must specify a time no more than two hours in the future."
        )
    return int(moment.timestamp())


def _aggregate(datum: Mapping[str, Any], place: str) -> Aggregate:
    given = [name for name in ("Value", "StatisticValues", "Values") if name in datum]
    if len(given) > 1:
        raise InvalidParameterCombinationException.exclusive(f"{place}.{given[0]}", f"{place}.{given[1]}")
    if not given:
        raise MissingRequiredParameterException.parameter(f"{place}.Value")
    if "Counts" in datum and given != ["Values"]:
        raise InvalidParameterCombinationException.exclusive(f"{place}.{given[0]}", f"{place}.Counts")
    if given == ["Value"]:
        return of_values({_number(datum["Value"], f"{place}.Value"): 1.0})
    return _of_values(datum, place) if given == ["Values"] else _of_statistics(datum["StatisticValues"], place)


def _of_values(datum: Mapping[str, Any], place: str) -> Aggregate:
    values, counts = datum["Values"], datum.get("Counts")
    if not values:
        raise MissingRequiredParameterException.parameter(f"{place}.Values")
    if counts is not None and len(counts) != len(values):
        raise InvalidParameterValueException(
            f"The parameters {place}.Values and {place}.Counts must be of the same size."
        )
    if len(values) > MAX_VALUES:
        raise InvalidParameterValueException(
            f"The collection {place}.Values must not have a size greater than {MAX_VALUES}."
        )
    spread: dict[float, float] = {}
    for number, value in enumerate(values):
        count = _number(counts[number], f"{place}.Counts") if counts is not None else 1.0
        if count <= 0:
            raise InvalidParameterValueException(f"The parameter {place}.Counts must be greater than 0.")
        value = _number(value, f"{place}.Values")
        spread[value] = spread.get(value, 0.0) + count
    return of_values(spread)


def _of_statistics(given: Mapping[str, float], place: str) -> Aggregate:
    place = f"{place}.StatisticValues"
    samples, total, least, most = [
        _number(given[name], f"{place}.{name}") for name in ("SampleCount", "Sum", "Minimum", "Maximum")
    ]
    if samples <= 0:
        raise InvalidParameterValueException(f"The parameter {place}.SampleCount must be greater than 0.")
    if least > most:
        raise InvalidParameterValueException(
            f"The parameter {place}.Maximum must be greater than or equal to {place}.Minimum."
        )
    return of_statistics(samples, total, least, most)


def _number(value: float, place: str) -> float:
    number = float(value)
    if not is_valid(number):
        raise InvalidParameterValueException(
            f"The value {number} for parameter {place} is invalid. It must be between -{MAX_VALUE:g} and {MAX_VALUE:g}."
        )
    return number


async def list_metrics(ports: ApiPorts, call: Call) -> Outcome:
    """List the metrics that got something in the last two weeks, by namespace, name and dimensions, in pages."""
    given = call.parameters
    if given.get("IncludeLinkedAccounts") or given.get("OwningAccount", call.account_id) != call.account_id:
        raise InvalidParameterValueException("Linked accounts are not supported by this installation.")
    known = await ports.metrics.metrics(
        call.account_id, call.region, given.get("Namespace", ""), given.get("MetricName", "")
    )
    oldest = call.received_at.timestamp() - (_RECENT_S if given.get("RecentlyActive") else LISTED_S)
    filters = given.get("Dimensions", ())
    found = [each for each in known if each.put_at >= oldest and _has(each, filters)]
    start = _start(call)
    page = found[start : start + METRICS_PER_PAGE]
    output: Parameters = {"Metrics": [_shown(each) for each in page]}
    if start + len(page) < len(found):
        output["NextToken"] = token(call, start + len(page))
    return Outcome(output)


def _start(call: Call) -> int:
    place = read_token(call, InvalidParameterValueException("Invalid nextToken"))
    return place if isinstance(place, int) else 0


def _has(metric: KnownMetric, filters: Sequence[Mapping[str, str]]) -> bool:
    dimensions = dict(metric.key.dimensions)
    return all(
        each["Name"] in dimensions and each.get("Value", dimensions[each["Name"]]) == dimensions[each["Name"]]
        for each in filters
    )


def _shown(metric: KnownMetric) -> dict[str, Any]:
    key = metric.key
    return {"Namespace": key.namespace, "MetricName": key.name, "Dimensions": wire_dimensions(key.dimensions)}
