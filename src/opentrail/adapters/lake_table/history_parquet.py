"""Events of Event history as one Parquet file with the columns of a store of CloudTrail events; for a child process."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from opentrail.adapters.lake_table.arrow import arrow_schema
from opentrail.adapters.lake_table.files import parquet_options, sync
from opentrail.adapters.lake_table.records import build_rows, read_records
from opentrail.resource.event_data_store import EventDataStoreKind
from opentrail.resource.lake_columns import stored_columns

GROUP_EVENTS = 16_384
"""Events of one row group, which are in memory at once: about 100 MB."""

_KIND = EventDataStoreKind.CLOUDTRAIL
_EVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


def write_events(path: Path, events: Iterable[bytes]) -> int:
    """Write events to a file, flushed; return how many they are. What has no eventTime is left out."""
    schema, count, left = arrow_schema(stored_columns(_KIND)), 0, iter(events)
    with pq.ParquetWriter(path, schema, **parquet_options(schema, GROUP_EVENTS)) as writer:
        for group in _groups(left):
            days, _ = read_records(_KIND, group, *_EVER)
            records = [record for day in days.values() for record in day]
            if records:
                writer.write_table(build_rows(_KIND, records, 0))
                count += len(records)
    sync(path)
    return count


def _groups(events: Iterator[bytes]) -> Iterator[list[bytes]]:
    while group := list(islice(events, GROUP_EVENTS)):
        yield group
