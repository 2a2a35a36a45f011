"""Rows that are made a chunk at a time are those that records give all at once, by day and in the order of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.adapters.lake_table import building
from opentrail.adapters.lake_table.building import RowBuilder
from opentrail.adapters.lake_table.records import build_rows, read_records
from opentrail.digest.merkle import leaf_hash
from opentrail.ports.lake_table import Unfit
from opentrail.resource.event_data_store import EventDataStoreKind

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLDEST, NEWEST = NOW - timedelta(days=3), NOW + timedelta(days=1)
KIND = EventDataStoreKind.CLOUDTRAIL

identities = st.sampled_from([None, {}, {"type": "Root"}, {"arn": "a", "new": 1}, {"userName": 5}, "root"])
records = st.fixed_dictionaries(
    {"eventTime": st.integers(-400_000, 200_000).map(lambda at: (NOW + timedelta(seconds=at)).isoformat())},
    optional={
        "userIdentity": identities,
        "resources": st.sampled_from([[], [{"ARN": "x"}], [{"ARN": "y"}, None], "z"]),
        "requestParameters": st.sampled_from([None, {"a": "ü"}, [1], "text"]),
        "readOnly": st.sampled_from([True, "false", "x"]),
        "eventID": st.text(max_size=3),
        "zzz": st.none(),
    },
)
unreadable = st.sampled_from([b"", b"5", b"{}", b'{"eventTime":"soon"}', b'{"eventTime":7}', b'{"a":"\xff"}'])


@settings(max_examples=60, deadline=None)
@given(st.lists(records.map(orjson.dumps) | unreadable, max_size=30), st.sampled_from([1, 3, 1_000]))
def test_chunks_give_the_rows_that_records_give_at_once(events: list[bytes], chunk: int) -> None:
    days, aside = read_records(KIND, events, OLDEST, NEWEST)
    builder = RowBuilder(KIND, OLDEST, NEWEST)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK_RECORDS", chunk)
        builder.add_all(iter(events))

    found = builder.days()
    assert builder.aside == aside
    assert list(found) == list(days)
    for day, rows in found.items():
        assert rows.table.to_pylist() == build_rows(KIND, days[day], 0).to_pylist()
        assert rows.leaves == [leaf_hash(record.data) for record in days[day]]


def test_records_of_no_day_are_told_apart() -> None:
    def at(days: int) -> bytes:
        return orjson.dumps({"eventTime": (NOW + timedelta(days=days)).isoformat()})

    builder = RowBuilder(KIND, OLDEST, NEWEST)
    builder.add_all([at(0), at(-5), at(3), b"{}"])

    assert [one.unfit for one in builder.aside] == [Unfit.TOO_OLD, Unfit.TOO_NEW, Unfit.UNREADABLE]
    assert [len(rows.leaves) for rows in builder.days().values()] == [1]


def test_no_records_are_no_days() -> None:
    builder = RowBuilder(KIND, OLDEST, NEWEST)
    builder.add_all(())

    assert builder.days() == {}


def row_with(**members: Any) -> dict[str, Any]:
    builder = RowBuilder(KIND, OLDEST, NEWEST)
    builder.add_all([orjson.dumps({"eventTime": NOW.isoformat(), **members})])
    (rows,) = builder.days().values()
    row: dict[str, Any] = rows.table.to_pylist()[0]
    return row


def test_member_that_every_record_lacks_is_null() -> None:
    assert row_with()["useridentity"] is None
    assert row_with()["requestparameters"] is None
