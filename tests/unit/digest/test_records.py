"""Cutting events out of a log file: their bytes, unread."""

import gzip
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.deliver.log_files import close_log_file
from opentrail.digest.merkle import tree_hash
from opentrail.digest.records import NotALogFile, split_records

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=5), max_size=8))
def test_events_come_out_as_they_went_in_and_give_the_tree_of_the_file(events: list[dict[str, object]]) -> None:
    written = [orjson.dumps(event) for event in events]

    file = close_log_file(written)

    assert split_records(gzip.decompress(file.body)) == written
    assert file.tree_hash == tree_hash(written)


def test_spelling_is_kept() -> None:
    odd = [b'{"a":1.0e2,"b":"\\u00e9\\/","a":  2}', '{"ü":"]},{"}'.encode()]

    assert split_records(b'{"Records":[' + b",".join(odd) + b"]}") == odd


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"Records":[',
        b'{"Records":[{}',
        b'{"Records":[{}]}\n',
        b'{"Records":[{},]}',
        b'{"Records":[{} ,{}]}',
        b'{"Records": [{}]}',
        b'{"Records":[{}],"more":1}',
        b'{"Records":[{"a":}]}',
        b'{"Records":[\xff]}',
        b'{"Records":[' + b"[" * 100_000 + b"]}",
    ],
)
def test_other_forms_are_refused(raw: bytes) -> None:
    with pytest.raises(NotALogFile):
        split_records(raw)


@given(st.binary(max_size=60))
def test_nothing_else_is_raised_and_nothing_is_lost(tail: bytes) -> None:
    raw = b'{"Records":[' + tail

    with suppress(NotALogFile):
        assert b'{"Records":[' + b",".join(split_records(raw)) + b"]}" == raw
