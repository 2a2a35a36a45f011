"""What rules and tallies ask most, taken out of a file of immutable events once, so that few are ever decoded again.

In: the events of one file, in its order. Out: bytes (``docs/formats/event-columns.md``) with a column for each of
MEMBERS: a list of the values that came, as JSON, and for each row which of them. A column whose values are more than
MAX_VALUES_BYTES is not kept. Rows that columns cannot stand for are listed as odd, and are read themselves.
"""

import struct
import zlib
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from opentrail.query.replay.naming import EventTimes, principal_of

MEMBERS = (
    "eventVersion",
    "userIdentity",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "additionalEventData",
    "readOnly",
    "eventType",
    "apiVersion",
    "managementEvent",
    "recipientAccountId",
    "vpcEndpointId",
    "eventCategory",
    "sessionCredentialFromConsole",
    "tlsDetails",
)
"""Members of a record that have a column of their own."""

SCOPE, PRINCIPAL, MINUTE = "scope", "principal", "minute"
"""Columns that no member has: account and Region of the event's keeper, whom its call counts for, its minute."""

MAX_VALUES_BYTES = 8 << 20
MAX_ROWS = 1 << 24

MAGIC = b"OTCOLS\x00\x01"
_ALL = (*MEMBERS, SCOPE, PRINCIPAL, MINUTE)
_NOTHING = object()
_ABSENT = (_NOTHING,) * len(MEMBERS)
_LEVEL = 1
_word = struct.Struct("<I")
_CODES = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32))


class ColumnsDamaged(Exception):
    """Bytes are not the columns of these events, or not whole."""


