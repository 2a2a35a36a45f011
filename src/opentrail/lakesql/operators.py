"""Comparisons and arithmetic, as Trino types them."""

from opentrail.lakesql.casts import as_type
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTERVAL,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    SqlType,
    common_type,
    decimal,
    scale_of,
)

COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}


def comparable(values: list[Typed], operator: str) -> list[Typed]:
    """Bring values that are compared to one type; raises InvalidStatement when they have none in common.

    A text beside a time is read as a time, as the lake does and Trino itself does not.
    """
    kinds = [value.kind for value in values]
    kind = common_type(kinds)
    if kind is None and any(one.is_time for one in kinds) and all(one.is_time or one.is_text for one in kinds):
        kind = _time_of(values)
    if kind is None or kind.name == "function":
        raise InvalidStatement(f"Cannot apply operator: {f' {operator} '.join(str(one) for one in kinds)}")
    return [_beside_time(value, kind) if kind.is_time else as_type(value, kind) for value in values]


def _time_of(values: list[Typed]) -> SqlType:
    """A day compared with the text of a day stays a day; any time of day makes it a point in time."""
    texts = [value.literal for value in values if not value.kind.is_time]
    is_day = all(value.kind in (DATE, VARCHAR) for value in values)
    return DATE if is_day and all(isinstance(text, str) and len(text) <= 10 for text in texts) else TIMESTAMP


def _beside_time(value: Typed, kind: SqlType) -> Typed:
    if value.kind.is_text and value.kind != UNKNOWN and value.literal is None:
        return Typed(f"CAST(CAST({value.text} AS TIMESTAMPTZ) AS {kind.duckdb})", kind)
    return as_type(value, kind)


def compare(operator: str, left: Typed, right: Typed) -> Typed:
    """Return a comparison by one of the signs of COMPARISONS, or IS [NOT] DISTINCT FROM."""
    one, other = comparable([left, right], operator)
    return Typed(f"({one.text} {operator} {other.text})", BOOLEAN)


def calculate(operator: str, left: Typed, right: Typed) -> Typed:
    """Return the text of ``left`` and ``right`` added, subtracted, multiplied, divided, or the rest of a division."""
    if INTERVAL in (left.kind, right.kind) or (left.kind.is_time and right.kind.is_time):
        return _with_interval(operator, left, right)
    kinds = [left.kind, right.kind]
    kind = common_type(kinds)
    if kind is None or not (kind.is_number or kind == UNKNOWN):
        raise InvalidStatement(f"Cannot apply operator: {left.kind} {operator} {right.kind}")
    if kind == UNKNOWN:
        return Typed("NULL", UNKNOWN)
    if operator == "/":
        return _divide(left, right, kind)
    if operator == "*" and kind.name == "decimal":
        kind = decimal(38, min(38, scale_of(left.kind) + scale_of(right.kind)))
    text = f"({left.text} {operator} {right.text})"
    return Typed(f"CAST({text} AS {kind.duckdb})" if kind.name == "decimal" else text, kind)


def _divide(left: Typed, right: Typed, kind: SqlType) -> Typed:
    if kind.is_integer:
        return Typed(f"({left.text} // {right.text})", kind)
    if kind.name == "decimal":
        quotient = f"CAST({left.text} AS DOUBLE) / {right.text}"
        return Typed(f"CAST(round({quotient}, {scale_of(kind)}) AS {kind.duckdb})", kind)
    return Typed(f"(CAST({left.text} AS DOUBLE) / {right.text})", DOUBLE)


def _with_interval(operator: str, left: Typed, right: Typed) -> Typed:
    text = f"({left.text} {operator} {right.text})"
    if operator in "+-" and left.kind.is_time and right.kind == INTERVAL:
        return Typed(f"CAST({text} AS {left.kind.duckdb})", left.kind)
    if operator == "+" and left.kind == INTERVAL and right.kind.is_time:
        return Typed(f"CAST({text} AS {right.kind.duckdb})", right.kind)
    if operator == "-" and left.kind.is_time and right.kind.is_time:
        return Typed(f"(CAST({left.text} AS TIMESTAMP) - CAST({right.text} AS TIMESTAMP))", INTERVAL)
    if operator in "+-" and left.kind == right.kind == INTERVAL:
        return Typed(text, INTERVAL)
    if operator == "*" and {left.kind, right.kind} - {INTERVAL} and (left.kind.is_integer or right.kind.is_integer):
        return Typed(text, INTERVAL)
    raise InvalidStatement(f"Cannot apply operator: {left.kind} {operator} {right.kind}")


def negate(value: Typed) -> Typed:
    """Return ``value`` with its sign turned."""
    if not (value.kind.is_number or value.kind in (INTERVAL, UNKNOWN)):
        raise InvalidStatement(f"Cannot apply operator: -{value.kind}")
    literal = -value.literal if isinstance(value.literal, int) else None
    return Typed(f"(-{value.text})", value.kind, literal)
