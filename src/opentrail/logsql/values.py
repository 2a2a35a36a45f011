"""What an expression is in the engine: SQL of a kind, and how it becomes another kind.

Fields are texts that may look like numbers. A condition is never NULL: where a value is missing it is false, so that
its negation is true.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from opentrail.logsql.literals import quoted_number, quoted_text

_NUMBER_TEXT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Kind(StrEnum):
    """TEXT may be missing and may look like a number; TIME is BIGINT, ms since 1970; JSON is a document's text."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    CONDITION = "condition"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Value:
    """SQL of a kind. ``literal`` is the text or number that the query spells; ``raw`` a discovered field's JSON."""

    sql: str
    kind: Kind
    literal: str | float | None = None
    raw: str = ""

    @property
    def number(self) -> str:
        """The value as DOUBLE, NULL where it is no number."""
        if isinstance(self.literal, str):
            found = number_of(self.literal)
            return "CAST(NULL AS DOUBLE)" if found is None else quoted_number(found)
        if self.kind is Kind.NUMBER:
            return self.sql
        if self.kind is Kind.TIME:
            return f"CAST({self.sql} AS DOUBLE)"
        if self.kind is Kind.CONDITION:
            return f"CAST(CAST({self.sql} AS INTEGER) AS DOUBLE)"
        return f"logs_number({self.text})"

    @property
    def text(self) -> str:
        """The value as VARCHAR, as results show it."""
        if self.kind is Kind.NUMBER:
            return f"logs_text({self.sql})"
        if self.kind is Kind.TIME:
            return f"logs_time({self.sql})"
        if self.kind is Kind.CONDITION:
            return f"CASE WHEN {self.sql} THEN '1' ELSE '0' END"
        if self.kind is Kind.JSON:
            return f"logs_json_text({self.sql})"
        return self.sql

    @property
    def condition(self) -> str:
        """The value as BOOLEAN, never NULL: what is missing, empty, 0 or false is false."""
        if self.kind is Kind.CONDITION:
            return self.sql
        if self.kind in (Kind.NUMBER, Kind.TIME):
            return f"coalesce({self.sql} <> 0, false)"
        return f"coalesce({self.text} NOT IN ('', '0', 'false'), false)"

    @property
    def milliseconds(self) -> str:
        """The value as BIGINT, ms since 1970."""
        return self.sql if self.kind is Kind.TIME else f"TRY_CAST(trunc({self.number}) AS BIGINT)"

    @property
    def is_numeric(self) -> bool:
        return self.kind in (Kind.NUMBER, Kind.TIME, Kind.CONDITION)


def text_value(sql: str) -> Value:
    """Return SQL of VARCHAR as a value."""
    return Value(sql, Kind.TEXT)


def number_value(sql: str) -> Value:
    """Return SQL of DOUBLE as a value; what is not finite is missing."""
    return Value(f"logs_finite({sql})", Kind.NUMBER)


def condition_value(sql: str) -> Value:
    """Return SQL of BOOLEAN as a value; NULL is false."""
    return Value(f"coalesce({sql}, false)", Kind.CONDITION)


def text_literal(value: str) -> Value:
    """Return a text that the query spells."""
    return Value(quoted_text(value), Kind.TEXT, value)


def number_literal(value: float) -> Value:
    """Return a number that the query spells."""
    return Value(quoted_number(value), Kind.NUMBER, value)


MISSING = Value("CAST(NULL AS VARCHAR)", Kind.TEXT)


def number_of(text: str) -> float | None:
    """Return the number that a text looks like."""
    if not _NUMBER_TEXT.fullmatch(text):
        return None
    value = float(text)
    return value if value not in (float("inf"), float("-inf")) else None


def equal(left: Value, right: Value) -> Value:
    """Return whether two values are equal: as numbers where both look like numbers, else as texts."""
    if left.is_numeric or right.is_numeric:
        return condition_value(f"({left.number} = {right.number})")
    for one, other in ((left, right), (right, left)):
        if one.raw and other.literal in ("true", "false"):
            return condition_value(f"({one.text} = {other.text} OR {one.raw} = {other.text})")
    if _is_word(left) or _is_word(right):
        return condition_value(f"({left.text} = {right.text})")
    return condition_value(f"logs_equal({left.text}, {right.text})")


def ordered(operator: str, left: Value, right: Value) -> Value:
    """Return whether ``left`` is before (<, <=) or behind (>, >=) ``right``."""
    if left.is_numeric or right.is_numeric:
        return condition_value(f"({left.number} {operator} {right.number})")
    if _is_word(left) or _is_word(right):
        return condition_value(f"({left.text} {operator} {right.text})")
    return condition_value(f"(logs_order({left.text}, {right.text}) {operator} 0)")


def negated(value: Value) -> Value:
    """Return the opposite of a condition."""
    return Value(f"(NOT {value.condition})", Kind.CONDITION)


def _is_word(value: Value) -> bool:
    """Say whether a value is a text of the query that looks like no number."""
    return isinstance(value.literal, str) and number_of(value.literal) is None
