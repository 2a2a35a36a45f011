"""Records as typed rows: decoded straight into structs that follow the table's columns, then turned into columns.

A record that has only members with a column of their own, each of its column's type, is decoded in one step. Any other
is read member by member, whatever the case of their names: a value that does not fit its column is NULL there (or its
JSON text, in a text column). Both ways give the same columns; the record itself is kept beside them in any case.

Members with parts (identities, resources) stay JSON until then and are read once for all records that have the same:
most of a caller's do.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, Protocol

import msgspec
import orjson
import pyarrow as pa

from opentrail.adapters.lake_table.arrow import CONVERSIONS, SCALARS, TimeTexts, arrow_type, lowered
from opentrail.resource.lake_columns import Array, Column, LakeType, Scalar, Struct

Row = Any
"""A struct with a member for each column, as ``RowType`` makes them."""

_MIXED_CASE = """
accessKeyId accountId additionalEventData apiVersion awsRegion channelARN cipherSuite
clientProvidedHostHeader creationDate credentialsIssuedTo ec2IssuedInVpc ec2RoleDelivery edgeDeviceDetails
errorCode errorMessage eventCategory eventContext eventData eventID eventName eventSource eventTime
eventType eventVersion federatedProvider identityProvider identityStoreArn inScopeOf ingestionTime
insightDetails invokedBy issuerType managementEvent mfaAuthenticated onBehalfOf originalEventID originalUID
principalId principalTags readOnly recipientAccountId requestContext requestID requestParameters
resourceTags responseElements serviceEventDetails sessionContext sessionCredentialFromConsole sessionIssuer
sharedEventID sourceAccount sourceArn sourceIPAddress sourceIdentity tagContext tlsDetails tlsVersion
updatedFields userAgent userId userIdentity userName vpcEndpointAccountId vpcEndpointId webIdFederationData
"""

_WIRE_NAMES = {name.lower(): name for name in _MIXED_CASE.split()}
"""How records spell the members that are not all in lower case."""

_OF_RESOURCES = {"arn": "ARN", "arnprefix": "ARNPrefix"}
_OF_AUDIT_EVENTS = {"uid": "UID"}
_NO_JSON = msgspec.Raw(b"")
_NULL = b"null"
_NO_VALUES = (b"", _NULL)

_FIELD_TYPES: dict[Scalar, Any] = {
    Scalar.TEXT: str | None,
    Scalar.JSON: msgspec.Raw,
    Scalar.BOOLEAN: bool | None,
    Scalar.TIMESTAMP: str | None,
    Scalar.INTEGER: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None,
    Scalar.DOUBLE: float | None,
}


_KEPT_NULLS = 100
_KEPT_NULLS_ROWS = 1_000
"""Columns without any value that are kept to be used again, and the most rows that one has: those of a chunk."""


class RowType:
    """How records become rows of ``columns``, and rows become Arrow arrays."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(columns)
        # By identity: the hash of a struct goes over all its members.
        self._types: dict[int, type[msgspec.Struct]] = {}
        self._arrow_types = {id(kind): arrow_type(kind) for one in columns for kind in _parts_of(one.type)}
        self._nulls: dict[tuple[pa.DataType, int], pa.Array] = {}
        top = tuple(Column(one.name, Scalar.JSON if _has_parts(one.type) else one.type) for one in columns)
        self._struct = Struct(top)
        self._decode: Callable[[bytes], Row] = msgspec.json.Decoder(self._type_of(self._struct)).decode
        self._decode_part: dict[int, Callable[[bytes], Any]] = {
            id(one.type): msgspec.json.Decoder(self._field_type(one.type)).decode
            for one in columns
            if _has_parts(one.type)
        }

    def read(self, record: bytes) -> Row:
        """Return a record's row; raises ValueError when it is no JSON object, or no UTF-8."""
        if not record.isascii():
            record.decode()
        try:
            return self._decode(record)
        except (msgspec.MsgspecError, RecursionError):
            row = self._coerced(self._struct, orjson.loads(record))
        if row is None:
            raise ValueError("it is no JSON object")
        return row

    def read_all(self, records: Sequence[bytes]) -> list[Row] | None:
        """Return the rows of records, None when one of them has none: ``read`` tells why."""
        if all(map(bytes.isascii, records)):
            try:
                return list(map(self._decode, records))
            except (msgspec.MsgspecError, RecursionError):
                pass
        try:
            return list(map(self.read, records))
        except ValueError:
            return None

    def column(self, column: Column, times: TimeTexts) -> "ColumnChunks":
        """Return what makes a column's array of its values, some of them at a time."""
        if column.type is Scalar.TIMESTAMP:
            return _TimeChunks(self, times)
        return _PartChunks(self, column.type) if _has_parts(column.type) else _ScalarChunks(self, column.type)

    def nulls(self, kind: pa.DataType, count: int) -> pa.Array:
        """Return so many nulls: most columns of a chunk of records have nothing else, and share them."""
        found = self._nulls.get((kind, count))
        if found is None:
            found = pa.nulls(count, kind)
            if count <= _KEPT_NULLS_ROWS:
                if len(self._nulls) >= _KEPT_NULLS:
                    self._nulls.clear()
                self._nulls[kind, count] = found
        return found

    def place(self, name: str) -> int:
        """Return where a column stands among those of a row."""
        return [column.name for column in self._columns].index(name)

    def columns(self) -> "RowChunks":
        """Return what makes columns of rows, some of them at a time."""
        times = TimeTexts()
        return RowChunks({column.name: self.column(column, times) for column in self._columns}, times)

    def arrays(self, rows: Sequence[Row]) -> dict[str, pa.Array]:
        """Return the columns of rows by name."""
        columns = self.columns()
        columns.add(rows)
        return columns.arrays()

    def _type_of(self, struct: Struct) -> type[msgspec.Struct]:
        if id(struct) not in self._types:
            names = {member.name for member in struct.members}
            wire = _WIRE_NAMES | (_OF_RESOURCES if "arnprefix" in names else {}) | _OF_AUDIT_EVENTS
            self._types[id(struct)] = msgspec.defstruct(
                "Row",
                [
                    (member.name, self._field_type(member.type), _NO_JSON if member.type is Scalar.JSON else None)
                    for member in struct.members
                ],
                rename={name: wire[name] for name in names & wire.keys()},
                forbid_unknown_fields=True,
                gc=False,
            )
        return self._types[id(struct)]

    def _field_type(self, kind: LakeType) -> Any:
        if isinstance(kind, Struct):
            return self._type_of(kind) | None
        if isinstance(kind, Array):
            return list[self._field_type(kind.item)] | None  # type: ignore[misc]
        return _FIELD_TYPES[kind]

    def _coerced(self, kind: LakeType, value: Any) -> Any:
        """Return ``value`` as its column takes it: what decoding in one step would give, as far as it fits."""
        if isinstance(kind, Struct):
            members = lowered(value)
            if members is None:
                return None
            given = {member.name: self._coerced(member.type, members.get(member.name)) for member in kind.members}
            return self._type_of(kind)(**given)
        if isinstance(kind, Array):
            return [self._coerced(kind.item, item) for item in value] if isinstance(value, list) else None
        if kind is Scalar.JSON:
            return msgspec.Raw(orjson.dumps(value))
        if kind is Scalar.TIMESTAMP:
            return value if isinstance(value, str) else None
        return CONVERSIONS[kind]([value])[0]

    def part(self, kind: LakeType, raw: bytes) -> Any:
        """Return the value of a member with parts, None where it does not fit its column."""
        if raw in _NO_VALUES:
            return None
        try:
            return self._decode_part[id(kind)](raw)
        except (msgspec.MsgspecError, RecursionError):
            pass
        try:
            return self._coerced(kind, orjson.loads(raw))
        except ValueError:
            return None  # what decoding does not look at, such as half of a surrogate pair

    def array(self, kind: LakeType, values: Sequence[Any]) -> pa.Array:
        """Return values as ``read`` and ``part`` have them as an array of their column's type."""
        if _are_all(None, values):
            return self.nulls(SCALARS[kind] if isinstance(kind, Scalar) else self._arrow_types[id(kind)], len(values))
        if not isinstance(kind, Scalar):
            return self._structs(kind, values) if isinstance(kind, Struct) else self._lists(kind, values)
        if kind is Scalar.JSON:
            texts = [_NULL] if _are_all(_NO_JSON, values) else list(map(bytes, values))
            if texts.count(_NULL) == len(texts):
                return self.nulls(SCALARS[kind], len(values))
            if _NULL in texts or b"" in texts:
                return pa.array([None if value in _NO_VALUES else value for value in texts], SCALARS[kind])
            return pa.array(texts, SCALARS[kind])
        if kind is Scalar.TIMESTAMP:
            return pa.array(CONVERSIONS[kind](values), SCALARS[kind])
        return pa.array(values, SCALARS[kind])

    def _structs(self, kind: Struct, rows: Sequence[Any]) -> pa.Array:
        blank = self._type_of(kind)()
        mask = pa.array([row is None for row in rows], pa.bool_())
        whole = [blank if row is None else row for row in rows]
        children = [self.array(member.type, _values(member, whole)) for member in kind.members]
        return pa.StructArray.from_arrays(children, fields=list(self._arrow_types[id(kind)]), mask=mask)

    def _lists(self, kind: Array, rows: Sequence[Any]) -> pa.Array:
        offsets = [0]
        items: list[Any] = []
        for row in rows:
            items += row or ()
            offsets.append(len(items))
        mask = pa.array([row is None for row in rows], pa.bool_())
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), self.array(kind.item, items), type=self._arrow_types[id(kind)], mask=mask
        )


