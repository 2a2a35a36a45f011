"""Columns give back what events have, or say that they do not."""

from typing import Any

import orjson
import pytest

from opentrail.query.replay import event_columns
from opentrail.query.replay.event_columns import MEMBERS, SCOPE, ColumnsBuilder, ColumnsDamaged, EventColumns
from tests.builders import an_event

SCOPE_TEXT = "111111111111 us-east-1"


def columns_of(*records: bytes) -> EventColumns:
    builder = ColumnsBuilder()
    for raw in records:
        builder.add(raw, SCOPE_TEXT)
    return EventColumns(builder.encode("these"), "these")


def members_in(columns: EventColumns, row: int) -> dict[str, Any]:
    return {name: columns.values(name)[number - 1] for name in MEMBERS if (number := columns.ids(name)[row])}


def test_each_row_has_its_members_as_they_were_null_and_absent_apart() -> None:
    events = [an_event(), an_event(errorCode=None), an_event(errorCode="None"), an_event(errorCode=["a", {"b": 1.0}])]
    columns = columns_of(*map(orjson.dumps, events))

    for row, event in enumerate(events):
        assert members_in(columns, row) == {name: event[name] for name in MEMBERS if name in event}
    assert columns.values(SCOPE) == [SCOPE_TEXT]
    assert columns.odd == []


def test_values_that_are_spelled_alike_stay_apart() -> None:
    values: list[Any] = [1, True, "1", "true", 1.0, None, "null"]
    columns = columns_of(*(orjson.dumps(an_event(apiVersion=value)) for value in values))

    assert [orjson.dumps(members_in(columns, row)["apiVersion"]) for row in range(7)] == list(map(orjson.dumps, values))


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"{",
        orjson.dumps(an_event() | {"userIdentity.type": "Root"}),
        orjson.dumps(an_event(eventTime="yesterday")),
        orjson.dumps(an_event(eventTime=None)),
        orjson.dumps(an_event(eventTime="2026-01-01T00:00:\u00b2\u00b2Z")),
    ],
)
def test_what_columns_cannot_stand_for_is_odd(raw: bytes) -> None:
    plain = orjson.dumps(an_event())
    columns = columns_of(plain, raw, plain)

    assert columns.odd == [1]
    assert members_in(columns, 1) == {}
    assert members_in(columns, 2) == members_in(columns, 0)


def test_a_column_with_too_many_bytes_of_values_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_columns, "MAX_VALUES_BYTES", 2_000)
    columns = columns_of(*(orjson.dumps(an_event(userAgent=f"agent {number:0100}")) for number in range(300)))

    assert not columns.has("userAgent")
    assert columns.has("eventName")
    assert columns.rows == 300


def test_more_than_255_values_take_wider_numbers() -> None:
    columns = columns_of(*(orjson.dumps(an_event(userAgent=f"agent {number}")) for number in range(300)))

    assert [members_in(columns, row)["userAgent"] for row in (0, 255, 256, 299)] == [
        f"agent {number}" for number in (0, 255, 256, 299)
    ]


def test_bytes_that_are_damaged_cut_or_of_another_file_are_refused() -> None:
    builder = ColumnsBuilder()
    builder.add(orjson.dumps(an_event()), SCOPE_TEXT)
    data = builder.encode("these")

    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        with pytest.raises(ColumnsDamaged):
            EventColumns(bytes(damaged), "these")
        with pytest.raises(ColumnsDamaged):
            EventColumns(data[:place], "these")
    with pytest.raises(ColumnsDamaged):
        EventColumns(data, "others")
