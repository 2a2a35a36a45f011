"""Records as they come from the journal: which day each belongs to, and the rows of a day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

import pyarrow as pa

from opentrail.adapters.lake_table.arrow import SCALARS, arrow_schema, checksum, microseconds, parse_moment
from opentrail.adapters.lake_table.rows import Row, RowType
from opentrail.clock import format_time
from opentrail.ports.lake_table import SetAside, Unfit
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import COLUMNS, COMMIT_COLUMN, INDEX_COLUMN, Scalar, stored_columns


@dataclass(frozen=True, slots=True)
class Record:
    """One record that the table takes: its moment, its bytes, and its row."""

    moment: datetime
    data: bytes
    row: Row


def read_records(
    kind: EventDataStoreKind, events: Iterable[bytes], oldest: datetime, newest: datetime
) -> tuple[dict[date, list[Record]], list[SetAside]]:
    """Return the records by day, each day in the order of time, and what is to be set aside.

    Records of the same moment keep their order.
    """
    read_row = row_type_of(kind)
    days: dict[date, list[Record]] = {}
    aside: list[SetAside] = []
    moments: dict[str, datetime] = {}
    for data in events:
        try:
            record = _read(read_row, data, moments)
        except ValueError as error:
            aside.append(SetAside(data, str(error), Unfit.UNREADABLE))
            continue
        if oldest <= record.moment <= newest:
            days.setdefault(record.moment.date(), []).append(record)
        else:
            why = f"its eventTime is not from {format_time(oldest)} to {format_time(newest)}"
            aside.append(SetAside(data, why, Unfit.TOO_OLD if record.moment < oldest else Unfit.TOO_NEW))
    for records in days.values():
        records.sort(key=lambda record: record.moment)
    return dict(sorted(days.items())), aside


@cache
def row_type_of(kind: EventDataStoreKind) -> RowType:
    """Return how records become rows of a table of this kind."""
    own = {"eventjson", "eventjsonchecksum"}
    return RowType([column for column in COLUMNS[kind] if column.name not in own])


def _read(row_type: RowType, data: bytes, moments: dict[str, datetime]) -> Record:
    row = row_type.read(data)
    text = row.eventtime
    if text is None:
        raise ValueError("it has no eventTime")
    if text not in moments:
        moments[text] = parse_moment(text)
    return Record(moments[text], data, row)


def build_rows(kind: EventDataStoreKind, records: Sequence[Record], commit: int) -> pa.Table:
    """Return one day's records as the rows that its file has, in their order."""
    count = len(records)
    arrays = row_type_of(kind).arrays([record.row for record in records])
    arrays["eventtime"] = pa.array([microseconds(record.moment) for record in records], SCALARS[Scalar.TIMESTAMP])
    arrays["eventjson"] = pa.array([record.data for record in records], pa.binary()).cast(pa.string())
    arrays["eventjsonchecksum"] = pa.array([checksum(record.data) for record in records], pa.string())
    arrays[COMMIT_COLUMN] = pa.array([commit] * count, pa.int64())
    arrays[INDEX_COLUMN] = pa.array(range(count), pa.int64())
    schema = arrow_schema(stored_columns(kind))
    return pa.table([arrays[name] for name in schema.names], schema=schema)
