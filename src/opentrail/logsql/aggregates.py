"""The functions of many events' values, for ``stats``."""

from collections.abc import Sequence

from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.syntax import Function
from opentrail.logsql.values import Kind, Value, number_value, text_value

_OF_NUMBERS = {"avg": "avg({})", "max": "max({})", "min": "min({})", "sum": "sum({})", "stddev": "stddev_samp({})"}
_BY_TIME = {"earliest": "arg_min", "latest": "arg_max"}
_BY_ORDER = {"sortsfirst": "min", "sortslast": "max"}

NAMES = frozenset({*_OF_NUMBERS, *_BY_TIME, *_BY_ORDER, "count", "count_distinct", "pct"})


def aggregate(call: Function, given: Sequence[Value], place: str) -> Value:
    """Return an aggregate of its arguments' values; ``place`` is SQL that orders events by time. Raises
    MalformedQuery."""
    name = call.name
    expected = (0, 1) if name == "count" else (2,) if name == "pct" else (1,)
    if len(given) not in expected:
        raise MalformedQuery(
            f"{name} takes {expected[-1]} argument(s), not {len(given)}", call.span.start, call.span.end
        )
    if name == "count":
        return Value(f"CAST(count({given[0].text if given else '*'}) AS DOUBLE)", Kind.NUMBER)
    if name == "count_distinct":
        return Value(f"CAST(count(DISTINCT {given[0].text}) AS DOUBLE)", Kind.NUMBER)
    if name == "pct":
        return _percentile(call, given)
    if name in _OF_NUMBERS:
        return number_value(_OF_NUMBERS[name].format(given[0].number))
    if name in _BY_TIME:
        is_typed = given[0].kind in (Kind.TIME, Kind.NUMBER)
        sql = given[0].sql if is_typed else given[0].text
        return Value(f"{_BY_TIME[name]}({sql}, {place})", given[0].kind if is_typed else Kind.TEXT)
    return _first_or_last(name, given[0])


def _percentile(call: Function, given: Sequence[Value]) -> Value:
    percent = given[1].literal
    if not isinstance(percent, float | int) or not 0 <= percent <= 100:
        raise MalformedQuery("pct takes a number from 0 to 100 as its second argument", call.span.start, call.span.end)
    return number_value(f"quantile_disc({given[0].number}, {percent / 100!r})")


def _first_or_last(name: str, value: Value) -> Value:
    """Return what sorts first or last, in the order that ``sort`` has."""
    if value.kind in (Kind.TIME, Kind.NUMBER):
        return Value(f"{_BY_ORDER[name]}({value.sql})", value.kind)
    number, text = value.number, value.text
    key = f"struct_pack(a := {number} IS NOT NULL, b := coalesce({number}, 0), c := logs_natural({text}), d := {text})"
    return text_value(f"{_BY_ORDER[name]}({key}) FILTER (WHERE {text} IS NOT NULL).d")
