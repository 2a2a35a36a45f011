"""Value tests as SQL conditions, never NULL, on a value that is JSON or known to be a text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opentrail.pattern.sql_literals import expression_literal, text_literal
from opentrail.pattern.values import (
    AllTests,
    AnythingAsText,
    Compare,
    CompareInteger,
    Contains,
    EndsWith,
    Folded,
    Glob,
    InNetwork,
    Is,
    Kind,
    NoTest,
    NumbersAsText,
    OfKind,
    Operator,
    Search,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
    Wild,
)

_INTEGER_TYPES = "'UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT'"
_DOUBLE_TYPE = "'DOUBLE'"
_TYPES: dict[Kind, str] = {
    "string": "'VARCHAR'",
    "number": f"{_INTEGER_TYPES}, {_DOUBLE_TYPE}",
    "boolean": "'BOOLEAN'",
    "null": "'NULL'",
    "array": "'ARRAY'",
    "object": "'OBJECT'",
}
_MAX_HUGEINT = 2**127 - 1
_IPV4 = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
_IPV6 = r"[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,8}"
_NOT_IPV6 = r"^:[^:]|[^:]:$|:::|::.*::"


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value, by the SQL expression for it."""

    expression: str

    @property
    def is_there(self) -> str:
        return f"{self.expression} IS NOT NULL"

    @property
    def kind(self) -> str:
        return f"json_type({self.expression})"

    @property
    def text(self) -> str:
        return f"json_extract_string({self.expression}, '$')"

    @property
    def is_text(self) -> str:
        return f"coalesce({self.kind} = 'VARCHAR', false)"


@dataclass(frozen=True, slots=True)
class TextValue:
    """A value known to be a text where it is there at all."""

    expression: str

    @property
    def is_there(self) -> str:
        return f"{self.expression} IS NOT NULL"

    @property
    def text(self) -> str:
        return self.expression


Value = JsonValue | TextValue


def sql_test(test: Test, value: Value) -> str:
    """Return the condition that ``value`` passes ``test``."""
    match test:
        case AllTests(parts):
            return f"({' AND '.join(sql_test(part, value) for part in parts)})" if parts else "true"
        case SomeTest(parts):
            return f"({' OR '.join(sql_test(part, value) for part in parts)})" if parts else "false"
        case NoTest(part):
            return f"(NOT {sql_test(part, value)})"
    if isinstance(value, TextValue):
        return _of_text(test, value)
    match test:
        case NumbersAsText(part):
            kinds = f"{value.kind} IN ('VARCHAR', {_TYPES['number']})"
            return f"(coalesce({kinds}, false) AND {sql_test(part, TextValue(value.text))})"
        case AnythingAsText(part):
            text = f"CASE {value.kind} WHEN 'VARCHAR' THEN {value.text} ELSE {value.expression}::VARCHAR END"
            return f"(coalesce({value.kind} <> 'NULL', false) AND {sql_test(part, TextValue(f'({text})'))})"
        case Is(None):
            return f"coalesce({value.kind} = 'NULL', false)"
        case Is(literal):
            text = "true" if literal else "false"
            return f"coalesce({value.kind} = 'BOOLEAN' AND {value.expression}::VARCHAR = '{text}', false)"
        case OfKind(kinds):
            types = ", ".join(_TYPES[kind] for kind in sorted(kinds))
            return f"coalesce({value.kind} IN ({types}), false)" if types else "false"
        case Compare(operator, bound):
            return _double(value, _TYPES["number"], operator, bound)
        case CompareInteger(operator, integer):
            return _exact(value, operator, integer)
    return f"({value.is_text} AND {_of_text(test, TextValue(value.text))})"


