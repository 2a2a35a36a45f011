"""The Arrow types of ``resource.lake_columns``, and how values as JSON has them become values of each."""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pyarrow as pa

from opentrail.resource.lake_columns import Array, Column, LakeType, Scalar

# The default pool keeps 130 MB resident from its first use on; the system's keeps what is in use.
pa.set_memory_pool(pa.system_memory_pool())

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SCALARS = {
    Scalar.TEXT: pa.string(),
    Scalar.JSON: pa.string(),
    Scalar.BOOLEAN: pa.bool_(),
    Scalar.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Scalar.INTEGER: pa.int64(),
    Scalar.DOUBLE: pa.float64(),
}


def arrow_type(kind: LakeType) -> pa.DataType:
    """Return the Arrow type of a column's type."""
    if isinstance(kind, Scalar):
        return SCALARS[kind]
    if isinstance(kind, Array):
        return pa.list_(arrow_type(kind.item))
    return pa.struct([(member.name, arrow_type(member.type)) for member in kind.members])


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of a table's columns."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in columns])


def lowered(value: Any) -> dict[str, Any] | None:
    """Return a record's object with its member names in lower case, None for anything else."""
    return {name.lower(): item for name, item in value.items()} if isinstance(value, dict) else None


def checksum(record: bytes) -> bytes:
    """Return what ``eventjsonchecksum`` says of a record: its SHA-256 in base64, as PutAuditEvents has checksums."""
    return b2a_base64(sha256(record).digest(), newline=False)


def microseconds(moment: datetime) -> int:
    """Return a moment as Arrow counts it."""
    return (moment - _EPOCH) // _MICROSECOND


def parse_moment(text: str) -> datetime:
    """Read a date with a time as records have it, in UTC unless it names another zone; raises ValueError."""
    if len(text) < len("2026-01-01T00:00:00") or text[10] not in "T ":
        raise ValueError(f"{text[:40]!r} is no time")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is no time in UTC") from error


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [value if value.__class__ is str or value is None else _json_text(value) for value in values]


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _booleans(values: Sequence[Any]) -> list[bool | None]:
    return [value if value.__class__ is bool else _BOOLEANS.get(str(value)) for value in values]


_BOOLEANS = {"true": True, "false": False}


def _times(values: Sequence[Any]) -> list[int | None]:
    known: dict[str, int | None] = {}
    found: list[int | None] = []
    for value in values:
        if not isinstance(value, str):
            found.append(None)
            continue
        if value not in known:
            known[value] = _time(value)
        found.append(known[value])
    return found


def _time(text: str) -> int | None:
    try:
        return microseconds(parse_moment(text))
    except ValueError:
        return None


def _integers(values: Sequence[Any]) -> list[int | None]:
    return [value if value.__class__ is int and -(1 << 63) <= value < 1 << 63 else None for value in values]


def _doubles(values: Sequence[Any]) -> list[float | None]:
    return [float(value) if value.__class__ in (int, float) else None for value in values]


CONVERSIONS: dict[Scalar, Callable[[Sequence[Any]], list[Any]]] = {
    Scalar.TEXT: _texts,
    Scalar.BOOLEAN: _booleans,
    Scalar.TIMESTAMP: _times,
    Scalar.INTEGER: _integers,
    Scalar.DOUBLE: _doubles,
}
"""From values as JSON has them to what Arrow takes for a column; None where a value does not fit."""
