"""Metric queries worked out: what each query of a request makes of the metrics that others of it read."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentrail.metric.aggregate import Aggregate
from opentrail.metric.expression import Expression, InvalidExpression, Series, Span
from opentrail.metric.statistics import Statistic, value_of


def joined_units(found: Mapping[int, Mapping[str, Aggregate]]) -> dict[int, Aggregate]:
    """Return what a metric got by period, all units together."""
    joined: dict[int, Aggregate] = {}
    for time, units in found.items():
        for aggregate in units.values():
            joined[time] = joined[time].joined(aggregate) if time in joined else aggregate
    return joined


def series_of(aggregates: Mapping[int, Aggregate], statistic: Statistic) -> Series:
    """Return a statistic by period; absent where it cannot be told."""
    values = {time: value_of(statistic, aggregate) for time, aggregate in aggregates.items()}
    return {time: value for time, value in values.items() if value is not None}


def work_out(
    queries: Sequence[Mapping[str, Any]],
    expressions: Mapping[str, Expression],
    series: Mapping[str, Series],
    spans: Mapping[str, Span],
) -> dict[str, list[Series]]:
    """Return the time series of every query by id; ``series`` are those of the queries that name a metric.

    Ids are known and expressions do not go round. Raises InvalidExpression, naming the query.
    """
    metrics = [(query["Id"], series[query["Id"]]) for query in queries if query["Id"] in series]
    made: dict[str, list[Series]] = {name: [found] for name, found in series.items()}

    def of(name: str) -> list[Series]:
        if name not in made:
            try:
                parts = {each: _only(of(each)) for each in expressions[name].names()}
                made[name] = expressions[name].evaluate(parts, metrics, spans[name])
            except InvalidExpression as error:
                raise InvalidExpression(f"Error in expression '{name}': {error}") from error
        return made[name]

    return {query["Id"]: of(query["Id"]) for query in queries}


def _only(found: list[Series]) -> Series:
    if len(found) != 1:
        raise InvalidExpression("it names an expression of several time series")
    return found[0]
