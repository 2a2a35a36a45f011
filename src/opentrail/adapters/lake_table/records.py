"""Records as they come from the journal: which day each belongs to, and the rows of a day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import pyarrow as pa

from opentrail.adapters.lake_table.arrow import arrow_schema, build_array, checksum, lowered, microseconds, parse_moment
from opentrail.clock import format_time
from opentrail.ports.lake_table import SetAside
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import COMMIT_COLUMN, INDEX_COLUMN, stored_columns


@dataclass(frozen=True, slots=True)
class Record:
    """One record that the table takes: its moment, its bytes, and its members by lower-case name."""

    moment: datetime
    data: bytes
    members: dict[str, Any]


def read_records(
    events: Iterable[bytes], oldest: datetime, newest: datetime
) -> tuple[dict[date, list[Record]], list[SetAside]]:
    """Return the records by day, each day in the order of time, and what is to be set aside.

    Records of the same moment keep their order.
    """
    days: dict[date, list[Record]] = {}
    aside: list[SetAside] = []
    moments: dict[str, datetime] = {}
    for data in events:
        try:
            record = _read(data, moments)
        except ValueError as error:
            aside.append(SetAside(data, str(error)))
            continue
        if oldest <= record.moment <= newest:
            days.setdefault(record.moment.date(), []).append(record)
        else:
            aside.append(SetAside(data, f"its eventTime is not from {format_time(oldest)} to {format_time(newest)}"))
    for records in days.values():
        records.sort(key=lambda record: record.moment)
    return dict(sorted(days.items())), aside


def _read(data: bytes, moments: dict[str, datetime]) -> Record:
    members = lowered(orjson.loads(data))
    if members is None:
        raise ValueError("it is no JSON object")
    text = members.get("eventtime")
    if not isinstance(text, str):
        raise ValueError("it has no eventTime")
    if text not in moments:
        moments[text] = parse_moment(text)
    return Record(moments[text], data, members)


def build_rows(kind: EventDataStoreKind, records: Sequence[Record], commit: int) -> pa.Table:
    """Return one day's records as the rows that its file has, in their order. About 15 us a record."""
    columns = stored_columns(kind)
    arrays = []
    for column in columns:
        match column.name:
            case "eventtime":
                values = [microseconds(record.moment) for record in records]
                arrays.append(pa.array(values, pa.timestamp("us", tz="UTC")))
            case "eventjson":
                arrays.append(pa.array([record.data for record in records], pa.binary()).cast(pa.string()))
            case "eventjsonchecksum":
                arrays.append(pa.array([checksum(record.data) for record in records], pa.string()))
            case name if name == COMMIT_COLUMN:
                arrays.append(pa.array([commit] * len(records), pa.int64()))
            case name if name == INDEX_COLUMN:
                arrays.append(pa.array(range(len(records)), pa.int64()))
            case name:
                arrays.append(build_array(column.type, [record.members.get(name) for record in records]))
    return pa.table(arrays, schema=arrow_schema(columns))
