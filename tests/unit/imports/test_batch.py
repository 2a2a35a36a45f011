"""Records of a batch are handed on as they are, and judged one by one only where one of them has no time."""

import gzip
from datetime import UTC, datetime

import orjson
import pytest

from opentrail.imports import batch
from opentrail.imports.batch import RecordFilter, load_objects

TIMED = orjson.dumps({"eventVersion": "1.09", "eventTime": "2026-01-01T00:00:00Z", "eventID": "a", "eventName": "x"})
UNTIMED = orjson.dumps({"eventVersion": "1.09", "eventID": "b", "eventName": "x"})
OBJECTS = [("one", gzip.compress(b'{"Records":[%s,%s]}' % (TIMED, UNTIMED))), ("two", TIMED), ("three", b"")]


def test_records_are_judged_when_asked_for() -> None:
    loaded = load_objects(OBJECTS, RecordFilter())
    assert list(loaded.events) == [TIMED, UNTIMED, TIMED]
    assert loaded.judged is not None

    judged = loaded.judged()

    assert list(judged.events) == [TIMED, TIMED]
    faults = [(one.key, one.fault.place, one.fault.error_type) for one in judged.report.faults]
    assert faults == [("one", "record 2", "InvalidEventTime"), ("three", "", "EmptyObject")]
    assert judged.report.failed == 2


def test_records_are_judged_at_once_where_some_are_asked_for() -> None:
    loaded = load_objects(OBJECTS, RecordFilter(start=datetime(2026, 2, 1, tzinfo=UTC)))

    assert loaded.judged is None
    assert list(loaded.events) == []
    assert (loaded.report.outside, loaded.report.failed) == (2, 2)


@pytest.mark.parametrize("wanted", [RecordFilter(), RecordFilter(regions=("us-east-1",))], ids=["all", "some"])
def test_what_a_batch_inflates_to_beyond_its_bound_is_a_fault(
    wanted: RecordFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = orjson.dumps({"eventTime": "2026-01-01T00:00:00Z", "eventID": "a", "awsRegion": "us-east-1"})
    plain = b'{"Records":[%s]}' % record
    bomb = gzip.compress(plain + b" " * 10_000)
    monkeypatch.setattr(batch, "BATCH_LIMIT_BYTES", 2 * len(plain))

    loaded = load_objects([("one", gzip.compress(plain)), ("bomb", bomb), ("two", plain), ("three", plain)], wanted)

    assert list(loaded.events) == [record, record]
    assert [(one.key, one.fault.error_type) for one in loaded.report.faults] == [
        ("bomb", "CorruptObject"),
        ("three", "CorruptObject"),
    ]


def test_record_that_is_not_utf8_is_named() -> None:
    broken = TIMED.replace(b'"x"', b'"\xff"')
    judged = load_objects([("one", TIMED + b"\n" + broken + b"\n" + TIMED)], RecordFilter()).judged
    assert judged is not None

    loaded = judged()

    assert list(loaded.events) == [TIMED, TIMED]
    (found,) = loaded.report.faults
    assert (found.fault.place, found.fault.message) == ("record 2", "it is not UTF-8")


@pytest.mark.parametrize(
    ("record", "taken"),
    [
        (b'{"EventTime":"2026-01-01T00:00:00Z","eventName":"x","eventID":"1"}', True),
        (b'{"eventTime":"2026-01-01T00:00:00Z","awsRegion":5,"eventID":"1"}', True),
        (b'{"eventTime":5,"eventName":"x","eventID":"1"}', False),
        (b'{"eventTime":"soon","eventName":"x","eventID":"1"}', False),
    ],
)
def test_time_is_found_as_the_lake_finds_it(record: bytes, taken: bool) -> None:
    judged = load_objects([("one", record)], RecordFilter()).judged
    assert judged is not None

    assert list(judged().events) == [record] * taken
