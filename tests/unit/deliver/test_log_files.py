"""The bytes of a log file."""

import gzip
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from opentrail.deliver.log_files import close_log_file, gzip_bytes, log_file_size


def test_a_file_holds_the_records_without_spacing_or_final_newline() -> None:
    file = close_log_file([b'{"a":1}', b'{"b":"\\u003d"}'])

    assert gzip.decompress(file.body) == b'{"Records":[{"a":1},{"b":"\\u003d"}]}'
    assert file.sha256 == hashlib.sha256(gzip.decompress(file.body)).hexdigest()
    assert file.size_bytes == log_file_size(2, 7 + 14)


def test_the_gzip_header_is_plain() -> None:
    assert close_log_file([b"{}"]).body[:10] == bytes.fromhex("1f8b0800000000000000")


def test_the_same_events_give_the_same_bytes() -> None:
    events = [b'{"eventID":"%d"}' % number for number in range(1000)]

    assert close_log_file(events) == close_log_file(list(events))


@given(st.binary(max_size=5000))
def test_what_is_compressed_comes_back(raw: bytes) -> None:
    assert gzip.decompress(gzip_bytes(raw)) == raw
