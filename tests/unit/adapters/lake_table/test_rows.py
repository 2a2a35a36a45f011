from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from bench.lake_events import an_event
from opentrail.adapters.lake_table.records import build_rows, read_records, row_type_of
from opentrail.resource.event_data_store import EventDataStoreKind

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWN = {"eventjson", "eventjsonchecksum"}


def rows_of(*records: bytes, kind: EventDataStoreKind = EventDataStoreKind.CLOUDTRAIL) -> list[dict[str, Any]]:
    days, aside = read_records(kind, records, NOW - timedelta(days=30), NOW + timedelta(days=1))
    assert aside == []
    return [row for found in days.values() for row in build_rows(kind, found, 7).to_pylist()]


def row_of(**members: Any) -> dict[str, Any]:
    (row,) = rows_of(orjson.dumps({"eventTime": "2026-11-21T08:00:00Z", **members}))
    return row


def test_record_with_a_member_that_no_column_has_gives_the_same_columns() -> None:
    whole = [orjson.loads(an_event(number, NOW, 50)) for number in range(50)]
    more = [{**record, "zzz": {"new": 1}} for record in whole]

    one_step = rows_of(*map(orjson.dumps, whole))
    by_member = rows_of(*map(orjson.dumps, more))

    assert [{name: value for name, value in row.items() if name not in OWN} for row in one_step] == [
        {name: value for name, value in row.items() if name not in OWN} for row in by_member
    ]
    assert all(orjson.loads(row["eventjson"])["zzz"] == {"new": 1} for row in by_member)


@pytest.mark.parametrize(
    ("member", "value", "column", "stored"),
    [
        ("userAgent", 5, "useragent", "5"),
        ("userAgent", {"a": 1}, "useragent", '{"a":1}'),
        ("readOnly", "true", "readonly", True),
        ("readOnly", "perhaps", "readonly", None),
        ("requestParameters", "text", "requestparameters", '"text"'),
        ("requestParameters", None, "requestparameters", None),
        ("requestParameters", {"b": [1, 2.5]}, "requestparameters", '{"b":[1,2.5]}'),
        ("resources", {"ARN": "x"}, "resources", None),
        ("resources", [], "resources", []),
        ("userIdentity", "root", "useridentity", None),
        ("USERAGENT", "x", "useragent", "x"),
    ],
)
def test_value_that_does_not_fit_its_column_is_null_or_text_there(
    member: str, value: Any, column: str, stored: Any
) -> None:
    assert row_of(**{member: value})[column] == stored


def test_item_of_a_list_that_is_no_object_is_null() -> None:
    row = row_of(resources=[{"ARN": "a", "type": 5}, "b", None])

    empty = {"accountid": None, "type": "5", "arn": "a", "arnprefix": None}
    assert row["resources"] == [empty, None, None]


def test_audit_event_has_its_own_columns() -> None:
    record = {
        "eventTime": "2026-11-21T08:00:00Z",
        "eventCategory": "ActivityAuditLog",
        "metadata": {"ingestionTime": "2026-11-21T08:00:01Z", "channelARN": "c"},
        "eventData": {"UID": "u", "userIdentity": {"type": "t", "principalId": "p", "details": {"a": 1}}},
    }

    (row,) = rows_of(orjson.dumps(record), kind=EventDataStoreKind.ACTIVITY_AUDIT_LOG)

    assert row["metadata"]["channelarn"] == "c"
    assert row["eventdata"]["uid"] == "u"
    assert row["eventdata"]["useridentity"] == {"type": "t", "principalid": "p", "details": '{"a":1}'}


@pytest.mark.parametrize(
    "record",
    [b'{"eventTime":"2026-11-21T08:00:00Z","a":"\xff"}', b'{"eventTime":"\\ud800"}', b'{"a":' * 3000, b"NaN", b""],
)
def test_what_is_no_record_is_set_aside(record: bytes) -> None:
    days, aside = read_records(EventDataStoreKind.CLOUDTRAIL, [record], NOW - timedelta(days=30), NOW)

    assert days == {}
    assert [one.event for one in aside] == [record]


def test_chunk_with_text_or_members_out_of_the_ordinary_is_read_whole() -> None:
    usual, text, new = (
        orjson.dumps({"eventTime": "2026-11-21T08:00:00Z", "userAgent": agent, **more})
        for agent, more in (("a", {}), ("ü", {}), ("b", {"zzz": 1}))
    )
    row_type = row_type_of(EventDataStoreKind.CLOUDTRAIL)

    rows = row_type.read_all([usual, text, new])

    assert rows is not None
    assert [row.useragent for row in rows] == ["a", "ü", "b"]
    assert row_type.read_all([usual, b'{"userAgent":"\xff"}']) is None
    assert row_type.read_all([usual, b"[]"]) is None
