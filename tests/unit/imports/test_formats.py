"""Log files of every form are read, and whatever cannot be read is named with its place."""

import gzip
import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.imports.formats import MAX_FAULTS, Contents, read_contents
from tests.support.corpus import shared


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"eventVersion": "1.09", "eventTime": "2026-01-01T00:00:00Z", "eventID": f"id-{number}", **more}


RECORDS = [record(1), record(2, requestParameters={"a": [1.50, None], "b": "ü\n"}), record(3)]
COMPACT = [orjson.dumps(one) for one in RECORDS]
ENVELOPES = [{"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": one} for one in RECORDS]

FORMS = {
    "a log file": orjson.dumps({"Records": RECORDS}),
    "a log file written with spaces": json.dumps({"Records": RECORDS}, indent=2, ensure_ascii=False).encode(),
    "an array": orjson.dumps(RECORDS),
    "lines": b"\n".join(COMPACT) + b"\n",
    "lines with empty ones and carriage returns": b"\r\n\r\n".join(COMPACT),
    "values one behind the other": "\n".join(json.dumps(one, indent=1) for one in RECORDS).encode(),
    "a log file a line": b"\n".join(orjson.dumps({"Records": [one]}) for one in RECORDS),
    "envelopes of EventBridge, one a line": b"\n".join(map(orjson.dumps, ENVELOPES)),
    "an array of envelopes": orjson.dumps(ENVELOPES),
    "what LookupEvents answers": orjson.dumps({"Events": [{"CloudTrailEvent": one.decode()} for one in COMPACT]}),
    "a subscription's message": orjson.dumps(
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": one.decode()} for one in COMPACT]}
    ),
    "a log file with a byte order mark": b"\xef\xbb\xbf" + orjson.dumps({"Records": RECORDS}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packing", ["plain", "gzip", "two gzip members"])
def test_each_form_gives_its_records_as_they_stood_there(form: str, packing: str) -> None:
    raw = FORMS[form]
    half = len(raw) // 2
    packed = {
        "plain": raw,
        "gzip": gzip.compress(raw),
        "two gzip members": b"".join(map(gzip.compress, (raw[:half], raw[half:]))),
    }

    contents = read_contents(packed[packing])

    assert contents.faults == []
    assert [orjson.loads(one) for one in contents.records] == RECORDS
    assert not any(b"\n" in one for one in contents.records)


def test_one_record_alone_is_a_record() -> None:
    assert read_contents(COMPACT[0]).records == [COMPACT[0]]
    assert read_contents(orjson.dumps(ENVELOPES[0])).records == [COMPACT[0]]


def test_a_record_keeps_doubled_members_and_the_spelling_of_numbers() -> None:
    odd = b'{"eventVersion":"1.09","eventID":"x","n":1.50,"n":1e3}'

    assert read_contents(b'{"Records":[' + odd + b"]}").records == [odd]
    assert read_contents(b'[\n  {"eventVersion": "1.09", "eventID": "x",\n "n": 1.50, "n": 1e3}]').records == [odd]


BAD = {
    "nothing": (b"", 0, "", "EmptyObject"),
    "spaces": (b" \n ", 0, "", "EmptyObject"),
    "prose": (b"MIT License", 0, "", "UnknownFormat"),
    "a zip archive": (b"PK\x03\x04....", 0, "", "UnknownFormat"),
    "a web page": (b"<html></html>", 0, "", "UnknownFormat"),
    "a gzip stream cut short": (gzip.compress(FORMS["a log file"])[:-20], 1, "", "CorruptObject"),
    "gzip with something behind it": (gzip.compress(FORMS["a log file"]) + b"rest", 3, "", "CorruptObject"),
    "a log file cut short": (FORMS["a log file"][:-30], 2, "record 3", "MalformedRecord"),
    "a line that is no JSON": (COMPACT[0] + b"\n{nonsense\n" + COMPACT[1], 2, "line 2", "MalformedRecord"),
    "an item that is no record": (orjson.dumps([RECORDS[0], 5, {"x": 1}]), 1, "record 2", "MalformedRecord"),
    "a digest file": (b'{"digestS3Bucket":"b","logFiles":[]}', 0, "", "NotALogFile"),
    "bytes that are no UTF-8": (COMPACT[0] + b'\n{"a":"\xff"}', 1, "", "MalformedRecord"),
    "records nested for ever": (b'{"Records":' * 50 + b"[]" + b"}" * 50, 0, "", "MalformedRecord"),
    "brackets without end": (b"[" * 100_000, 0, "", "MalformedRecord"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_input_is_named_and_what_is_whole_in_it_is_taken(name: str) -> None:
    body, at_least, place, error_type = BAD[name]

    contents = read_contents(body)

    assert len(contents.records) >= at_least
    assert contents.faults
    assert any(fault.error_type == error_type and fault.place.startswith(place) for fault in contents.faults)


def test_a_gzip_bomb_is_given_up() -> None:
    bomb = gzip.compress(b'{"Records":[' + b" " * (300 * 1024 * 1024), 1)

    contents = read_contents(bomb)

    assert contents.records == []
    assert contents.faults[0].error_type == "CorruptObject"


def test_faults_of_one_file_are_listed_within_a_bound() -> None:
    contents = read_contents(b"\n".join([COMPACT[0]] + [b"{broken"] * 500))

    assert (len(contents.faults), contents.faults_left_out) == (MAX_FAULTS, 500 - MAX_FAULTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Records", "detail", "eventID", "eventTime", "Events"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_whatever_make_it_fail(body: bytes) -> None:
    for one in (body, gzip.compress(body), gzip.compress(body)[: len(body) // 2 + 3]):
        contents = read_contents(one)
        assert isinstance(contents, Contents)
        for found in contents.records:
            msgspec.json.decode(found, type=dict[str, msgspec.Raw])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.integers(0, 3000))
def test_a_file_cut_anywhere_gives_no_record_that_was_not_in_it(form: str, end: int) -> None:
    whole = {orjson.dumps(one) for one in RECORDS}

    found = read_contents(FORMS[form][:end]).records

    assert {orjson.dumps(orjson.loads(one)) for one in found} <= whole


@pytest.mark.parametrize(
    ("folder", "count"),
    [("invictus-ir", 2900), ("stratus-red-team", 81), ("traildiscover", 156), ("c7n-cwe", 14), ("trailscraper", 7)],
)
def test_published_records_are_all_read(folder: str, count: int) -> None:
    files = [path for path in shared("corpus", "real", folder).rglob("*") if path.is_file()]

    assert sum(len(read_contents(path.read_bytes()).records) for path in files) == count
