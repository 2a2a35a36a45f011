"""The functions of one event's values: how many arguments each takes, and its SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opentrail.logsql.literals import quoted_text
from opentrail.logsql.values import (
    MISSING,
    Kind,
    Value,
    condition_value,
    number_value,
    text_value,
)

Build = Callable[[Sequence[Value]], Value]

_BLANKS = quoted_text(" \t\n\r\x0b\x0c")
MAX_ARGUMENTS = 100


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """One function: the least and the most arguments, and what makes its value of theirs."""

    least: int
    most: int
    build: Build


def _of_numbers(form: str) -> Build:
    return lambda given: number_value(form.format(*(value.number for value in given)))


def _of_texts(form: str) -> Build:
    return lambda given: text_value(form.format(*(value.text for value in given)))


def _condition(form: str) -> Build:
    return lambda given: condition_value(form.format(*(value.text for value in given)))


def _extreme(name: str) -> Build:
    return lambda given: number_value(f"{name}({', '.join(value.number for value in given)})")


def _trim(name: str) -> Build:
    def build(given: Sequence[Value]) -> Value:
        characters = given[1].text if len(given) > 1 else _BLANKS
        return text_value(f"{name}({given[0].text}, {characters})")

    return build


def _substr(given: Sequence[Value]) -> Value:
    start = f"greatest(TRY_CAST(trunc({given[1].number}) AS BIGINT), 0) + 1"
    if len(given) == 2:
        return text_value(f"substr({given[0].text}, {start})")
    length = f"greatest(TRY_CAST(trunc({given[2].number}) AS BIGINT), 0)"
    return text_value(f"substr({given[0].text}, {start}, {length})")


def _coalesce(given: Sequence[Value]) -> Value:
    return _joined(given, lambda parts: f"coalesce({', '.join(parts)})")


def _if(given: Sequence[Value]) -> Value:
    chosen = given[1:] if len(given) == 3 else (given[1], MISSING)
    return _joined(chosen, lambda parts: f"CASE WHEN {given[0].condition} THEN {parts[0]} ELSE {parts[1]} END")


def _joined(given: Sequence[Value], form: Callable[[Sequence[str]], str]) -> Value:
    """Return one value out of several: a number or a time where all of them are, else a text."""
    kinds = {value.kind for value in given}
    if kinds == {Kind.TIME}:
        return Value(form([value.sql for value in given]), Kind.TIME)
    if kinds == {Kind.NUMBER}:
        return Value(form([value.sql for value in given]), Kind.NUMBER)
    return text_value(form([value.text for value in given]))


def _concat(given: Sequence[Value]) -> Value:
    return text_value(f"concat({', '.join(value.text for value in given)})")


def _ispresent(given: Sequence[Value]) -> Value:
    return condition_value(f"({given[0].text} IS NOT NULL)")


def _from_millis(given: Sequence[Value]) -> Value:
    return Value(given[0].milliseconds, Kind.TIME)


def _to_millis(given: Sequence[Value]) -> Value:
    return number_value(f"CAST({given[0].milliseconds} AS DOUBLE)")


def _ip_version(test: str) -> Build:
    return lambda given: condition_value(f"(logs_ip_version({given[0].text}) {test})")


def _in_subnet(version: int) -> Build:
    return lambda given: condition_value(f"logs_in_subnet({given[0].text}, {given[1].text}, {version})")


def _json_parse(given: Sequence[Value]) -> Value:
    return Value(f"logs_json({given[0].text})", Kind.JSON)


def _json_stringify(given: Sequence[Value]) -> Value:
    if given[0].kind is Kind.JSON:
        return text_value(f"CAST({given[0].sql} AS VARCHAR)")
    return text_value(f"CAST(to_json({given[0].text}) AS VARCHAR)")


FUNCTIONS: dict[str, ScalarFunction] = {
    "abs": ScalarFunction(1, 1, _of_numbers("abs({})")),
    "ceil": ScalarFunction(1, 1, _of_numbers("ceil({})")),
    "floor": ScalarFunction(1, 1, _of_numbers("floor({})")),
    "greatest": ScalarFunction(1, MAX_ARGUMENTS, _extreme("greatest")),
    "least": ScalarFunction(1, MAX_ARGUMENTS, _extreme("least")),
    "log": ScalarFunction(1, 1, _of_numbers("logs_log({})")),
    "sqrt": ScalarFunction(1, 1, _of_numbers("logs_sqrt({})")),
    "ispresent": ScalarFunction(1, 1, _ispresent),
    "coalesce": ScalarFunction(1, MAX_ARGUMENTS, _coalesce),
    "if": ScalarFunction(2, 3, _if),
    "isempty": ScalarFunction(1, 1, _condition("(coalesce({0}, '') = '')")),
    "isblank": ScalarFunction(1, 1, _condition(f"(trim(coalesce({{0}}, ''), {_BLANKS}) = '')")),
    "concat": ScalarFunction(1, MAX_ARGUMENTS, _concat),
    "ltrim": ScalarFunction(1, 2, _trim("ltrim")),
    "rtrim": ScalarFunction(1, 2, _trim("rtrim")),
    "trim": ScalarFunction(1, 2, _trim("trim")),
    "strlen": ScalarFunction(1, 1, lambda given: number_value(f"CAST(length({given[0].text}) AS DOUBLE)")),
    "toupper": ScalarFunction(1, 1, _of_texts("upper({0})")),
    "tolower": ScalarFunction(1, 1, _of_texts("lower({0})")),
    "substr": ScalarFunction(2, 3, _substr),
    "replace": ScalarFunction(3, 3, _of_texts("replace({0}, {1}, {2})")),
    "strcontains": ScalarFunction(2, 2, _condition("contains({0}, {1})")),
    "frommillis": ScalarFunction(1, 1, _from_millis),
    "tomillis": ScalarFunction(1, 1, _to_millis),
    "isvalidip": ScalarFunction(1, 1, _ip_version("<> 0")),
    "isvalidipv4": ScalarFunction(1, 1, _ip_version("= 4")),
    "isvalidipv6": ScalarFunction(1, 1, _ip_version("= 6")),
    "isipinsubnet": ScalarFunction(2, 2, _in_subnet(0)),
    "isipv4insubnet": ScalarFunction(2, 2, _in_subnet(4)),
    "isipv6insubnet": ScalarFunction(2, 2, _in_subnet(6)),
    "jsonparse": ScalarFunction(1, 1, _json_parse),
    "jsonstringify": ScalarFunction(1, 1, _json_stringify),
}
"""By name in lower case. Those that take periods are in ``periods``, aggregates in ``aggregates``."""
