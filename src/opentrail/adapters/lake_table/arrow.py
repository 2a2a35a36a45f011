"""The Arrow types of ``resource.lake_columns``, and how values as JSON has them become values of each."""

from array import array
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast

import orjson
import pyarrow as pa

from opentrail.resource.lake_columns import Array, Column, LakeType, Scalar

# The default pool keeps 130 MB resident from its first use on; the system's keeps what is in use.
pa.set_memory_pool(pa.system_memory_pool())

_CHECKSUM_CHARACTERS = 44
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


def checksums(records: Sequence[bytes]) -> pa.Array:
    """Return what ``eventjsonchecksum`` says of each record: its SHA-256 in base64, as PutAuditEvents has checksums."""
    hashes = b"\0".join([sha256(record).digest() for record in records])
    # With a byte more each hash is three bytes to the end, and all are four characters for three in one go.
    texts = bytearray(b2a_base64(hashes + b"\0", newline=False))
    texts[_CHECKSUM_CHARACTERS - 1 :: _CHECKSUM_CHARACTERS] = b"=" * len(records)
    ends = array("i", range(0, len(texts) + 1, _CHECKSUM_CHARACTERS))
    return pa.StringArray.from_buffers(len(records), pa.py_buffer(ends), pa.py_buffer(bytes(texts)))


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
    return TimeTexts().read([value if isinstance(value, str) else None for value in values])


class TimeTexts:
    """Reads times, each different text once and each second of a minute in half the time that the first one takes."""

    def __init__(self) -> None:
        self._known: dict[str | None, int | None] = {None: None}
        self._minutes: dict[str, int] = {}

    def read(self, texts: Sequence[str | None]) -> list[int | None]:
        """Return each time as Arrow counts it, None where there is none."""
        try:
            return list(map(self._known.__getitem__, texts))
        except KeyError:
            for text in set(texts) - self._known.keys():
                self._known[text] = self._read(text or "")
            return list(map(self._known.__getitem__, texts))

    def read_all(self, texts: Sequence[str | None]) -> list[int] | None:
        """Return each time as Arrow counts it, None where one of them has none."""
        found = self.read(texts)
        return None if None in found else cast("list[int]", found)

    def _read(self, text: str) -> int | None:
        minute, second = text[:_MINUTE_CHARACTERS], _SECONDS.get(text[_MINUTE_CHARACTERS:])
        if second is not None and minute in self._minutes:
            return self._minutes[minute] + second
        found = _time(text)
        if found is not None and second is not None and minute[-1] == ":":
            self._minutes[minute] = found - second
        return found


_MINUTE_CHARACTERS = len("2026-01-01T00:00:")
_SECONDS = {f"{second:02}Z": second * 1_000_000 for second in range(60)}


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
