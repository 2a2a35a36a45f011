"""Event data that is kept as it came, against the same looked at member by member."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.aws.cloudtrail_data.audit_event import MAX_OBJECT_BYTES, Arrival, AuditEventRefused, AuditRecords
from tests.builders import ACCOUNT, REGION

RECORDS = AuditRecords(Arrival("arn:channel", ACCOUNT, REGION, "2026-11-21T08:00:00Z"))


def event_data(**changes: Any) -> dict[str, Any]:
    data = {
        "version": "1.0",
        "userIdentity": {"type": "User", "principalId": "alice", "details": {"team": "ops"}},
        "eventSource": "app.example.com",
        "eventName": "CloseAccount",
        "eventTime": "2026-11-21T08:00:00Z",
        "UID": "u-1",
        "requestParameters": {"account": "7"},
        "recipientAccountId": ACCOUNT,
    }
    return {name: value for name, value in (data | changes).items() if value is not ...}


def kept(text: str) -> bytes:
    """Return the event data that the record of a text has."""
    record = RECORDS.record({"eventData": text}, "e" * 36)
    return record[record.index(b'"eventData":') + len(b'"eventData":') : -1]


def outcome(text: str) -> Any:
    """Return what became of a text: the event data's value, or the code that it fails with."""
    try:
        data = kept(text)
    except AuditEventRefused as refused:
        return refused.code
    assert b"\n" not in data
    return json.loads(data)


texts = st.text(max_size=6) | st.sampled_from(
    ["\\", '"', "\n", "\u2028", "\x7f", "ü", "192.0.2.1", "x" * 300, "s3.amazonaws.com"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda part: st.lists(part, max_size=2) | st.dictionaries(texts, part, max_size=2),
    max_leaves=4,
)
TEXTS = ("version", "eventSource", "eventName", "UID", "userAgent", "errorCode", "errorMessage")
objects = st.none() | st.dictionaries(texts, values, max_size=3)
fitting = st.builds(
    dict[str, Any].__or__,
    st.dictionaries(st.sampled_from(TEXTS), st.text(min_size=1, max_size=6), max_size=2),
    st.dictionaries(st.sampled_from(list(MAX_OBJECT_BYTES)), objects, max_size=2),
)
anything = st.dictionaries(
    st.sampled_from([*event_data(), *TEXTS, *MAX_OBJECT_BYTES, "sourceIPAddress", "other"]),
    st.just(...) | values,
    max_size=2,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fitting | anything, st.booleans(), st.sampled_from([",", ",", ",", ", ", ",\n"]))
def test_what_is_kept_as_it_came_is_what_reading_all_of_it_gives(
    changes: dict[str, Any], is_ascii: bool, separator: str
) -> None:
    try:
        text = json.dumps(event_data(**changes), ensure_ascii=is_ascii, separators=(separator, ":"))
        text.encode()
    except UnicodeError:
        return

    # With a space behind it nothing is kept as it came.
    assert outcome(text) == outcome(f"{text} ")


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list('{}[]",:019-+.eEtn \t\n\r\x00\x1fü')), st.booleans())
def test_text_that_is_no_json_is_not_kept(place: int, character: str, is_instead: bool) -> None:
    text = orjson.dumps(event_data(requestParameters={"n": [1.5, -2, True, None, {"a": "b"}]})).decode()
    place %= len(text)

    changed = text[:place] + character + text[place + is_instead :]

    assert outcome(changed) == outcome(f"{changed} ")


@pytest.mark.parametrize("number", ["1.50", "1E2", "-0.0", "12345678901234567890123"])
def test_compact_event_data_is_kept_byte_for_byte(number: str) -> None:
    text = orjson.dumps(event_data(requestParameters={"n": 0})).decode().replace('"n":0', f'"n":{number}')

    assert kept(text) == text.encode()


@pytest.mark.parametrize(
    "twice",
    [
        '{"eventSource":"s3.amazonaws.com",',
        '{"recipientAccountId":"222222222222",',
        '{"requestParameters":{"a":1},',
        '{"userIdentity":{"type":"Root","principalId":"root"},',
    ],
)
def test_member_that_is_there_twice_is_kept_once_as_it_was_judged(twice: str) -> None:
    text = orjson.dumps(event_data()).decode()

    assert orjson.loads(kept(text.replace("{", twice, 1))) == event_data()
    assert kept(text.replace("{", twice, 1)).count(b'"eventSource"') == 1


@pytest.mark.parametrize("inside", ['"userIdentity":{"type":"Root",', '"requestParameters":{"account":"8",'])
def test_member_of_an_object_that_is_there_twice_is_kept_once(inside: str) -> None:
    text = orjson.dumps(event_data()).decode()

    data = kept(text.replace(inside[: inside.index("{") + 1], inside, 1))

    assert orjson.loads(data) == event_data()
    assert data.count(inside.split('"')[3].encode()) == 1


@pytest.mark.parametrize(("name", "largest"), MAX_OBJECT_BYTES.items())
def test_object_may_be_as_large_as_its_limit_and_no_larger(name: str, largest: int) -> None:
    fits = {"p": "x" * (largest - len('{"p":""}'))}

    assert outcome(orjson.dumps(event_data(**{name: fits})).decode())[name] == fits
    assert outcome(orjson.dumps(event_data(**{name: {"p": fits["p"] + "x"}})).decode()) == "FieldTooLong"
