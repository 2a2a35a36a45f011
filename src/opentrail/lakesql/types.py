"""The types that expressions of the lake's SQL have: Trino's, and the lake's own map kept as JSON text.

Each knows its name in Trino (for messages and ``typeof``) and in DuckDB (for casts). Times with a zone are kept as UTC
without one: two types in Trino, one in DuckDB.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlType:
    """One type. ``parts`` are an array's element, or a map's key and value; ``fields`` are a row's."""

    name: str
    duckdb: str
    parts: tuple["SqlType", ...] = ()
    fields: tuple[tuple[str, "SqlType"], ...] = ()

    def __str__(self) -> str:
        if self.name == "row":
            return f"row({', '.join(f'{name} {kind}'.strip() for name, kind in self.fields)})"
        return f"{self.name}({', '.join(map(str, self.parts))})" if self.parts else self.name

    def field(self, name: str) -> "SqlType | None":
        """Return the type of a row's field, whatever the case of its name; None when the row has none of that name."""
        wanted = name.lower()
        return next((kind for known, kind in self.fields if known.lower() == wanted), None)

    @property
    def is_text(self) -> bool:
        """Say whether the value reads as text: a varchar, or the lake's map."""
        return self in (VARCHAR, LAKE_MAP, UNKNOWN)

    @property
    def is_integer(self) -> bool:
        return self.name in _INTEGERS

    @property
    def is_number(self) -> bool:
        return self.name in (*_INTEGERS, "decimal", "real", "double")

    @property
    def is_time(self) -> bool:
        """Say whether the value is a point in time or a day."""
        return self in (TIMESTAMP, TIMESTAMP_TZ, DATE)

    @property
    def is_array(self) -> bool:
        return self.name == "array"

    @property
    def is_map(self) -> bool:
        """Say whether the value is a map, the lake's kept as text included."""
        return self.name == "map"

    @property
    def is_row(self) -> bool:
        return self.name == "row"


_INTEGERS = ("tinyint", "smallint", "integer", "bigint")

UNKNOWN = SqlType("unknown", "VARCHAR")
"""The type of a bare NULL: it fits everywhere."""

BOOLEAN = SqlType("boolean", "BOOLEAN")
TINYINT = SqlType("tinyint", "TINYINT")
SMALLINT = SqlType("smallint", "SMALLINT")
INTEGER = SqlType("integer", "INTEGER")
BIGINT = SqlType("bigint", "BIGINT")
REAL = SqlType("real", "REAL")
DOUBLE = SqlType("double", "DOUBLE")
VARCHAR = SqlType("varchar", "VARCHAR")
VARBINARY = SqlType("varbinary", "BLOB")
DATE = SqlType("date", "DATE")
TIME = SqlType("time", "TIME")
TIMESTAMP = SqlType("timestamp", "TIMESTAMP")
TIMESTAMP_TZ = SqlType("timestamp with time zone", "TIMESTAMP")
INTERVAL = SqlType("interval", "INTERVAL")
JSON = SqlType("json", "JSON")
LAKE_MAP = SqlType("map", "VARCHAR", (VARCHAR, VARCHAR))
"""A map of strings kept as the text of a JSON object, as the lake stores requestParameters and its like."""

_WIDENING = (TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE)


def decimal(precision: int = 38, scale: int = 0) -> SqlType:
    """Return the decimal of so many digits, ``scale`` of them behind the point."""
    return SqlType("decimal", f"DECIMAL({precision},{scale})")


def scale_of(kind: SqlType) -> int:
    """Return how many digits a number keeps behind its point; integers none."""
    return int(kind.duckdb.rpartition(",")[2].rstrip(")")) if kind.name == "decimal" else 0


def array(element: SqlType) -> SqlType:
    return SqlType("array", f"{element.duckdb}[]", (element,))


def map_of(key: SqlType, value: SqlType) -> SqlType:
    return SqlType("map", f"MAP({key.duckdb}, {value.duckdb})", (key, value))


def row(fields: Sequence[tuple[str, SqlType]]) -> SqlType:
    """Return the row of these fields; one without a name is called by its place in DuckDB: ``f1``, ``f2``."""
    members = ", ".join(
        f'"{(name or f"f{at}").replace(chr(34), chr(34) * 2)}" {kind.duckdb}'
        for at, (name, kind) in enumerate(fields, 1)
    )
    return SqlType("row", f"STRUCT({members})", (), tuple(fields))


def common_type(kinds: Sequence[SqlType]) -> SqlType | None:
    """Return the type that values of all these types are brought to, None when there is none."""
    result = UNKNOWN
    for kind in kinds:
        merged = _merge(result, kind)
        if merged is None:
            return None
        result = merged
    return result


def _merge(one: SqlType, other: SqlType) -> SqlType | None:
    if one == other or other == UNKNOWN:
        return one
    if one == UNKNOWN:
        return other
    if one.is_number and other.is_number:
        return _wider_number(one, other)
    if one.is_text and other.is_text:
        return VARCHAR
    if one.is_time and other.is_time:
        return TIMESTAMP_TZ if TIMESTAMP_TZ in (one, other) else TIMESTAMP
    if one.name == other.name and one.parts and LAKE_MAP not in (one, other):
        parts = [_merge(mine, theirs) for mine, theirs in zip(one.parts, other.parts, strict=True)]
        whole = [part for part in parts if part is not None]
        if len(whole) == len(parts):
            return array(whole[0]) if one.is_array else map_of(whole[0], whole[1])
    if one.is_map and other.is_map:
        return map_of(VARCHAR, VARCHAR) if one.parts == other.parts else None
    if one.is_row and other.is_row and len(one.fields) == len(other.fields):
        return _merge_rows(one, other)
    return None


def _merge_rows(one: SqlType, other: SqlType) -> SqlType | None:
    fields = []
    for (name, mine), (_, theirs) in zip(one.fields, other.fields, strict=True):
        merged = _merge(mine, theirs)
        if merged is None:
            return None
        fields.append((name, merged))
    return row(fields)


def _wider_number(one: SqlType, other: SqlType) -> SqlType:
    names = {one.name, other.name}
    if "decimal" in names:
        if names & {"real", "double"}:
            return DOUBLE
        return decimal(38, max(scale_of(one), scale_of(other)))
    return max(one, other, key=_WIDENING.index)
