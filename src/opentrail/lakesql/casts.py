"""Literals and conversions: what DuckDB text a value of one type has as another."""

import re
from datetime import UTC, date, datetime

from sqlglot import exp

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Typed
from opentrail.lakesql.text import quoted_name, quoted_text
from opentrail.lakesql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    LAKE_MAP,
    REAL,
    SMALLINT,
    TIME,
    TIMESTAMP,
    TIMESTAMP_TZ,
    TINYINT,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    SqlType,
    array,
    decimal,
    map_of,
    row,
)

_NAMED = {
    "BOOLEAN": BOOLEAN, "TINYINT": TINYINT, "SMALLINT": SMALLINT, "INT": INTEGER, "BIGINT": BIGINT, "FLOAT": REAL,
    "DOUBLE": DOUBLE, "VARCHAR": VARCHAR, "TEXT": VARCHAR, "CHAR": VARCHAR, "VARBINARY": VARBINARY, "DATE": DATE,
    "TIME": TIME, "TIMESTAMP": TIMESTAMP, "TIMESTAMPNTZ": TIMESTAMP, "TIMESTAMPTZ": TIMESTAMP_TZ, "JSON": JSON,
}  # fmt: skip

_MOMENT = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2})(?:[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)


def type_named(node: exp.Expression) -> SqlType:
    """Return the type that a CAST names; raises InvalidStatement for one that is not supported."""
    if not isinstance(node, exp.DataType):
        raise InvalidStatement(f"Unknown type: {node.name or node.key}")
    name = str(getattr(node.this, "value", node.this)).upper()
    if name == "ARRAY" and len(node.expressions) == 1:
        return array(type_named(node.expressions[0]))
    if name == "MAP" and len(node.expressions) == 2:
        return map_of(type_named(node.expressions[0]), type_named(node.expressions[1]))
    if name == "STRUCT":
        return row([_field(part) for part in node.expressions])
    if name == "DECIMAL":
        return _decimal([int(part.name) for part in node.expressions])
    if name not in _NAMED:
        raise InvalidStatement(f"Unknown type: {name.lower()}")
    return _NAMED[name]


def _field(node: exp.Expression) -> tuple[str, SqlType]:
    if isinstance(node, exp.ColumnDef):
        return node.name, type_named(node.args["kind"])
    return "", type_named(node)


def _decimal(sizes: list[int]) -> SqlType:
    precision, scale = (*sizes, *(38, 0)[len(sizes) :])[:2]
    if not (1 <= precision <= 38 and 0 <= scale <= precision):
        raise InvalidStatement(f"Invalid decimal type: decimal({precision},{scale})")
    return decimal(precision, scale)


def literal_text(value: str) -> Typed:
    return Typed(quoted_text(value), VARCHAR, value)


def literal_number(digits: str) -> Typed:
    """Return a number as it is written: whole ones are integers, with a point decimals, with an exponent doubles."""
    if re.fullmatch(r"\d+", digits):
        value = int(digits)
        if value >= 1 << 63:
            raise InvalidStatement(f"Invalid numeric literal: {digits}")
        return Typed(str(value), INTEGER if value < 1 << 31 else BIGINT, value)
    if re.fullmatch(r"\d*\.\d*", digits) and len(digits) <= 39:
        scale = len(digits.partition(".")[2])
        kind = decimal(max(1, len(digits.lstrip("0")) - 1, scale), scale)
        return Typed(f"CAST({digits} AS {kind.duckdb})", kind)
    if re.fullmatch(r"(\d+\.?\d*|\.\d+)[eE][+-]?\d+", digits):
        return Typed(f"CAST({digits} AS DOUBLE)", DOUBLE)
    raise InvalidStatement(f"Invalid numeric literal: {digits[:40]}")


def moment_literal(value: str) -> datetime:
    """Read a literal that is compared with a time: a day, or a day and a time, in UTC where it names no zone."""
    match = _MOMENT.fullmatch(value.strip())
    if match is None:
        raise InvalidStatement(f"'{value}' is not a valid timestamp literal")
    day, time, zone = match.groups()
    year, month, day_of_month = day.split("-")
    hour, _, rest = (time or "0:00").partition(":")
    text = f"{year}-{month:0>2}-{day_of_month:0>2}T{hour:0>2}:{rest[:15]}"
    zone = "+00:00" if zone in (None, "Z", "UTC") else zone
    try:
        return datetime.fromisoformat(text + zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidStatement(f"'{value}' is not a valid timestamp literal") from error


def timestamp_text(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def date_text(day: date) -> str:
    return f"DATE '{day.isoformat()}'"


def as_type(value: Typed, kind: SqlType) -> Typed:
    """Return ``value`` brought to ``kind`` without being asked to: for branches, lists and set operations."""
    if value.kind == kind:
        return value
    if value.kind == UNKNOWN:
        return Typed(f"CAST(NULL AS {kind.duckdb})", kind)
    if value.kind == LAKE_MAP:
        return Typed(value.text, VARCHAR) if kind == VARCHAR else Typed(f"lake_text_map({value.text})", kind)
    if isinstance(value.literal, str) and kind.is_time:
        return _literal_time(value.literal, kind)
    return Typed(f"CAST({value.text} AS {kind.duckdb})", kind)


def _literal_time(value: str, kind: SqlType) -> Typed:
    moment = moment_literal(value)
    return Typed(date_text(moment.date()) if kind == DATE else timestamp_text(moment), kind)


def cast(value: Typed, kind: SqlType, *, is_try: bool) -> Typed:
    """Return what CAST or TRY_CAST gives; raises InvalidStatement where Trino knows no such conversion."""
    verb = "TRY_CAST" if is_try else "CAST"
    source = value.kind
    if source in (kind, UNKNOWN):
        return as_type(value, kind)
    if isinstance(value.literal, str) and kind in (TIMESTAMP, TIMESTAMP_TZ) and not is_try:
        return _literal_time(value.literal, kind)
    if kind == VARCHAR:
        return Typed(_as_varchar(value), kind)
    if kind == JSON:
        return Typed(_as_json(value), kind)
    if source == LAKE_MAP:
        value, source = Typed(f"lake_text_map({value.text})", map_of(VARCHAR, VARCHAR)), map_of(VARCHAR, VARCHAR)
    if not _is_castable(source, kind):
        raise InvalidStatement(f"Cannot cast {source} to {kind}")
    if kind in (TIMESTAMP, TIMESTAMP_TZ) and source == VARCHAR:
        return Typed(f"CAST({verb}({value.text} AS TIMESTAMPTZ) AS TIMESTAMP)", kind)
    if kind.is_integer and source.name in ("double", "real", "decimal"):
        return Typed(f"{verb}(round({value.text}) AS {kind.duckdb})", kind)
    if kind == DATE and source in (TIMESTAMP, TIMESTAMP_TZ):
        return Typed(f"CAST(lake_utc({value.text}) AS DATE)", kind)
    if source == JSON and kind.is_row:
        return Typed(_row_of_json(value, kind, is_try=is_try), kind)
    if source.is_row and kind.is_row:
        return Typed(_row_by_place(value, kind, is_try=is_try), kind)
    return Typed(f"{verb}({value.text} AS {kind.duckdb})", kind)


def _row_by_place(value: Typed, kind: SqlType, *, is_try: bool) -> str:
    """Return a row with the fields of ``kind``: the first becomes the first, whatever the names."""
    fields = []
    pairs = zip(value.kind.fields, kind.fields, strict=True)
    for at, ((name, part), (wanted, target)) in enumerate(pairs, 1):
        field = Typed(f"{value.text}.{quoted_name(name or f'f{at}')}", part)
        fields.append(f"{quoted_name(wanted or f'f{at}')} := {cast(field, target, is_try=is_try).text}")
    return f"(CASE WHEN {value.text} IS NOT NULL THEN struct_pack({', '.join(fields)}) END)"


def _row_of_json(value: Typed, kind: SqlType, *, is_try: bool) -> str:
    """Return a row made of a JSON object, by names, or of an array, by places."""
    fields = []
    for at, (name, target) in enumerate(kind.fields):
        element = Typed(f"json_extract({value.text}, '$[{at}]')", JSON)
        fields.append(f"{quoted_name(name or f'f{at + 1}')} := {cast(element, target, is_try=is_try).text}")
    verb = "TRY_CAST" if is_try else "CAST"
    return (
        f"(CASE WHEN json_type({value.text}) = 'ARRAY' THEN struct_pack({', '.join(fields)}) "
        f"ELSE {verb}({value.text} AS {kind.duckdb}) END)"
    )


def _is_castable(source: SqlType, kind: SqlType) -> bool:
    if source == JSON:
        return not kind.is_time and kind != VARBINARY
    if source.parts or source.fields or kind.parts or kind.fields:
        return source.name == kind.name and len(source.fields) == len(kind.fields)
    if source.is_time:
        return kind.is_time or (kind == TIME and source != DATE)
    if source == VARBINARY or kind == VARBINARY:
        return False
    return not kind.is_time or source == VARCHAR


def _as_varchar(value: Typed) -> str:
    match value.kind.name:
        case "map" | "array" | "row" if value.kind != LAKE_MAP:
            raise InvalidStatement(f"Cannot cast {value.kind} to varchar")
        case "map":
            return value.text
        case "json":
            return f"json_extract_string({value.text}, '$')"
        case "timestamp" | "timestamp with time zone":
            return shown_time(value)
        case "varbinary":
            return f"decode({value.text})"
        case "double" | "real":
            return f"lake_double_text({value.text})"
    return f"CAST({value.text} AS VARCHAR)"


def shown_time(value: Typed) -> str:
    """Return the text of a time as results show it: three digits of a second, and the zone of one that has it."""
    zone = " UTC" if value.kind == TIMESTAMP_TZ else ""
    return f"strftime(lake_utc({value.text}), '%Y-%m-%d %H:%M:%S.%g{zone}')"


def _as_json(value: Typed) -> str:
    if value.kind == LAKE_MAP:
        return f"lake_json({value.text})"
    return as_document(value)


def as_document(value: Typed, depth: int = 0) -> str:
    """Return the text of ``value`` as a JSON document; the lake's maps in it are documents, not strings."""
    kind = value.kind
    if kind in (JSON, LAKE_MAP):
        return f"lake_json({value.text})" if kind == LAKE_MAP else value.text
    if kind in (TIMESTAMP, TIMESTAMP_TZ):
        return f"to_json({shown_time(value)})"
    if kind.is_row:
        members = (
            f"{quoted_text(name or f'f{at}')}, "
            + as_document(Typed(f'{value.text}."{(name or f"f{at}").replace(chr(34), chr(34) * 2)}"', part), depth)
            for at, (name, part) in enumerate(kind.fields, 1)
        )
        return f"CASE WHEN {value.text} IS NOT NULL THEN json_object({', '.join(members)}) END"
    if kind.is_array:
        element = f"j{depth}"
        part = as_document(Typed(element, kind.parts[0]), depth + 1)
        return f"to_json(list_transform({value.text}, lambda {element}: {part}))"
    if kind.is_map:
        element = f"j{depth}"
        part = as_document(Typed(f"{element}.value", kind.parts[1]), depth + 1)
        keys = f"list_transform(map_keys({value.text}), lambda {element}: CAST({element} AS VARCHAR))"
        return f"to_json(map({keys}, list_transform(map_entries({value.text}), lambda {element}: {part})))"
    return f"to_json({value.text})"


def shown(value: Typed) -> str:
    """Return the text that a result shows of ``value``: documents for what has parts."""
    kind = value.kind
    if kind in (VARCHAR, LAKE_MAP, UNKNOWN):
        return value.text
    if kind in (TIMESTAMP, TIMESTAMP_TZ):
        return shown_time(value)
    if kind == VARBINARY:
        return f"hex({value.text})"
    if kind.parts or kind.fields:
        return f"CAST({as_document(value)} AS VARCHAR)"
    if kind.name in ("double", "real"):
        return f"lake_double_text({value.text})"
    return f"CAST({value.text} AS VARCHAR)"