class ColumnChunks(Protocol):
    """One column of rows that come some at a time."""

    def add(self, values: Sequence[Any]) -> None: ...

    def array(self, order: pa.Array | None) -> pa.Array | pa.ChunkedArray:
        """Return all that was added, or what stands at the places that ``order`` names, in its order."""
        ...


class _ScalarChunks:
    def __init__(self, row_type: RowType, kind: LakeType) -> None:
        self._row_type = row_type
        self._kind = kind
        self._chunks: list[pa.Array] = []

    def add(self, values: Sequence[Any]) -> None:
        self._chunks.append(self._row_type.array(self._kind, values))

    def array(self, order: pa.Array | None) -> pa.Array | pa.ChunkedArray:
        return joined(self._chunks, arrow_type(self._kind), order)


class _TimeChunks(_ScalarChunks):
    def __init__(self, row_type: RowType, times: TimeTexts) -> None:
        super().__init__(row_type, Scalar.TIMESTAMP)
        self._times = times

    def add(self, values: Sequence[Any]) -> None:
        found = self._times.read_all(values)
        if found is None:
            self._chunks.append(pa.array(self._times.read(values), SCALARS[Scalar.TIMESTAMP]))
        else:
            buffer = pa.py_buffer(array("q", found))
            self._chunks.append(pa.Array.from_buffers(SCALARS[Scalar.TIMESTAMP], len(found), [None, buffer]))


