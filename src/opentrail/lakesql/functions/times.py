"""Days and points in time. A time with a zone is kept in UTC."""

import re
from collections.abc import Callable

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Args, Function, Typed, scalar
from opentrail.lakesql.text import quoted_text
from opentrail.lakesql.types import (
    BIGINT,
    DATE,
    DOUBLE,
    TIMESTAMP,
    TIMESTAMP_TZ,
    VARCHAR,
    SqlType,
)

UNITS = {
    "millisecond": "INTERVAL 1 MILLISECOND",
    "second": "INTERVAL 1 SECOND",
    "minute": "INTERVAL 1 MINUTE",
    "hour": "INTERVAL 1 HOUR",
    "day": "INTERVAL 1 DAY",
    "week": "INTERVAL 7 DAY",
    "month": "INTERVAL 1 MONTH",
    "quarter": "INTERVAL 3 MONTH",
    "year": "INTERVAL 1 YEAR",
}
"""The units of date_add, date_diff and date_trunc, and how long one of each is."""

_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "v": "%V", "W": "%A", "x": "%G", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip
"""MySQL's specifiers, which date_format and date_parse take, as strftime's."""

_JODA = {
    "yyyy": "%Y", "y": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d",
    "d": "%-d", "DDD": "%j", "EEEE": "%A", "EEE": "%a", "E": "%a", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I",
    "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "a": "%p", "ww": "%V", "xxxx": "%G",
}  # fmt: skip
"""Joda's pattern letters, which format_datetime and parse_datetime take, as strftime's."""


def _plain(value: Typed) -> str:
    """Return a time without DuckDB's zone, which the columns of files have: with one, reading a field of it is slow."""
    return f"lake_utc({value.text})" if value.kind in (TIMESTAMP, TIMESTAMP_TZ) else value.text


def _of_plain(template: str) -> Callable[[Args], str]:
    return lambda args: template.format(_plain(args[0]))


def unit_of(args: Args) -> str:
    """Return the unit that the first argument names."""
    unit = str(args[0].literal).lower()
    if unit not in UNITS:
        raise InvalidStatement(f"'{args[0].literal}' is not a valid unit; known are {', '.join(UNITS)}")
    return unit


def _strftime_of_mysql(pattern: str) -> str:
    def specifier(match: re.Match[str]) -> str:
        if match[1] not in _MYSQL:
            raise InvalidStatement(f"the format specifier '{match[0]}' is not supported")
        return _MYSQL[match[1]]

    return re.sub(r"%(.)", specifier, pattern)


def _strftime_of_joda(pattern: str) -> str:
    def part(match: re.Match[str]) -> str:
        if match["quoted"] is not None:
            return match["quoted"].replace("''", "'").replace("%", "%%") or "'"
        if match["letters"] is None:
            return match[0].replace("%", "%%")
        if match["letters"] not in _JODA:
            raise InvalidStatement(f"the pattern '{match['letters']}' is not supported")
        return _JODA[match["letters"]]

    return re.sub(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|.", part, pattern, flags=re.DOTALL)


def _date_trunc(args: Args) -> str:
    return f"CAST(date_trunc('{unit_of(args)}', {_plain(args[1])}) AS {args[1].kind.duckdb})"


def _date_add(args: Args) -> str:
    moved = f"({args[2].text} + CAST({args[1].text} AS BIGINT) * {UNITS[unit_of(args)]})"
    return f"CAST({moved} AS {args[2].kind.duckdb})"


def _date_diff(args: Args) -> str:
    unit = unit_of(args)
    return f"date_sub('{unit}', CAST({_plain(args[1])} AS TIMESTAMP), CAST({_plain(args[2])} AS TIMESTAMP))"


def _date_format(args: Args) -> str:
    return f"strftime({_plain(args[0])}, {quoted_text(_strftime_of_mysql(str(args[1].literal)))})"


def _date_parse(args: Args) -> str:
    return f"strptime({args[0].text}, {quoted_text(_strftime_of_mysql(str(args[1].literal)))})"


def _format_datetime(args: Args) -> str:
    return f"strftime({_plain(args[0])}, {quoted_text(_strftime_of_joda(str(args[1].literal)))})"


def _parse_datetime(args: Args) -> str:
    return f"strptime({args[0].text}, {quoted_text(_strftime_of_joda(str(args[1].literal)))})"


def _to_iso8601(args: Args) -> str:
    if args[0].kind == DATE:
        return f"CAST({args[0].text} AS VARCHAR)"
    zone = "Z" if args[0].kind == TIMESTAMP_TZ else ""
    return f"strftime({_plain(args[0])}, '%Y-%m-%dT%H:%M:%S.%g{zone}')"


def _second_kind(args: Args) -> SqlType:
    return args[1].kind


def _third_kind(args: Args) -> SqlType:
    return args[2].kind


def _at_timezone(args: Args) -> str:
    return f"timezone({args[1].text}, timezone('UTC', CAST({args[0].text} AS TIMESTAMP)))"


_FIELDS = {
    "year": "year", "quarter": "quarter", "month": "month", "week": "week", "week_of_year": "week", "day": "day",
    "day_of_month": "day", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "doy", "doy": "doy",
    "year_of_week": "isoyear", "yow": "isoyear", "hour": "hour", "minute": "minute", "second": "second",
}  # fmt: skip
"""The functions that read one field of a time, and DuckDB's names of these fields. EXTRACT takes the same names."""

TIMES: tuple[Function, ...] = (
    scalar("date", "time", DATE, _of_plain("CAST({0} AS DATE)")),
    scalar("date", "text", DATE, "lake_iso_date({0})"),
    scalar("date_trunc", "literal time", _second_kind, _date_trunc),
    scalar("date_add", "literal integer time", _third_kind, _date_add),
    scalar("date_diff", "literal time time", BIGINT, _date_diff),
    scalar("date_format", "time literal", VARCHAR, _date_format),
    scalar("date_parse", "text literal", TIMESTAMP, _date_parse),
    scalar("format_datetime", "time literal", VARCHAR, _format_datetime),
    scalar("parse_datetime", "text literal", TIMESTAMP_TZ, _parse_datetime),
    scalar("from_iso8601_timestamp", "text", TIMESTAMP_TZ, "CAST(CAST({0} AS TIMESTAMPTZ) AS TIMESTAMP)"),
    scalar("from_iso8601_date", "text", DATE, "lake_iso_date({0})"),
    scalar("to_iso8601", "time", VARCHAR, _to_iso8601),
    scalar(
        "from_unixtime",
        "number",
        TIMESTAMP_TZ,
        "make_timestamp(CAST(round(CAST({0} AS DOUBLE) * 1000) * 1000 AS BIGINT))",
    ),
    scalar("to_unixtime", "time", DOUBLE, _of_plain("epoch(CAST({0} AS TIMESTAMP))")),
    scalar("last_day_of_month", "time", DATE, _of_plain("last_day({0})")),
    scalar("at_timezone", "time literal", TIMESTAMP, _at_timezone),
    scalar(
        "millisecond",
        "time",
        BIGINT,
        _of_plain("CAST(date_part('millisecond', CAST({0} AS TIMESTAMP)) % 1000 AS BIGINT)"),
    ),
    *(scalar(name, "time", BIGINT, _of_plain(f"date_part('{field}', {{0}})")) for name, field in _FIELDS.items()),
)