def _of_text(test: Test, value: TextValue) -> str:
    """Return the condition for a text; tests that ask for other kinds do not hold."""
    match test:
        case TextIn(values):
            listed = ", ".join(text_literal(one) for one in sorted(values))
            condition = f"{value.text} IN ({listed})" if values else "false"
        case StartsWith(texts):
            condition = _any_of([f"starts_with({value.text}, {text_literal(text)})" for text in texts])
        case EndsWith(texts):
            condition = _any_of([f"suffix({value.text}, {text_literal(text)})" for text in texts])
        case Contains(texts):
            condition = _any_of([f"contains({value.text}, {text_literal(text)})" for text in texts])
        case Glob(pieces):
            condition = f"regexp_full_match({value.text}, {text_literal(_glob_expression(pieces))})"
        case Search(expression):
            condition = f"regexp_matches({value.text}, {text_literal(expression)})"
        case Folded(part):
            return sql_test(part, TextValue(f"lower({value.text})"))
        case NumbersAsText(part) | AnythingAsText(part):
            return sql_test(part, value)
        case OfKind(kinds):
            return "true" if "string" in kinds else "false"
        case InNetwork(4, first, last):
            condition = _in_ipv4(value.text, first, last)
        case InNetwork(_, first, last):
            condition = _in_ipv6(value.text, first, last)
        case _:
            return "false"
    return f"coalesce({condition}, false)"


def _any_of(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(conditions)})" if conditions else "false"


def _glob_expression(pieces: Sequence[str | Wild]) -> str:
    written = {Wild.RUN: ".*", Wild.ONE: "."}
    body = "".join(written[piece] if isinstance(piece, Wild) else expression_literal(piece) for piece in pieces)
    return f"(?s){body}"


def _double(value: JsonValue, types: str, operator: Operator, bound: float) -> str:
    if not math.isfinite(bound):
        return "false"
    number = f"TRY_CAST({value.text} AS DOUBLE)"
    condition = f"{value.kind} IN ({types}) AND isfinite({number}) AND {number} {operator} CAST('{bound!r}' AS DOUBLE)"
    return f"coalesce({condition}, false)"


def _exact(value: JsonValue, operator: Operator, integer: int) -> str:
    if abs(integer) > _MAX_HUGEINT:
        return _double(value, _TYPES["number"], operator, float(integer)) if abs(integer) < 10**308 else "false"
    number = f"TRY_CAST({value.text} AS HUGEINT)"
    exact = f"{value.kind} IN ({_INTEGER_TYPES}) AND {number} {operator} CAST('{integer}' AS HUGEINT)"
    return f"(coalesce({exact}, false) OR {_double(value, _DOUBLE_TYPE, operator, float(integer))})"


def _in_ipv4(text: str, first: int, last: int) -> str:
    parts = [f"CAST(split_part({text}, '.', {place}) AS BIGINT) * {256 ** (4 - place)}" for place in range(1, 5)]
    is_address = f"regexp_full_match({text}, '{_IPV4}')"
    return f"CASE WHEN {is_address} THEN {' + '.join(parts)} BETWEEN {first} AND {last} ELSE false END"


def _in_ipv6(text: str, first: int, last: int) -> str:
    """Spell the address in 32 hexadecimal digits and compare them as text."""
    left = f"list_filter(string_split(split_part({text}, '::', 1), ':'), lambda part: part <> '')"
    right = f"list_filter(string_split(split_part({text}, '::', 2), ':'), lambda part: part <> '')"
    known = f"list_concat({left}, {right})"
    zeros = f"list_transform(range(8 - len({known})), lambda part: '0')"
    groups = f"list_concat({left}, {zeros}, {right})"
    digits = f"array_to_string(list_transform({groups}, lambda part: lpad(lower(part), 4, '0')), '')"
    is_shaped = (
        f"len({text}) <= 39 AND regexp_full_match({text}, '{_IPV6}') AND NOT regexp_matches({text}, '{_NOT_IPV6}')"
    )
    is_counted = f"CASE WHEN contains({text}, '::') THEN len({known}) <= 7 ELSE len({known}) = 8 END"
    between = f"{digits} BETWEEN '{first:032x}' AND '{last:032x}'"
    return f"CASE WHEN {is_shaped} THEN CASE WHEN {is_counted} THEN {between} ELSE false END ELSE false END"