class ColumnsBuilder:
    """Collects rows. Memory: about 300 bytes for each, and the values that came."""

    def __init__(self) -> None:
        self._seen: list[dict[str | bytes, int]] = [{} for _ in _ALL]
        self._values: list[list[bytes]] = [[] for _ in _ALL]
        self._bytes = [0 for _ in _ALL]
        self._dropped: set[int] = set()
        self._rows: list[list[int]] = []
        self._times: list[int] = []
        self._odd: list[int] = []
        self._clock = EventTimes()

    def add(self, raw: bytes, scope: str, seconds: int | None = None) -> None:
        """Add an event; ``seconds`` is what its file takes for its time, when that is kept beside it."""
        row = self._row_of(raw, scope, seconds)
        if row is None:
            self._odd.append(len(self._times))
            self._times.append(0 if seconds is None else seconds)
            row = [0] * len(_ALL)
        self._rows.append(row)

    def encode(self, made_of: str) -> bytes:
        """Return the columns; ``made_of`` names what they were taken from."""
        base = min(self._times, default=0)
        sections = [zlib.compress(array("Q", [time - base for time in self._times]).tobytes(), _LEVEL)]
        columns: dict[str, list[int]] = {}
        for place, name in enumerate(_ALL):
            if place in self._dropped:
                continue
            values = self._values[place]
            code = next(code for code, limit in _CODES if len(values) < limit)
            ids = array(code, [row[place] for row in self._rows])
            columns[name] = [len(sections), ids.itemsize]
            sections.append(zlib.compress(ids.tobytes(), _LEVEL))
            sections.append(zlib.compress(b"[" + b",".join(values) + b"]", _LEVEL))
        header = orjson.dumps(
            {
                "made_of": made_of,
                "rows": len(self._times),
                "odd": self._odd,
                "base": base,
                "columns": columns,
                "sections": [len(section) for section in sections],
            }
        )
        body = b"".join((_word.pack(len(header)), header, *sections))
        return b"".join((MAGIC, _word.pack(zlib.crc32(body)), body))

    def _row_of(self, raw: bytes, scope: str, seconds: int | None) -> list[int] | None:
        """Return a row's numbers, None for one that its columns would not be the same as."""
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(record, dict) or "." in "".join(record):
            return None
        time = self._clock.seconds(record.get("eventTime"))
        if time is None or (seconds is not None and time != seconds):
            return None
        row: list[int] = []
        values = (*map(record.get, MEMBERS, _ABSENT), scope, principal_of(record), time // 60)
        for place, value in enumerate(values):
            if value is _NOTHING:
                row.append(0)
                continue
            key = value if isinstance(value, str) else orjson.dumps(value)
            number = self._seen[place].get(key)
            row.append(self._new(place, key, value) if number is None else number)
        if -1 in row:
            return None
        self._times.append(time)
        return row

    def _new(self, place: int, key: str | bytes, value: Any) -> int:
        """Return the number of a value that is new, 0 when it is not kept, -1 when JSON gives it back as another."""
        if place in self._dropped:
            return 0
        text = orjson.dumps(value)
        if orjson.loads(text) != value:
            return -1
        self._bytes[place] += len(text)
        if self._bytes[place] > MAX_VALUES_BYTES:
            self._dropped.add(place)
            self._seen[place].clear()
            self._values[place] = []
            return 0
        seen = self._seen[place]
        self._values[place].append(text)
        seen[key] = len(seen) + 1
        return len(seen)


class Columns(Protocol):
    """Rows told by columns: a column has a list of values, and a number for each row, which of them it has."""

    rows: int
    odd: list[int]

    def has(self, name: str) -> bool:
        """Say whether there is a column."""
        ...

    def ids(self, name: str) -> Sequence[int]:
        """Return for each row the number of its value, 0 for none; bytes when no number is above 255."""
        ...

    def values(self, name: str) -> list[Any]:
        """Return the values of a column; number n is the one at n - 1."""
        ...

    def times(self) -> list[int]:
        """Return each row's time, seconds since 1970; that of an odd row means nothing."""
        ...


class EventColumns:
    """The columns of one file, checked as a whole, inflated as they are asked for. Raises ColumnsDamaged at once."""

    def __init__(self, data: bytes, made_of: str) -> None:
        checked = len(MAGIC) + _word.size
        start = checked + _word.size
        if len(data) < start or data[: len(MAGIC)] != MAGIC:
            raise ColumnsDamaged
        if zlib.crc32(memoryview(data)[checked:]) != _word.unpack_from(data, len(MAGIC))[0]:
            raise ColumnsDamaged
        (length,) = _word.unpack_from(data, checked)
        said = orjson.loads(data[start : start + length])
        if said["made_of"] != made_of:
            raise ColumnsDamaged
        self.rows: int = said["rows"]
        self.odd: list[int] = said["odd"]
        self._base: int = said["base"]
        self._columns: dict[str, list[int]] = said["columns"]
        self._data = data
        self._places: list[tuple[int, int]] = []
        at = start + length
        for size in said["sections"]:
            self._places.append((at, at + size))
            at += size
        self._ids: dict[str, Sequence[int]] = {}
        self._values: dict[str, list[Any]] = {}

    def has(self, name: str) -> bool:
        """Say whether a column was kept."""
        return name in self._columns

    def ids(self, name: str) -> Sequence[int]:
        """Return for each row the number of its value, 0 for none; bytes when no number is above 255."""
        found = self._ids.get(name)
        if found is None:
            section, width = self._columns[name]
            data = self._section(section)
            found = data if width == 1 else memoryview(data).cast("H" if width == 2 else "I")
            self._ids[name] = found
        return found

    def values(self, name: str) -> list[Any]:
        """Return the values of a column; number n is the one at n - 1."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = orjson.loads(self._section(self._columns[name][0] + 1))
        return found

    def times(self) -> list[int]:
        """Return each row's time, seconds since 1970; that of an odd row means nothing."""
        base = self._base
        return [base + offset for offset in memoryview(self._section(0)).cast("Q")]

    def _section(self, number: int) -> bytes:
        start, end = self._places[number]
        return zlib.decompress(self._data[start:end], bufsize=max(1, 4 * self.rows))
