"""Records as they come from the journal: which day each belongs to, and the rows of a day."""

from array import array
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa

from opentrail.adapters.lake_table.arrow import arrow_schema, checksums, parse_moment
from opentrail.adapters.lake_table.rows import Row, RowType
from opentrail.clock import format_time
from opentrail.ports.lake_table import SetAside, Unfit
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import COLUMNS, COMMIT_COLUMN, INDEX_COLUMN, stored_columns

_MAX_TEXT_BYTES = (1 << 31) - 1
"""What one Arrow array of texts holds."""


class Record(NamedTuple):
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
    read = row_type_of(kind).read
    aside: list[SetAside] = []
    moments: dict[str | None, tuple[datetime, list[Record] | Unfit]] = {}
    days: dict[date, list[Record]] = {}
    for data in events:
        try:
            row = read(data)
            text = row.eventtime
            if text not in moments:
                moment = moment_of(row)
                unfit = Unfit.TOO_OLD if moment < oldest else Unfit.TOO_NEW if moment > newest else None
                moments[text] = (moment, unfit or days.setdefault(moment.date(), []))
        except ValueError as error:
            aside.append(SetAside(data, str(error), Unfit.UNREADABLE))
            continue
        moment, place = moments[text]
        if isinstance(place, list):
            place.append(Record(moment, data, row))
        else:
            why = f"its eventTime is not from {format_time(oldest)} to {format_time(newest)}"
            aside.append(SetAside(data, why, place))
    for records in days.values():
        records.sort(key=itemgetter(0))
    return dict(sorted(days.items())), aside


@cache
def row_type_of(kind: EventDataStoreKind) -> RowType:
    """Return how records become rows of a table of this kind."""
    own = {"eventjson", "eventjsonchecksum"}
    return RowType([column for column in COLUMNS[kind] if column.name not in own])


def moment_of(row: Row) -> datetime:
    """Return when a row's event was; raises ValueError."""
    if row.eventtime is None:
        raise ValueError("it has no eventTime")
    return parse_moment(row.eventtime)


def build_rows(kind: EventDataStoreKind, records: Sequence[Record], commit: int) -> pa.Table:
    """Return one day's records as the rows that its file has, in their order."""
    count = len(records)
    arrays = row_type_of(kind).arrays([record.row for record in records])
    arrays["eventjson"] = text_array([record.data for record in records])
    arrays["eventjsonchecksum"] = checksums([record.data for record in records])
    arrays[COMMIT_COLUMN] = pa.array([commit] * count, pa.int64())
    arrays[INDEX_COLUMN] = pa.array(range(count), pa.int64())
    schema = arrow_schema(stored_columns(kind))
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def text_array(texts: Sequence[bytes]) -> pa.Array:
    """Return texts, known to be UTF-8, as an array: one copy of their bytes, where building it value by value takes
    ten times as long for texts of a kilobyte."""
    ends = array("q", accumulate(map(len, texts), initial=0))
    if ends[-1] > _MAX_TEXT_BYTES:
        return pa.array(texts, pa.string())
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(array("i", ends)), pa.py_buffer(b"".join(texts)))


def numbered(rows: pa.Table, commit: int) -> pa.Table:
    """Return rows of one day as those of another commit, in their order."""
    count = rows.num_rows
    for name, values in ((COMMIT_COLUMN, [commit] * count), (INDEX_COLUMN, range(count))):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.int64()))
    return rows