class _PartChunks:
    """Members with parts: each different text is read once, and rows name it by its number."""

    def __init__(self, row_type: RowType, kind: LakeType) -> None:
        self._row_type = row_type
        self._kind = kind
        self._numbers: dict[bytes, int] = {}
        self._chunks: list[pa.Array] = []
        self._known: pa.Array | None = None

    def add(self, values: Sequence[Any]) -> None:
        number = self._numbers.setdefault
        if _are_all(_NO_JSON, values):
            found = [number(b"", len(self._numbers))] * len(values)
        else:
            found = [number(raw, len(self._numbers)) for raw in map(bytes, values)]
        self._chunks.append(pa.Array.from_buffers(pa.int32(), len(found), [None, pa.py_buffer(array("i", found))]))

    def array(self, order: pa.Array | None) -> pa.Array | pa.ChunkedArray:
        if self._known is None:
            part, kind = self._row_type.part, self._kind
            self._known = self._row_type.array(kind, [part(kind, raw) for raw in self._numbers])
        numbers = pa.chunked_array(self._chunks, pa.int32()).combine_chunks()
        if order is None and len(self._known) == len(numbers):
            return self._known
        return self._known.take(numbers if order is None else numbers.take(order))


class RowChunks:
    """Rows that come some at a time, by column. A few thousand at a time stay in the processor's caches: three times as
    fast as all of a batch at once."""

    def __init__(self, columns: Mapping[str, ColumnChunks], times: TimeTexts) -> None:
        self.times = times
        self._columns = columns

    def add(self, rows: Sequence[Row]) -> None:
        if rows:
            self.add_columns(values_of(rows))

    def add_columns(self, values: Iterable[Sequence[Any]]) -> None:
        """Take in rows as ``values_of`` has them."""
        for column, of_column in zip(self._columns.values(), values, strict=True):
            column.add(of_column)

    def whole(self, name: str) -> pa.Array:
        """Return one column of all rows, in one piece."""
        return self._columns[name].array(None).combine_chunks()

    def arrays(self, order: pa.Array | None = None) -> dict[str, pa.Array | pa.ChunkedArray]:
        """Return the columns by name, of all rows or of those that ``order`` names by their places."""
        return {name: column.array(order) for name, column in self._columns.items()}


def values_of(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the values of rows by column, in the order of the columns."""
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True))


def joined(chunks: Sequence[pa.Array], kind: pa.DataType, order: pa.Array | None) -> pa.ChunkedArray:
    """Return chunks of a column in one piece, which is written to Parquet a tenth faster; else as ``ordered`` does."""
    return ordered([pa.concat_arrays(chunks)] if order is None and chunks else chunks, kind, order)


def ordered(chunks: Sequence[pa.Array], kind: pa.DataType, order: pa.Array | None) -> pa.ChunkedArray:
    """Return chunks of a column as they are, or what stands at the places that ``order`` names, in its order."""
    whole = pa.chunked_array(chunks, kind)
    return whole if order is None else whole.take(order)


def _are_all(value: Any, values: Sequence[Any]) -> bool:
    """Say whether all are the very same. Counting is fast where they are."""
    return bool(values) and values[0] is value and values.count(value) == len(values)


def _has_parts(kind: LakeType) -> bool:
    return not isinstance(kind, Scalar)


def _parts_of(kind: LakeType) -> Iterator[LakeType]:
    """Yield a type with parts, and those of its parts that have some."""
    if isinstance(kind, Scalar):
        return
    yield kind
    for part in (kind.item,) if isinstance(kind, Array) else (member.type for member in kind.members):
        yield from _parts_of(part)


def _values(member: Column, rows: Sequence[Row]) -> list[Any]:
    return list(map(attrgetter(member.name), rows))
