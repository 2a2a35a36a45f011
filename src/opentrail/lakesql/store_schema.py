"""The columns of an event data store as the SQL sees them, made from the lake's own description of what is stored."""

from collections.abc import Sequence
from functools import cache

from opentrail.lakesql.schema import TableSchema
from opentrail.lakesql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    LAKE_MAP,
    TIMESTAMP,
    VARCHAR,
    SqlType,
    array,
    row,
)
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import COLUMNS, Array, Column, LakeType, Scalar, Struct

_SCALARS = {
    Scalar.TEXT: VARCHAR,
    Scalar.JSON: LAKE_MAP,
    Scalar.BOOLEAN: BOOLEAN,
    Scalar.TIMESTAMP: TIMESTAMP,
    Scalar.INTEGER: BIGINT,
    Scalar.DOUBLE: DOUBLE,
}


def table_schema(columns: Sequence[Column]) -> TableSchema:
    """Return what the SQL makes of stored columns: free-form JSON is a map of strings."""
    return TableSchema(tuple((column.name, _type_of(column.type)) for column in columns))


@cache
def schema_of_kind(kind: EventDataStoreKind) -> TableSchema:
    """Return the published columns of an event data store of this kind."""
    return table_schema(COLUMNS[kind])


def _type_of(kind: LakeType) -> SqlType:
    match kind:
        case Struct(members):
            return row(tuple((member.name, _type_of(member.type)) for member in members))
        case Array(item):
            return array(_type_of(item))
        case Scalar():
            return _SCALARS[kind]
