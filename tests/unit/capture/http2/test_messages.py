"""Heads of HTTP/2 and HTTP/1.1 say the same in either form; what cannot be said in both is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.capture.http1 import HEAD_LIMIT_BYTES, MalformedMessage, parse_request_head, parse_response_head
from opentrail.capture.http2.messages import (
    chunk,
    request_fields,
    request_head_bytes,
    response_fields,
    response_head_bytes,
    trailer_bytes,
)

PSEUDO = [(b":method", b"PUT"), (b":scheme", b"http"), (b":authority", b"h:1"), (b":path", b"/a?b=%20")]


def test_a_request_keeps_its_names_values_and_their_order() -> None:
    fields = [*PSEUDO, (b"x-b", b"2"), (b"x-a", b"1  1"), (b"content-length", b"3"), (b"x-b", b"3")]

    raw = request_head_bytes(fields, has_body=True)

    assert raw == b"PUT /a?b=%20 HTTP/1.1\r\nhost: h:1\r\nx-b: 2\r\nx-a: 1  1\r\ncontent-length: 3\r\nx-b: 3\r\n\r\n"
    assert request_fields(parse_request_head(raw), b"http") == fields


@pytest.mark.parametrize(
    ("method", "has_body", "last"),
    [
        (b"PUT", True, b"transfer-encoding: chunked"),
        (b"POST", False, b"content-length: 0"),
        (b"GET", False, b"host: h:1"),
        (b"GET", True, b"transfer-encoding: chunked"),
    ],
)
def test_the_end_of_a_body_is_known(method: bytes, has_body: bool, last: bytes) -> None:
    raw = request_head_bytes([(b":method", method), *PSEUDO[1:]], has_body=has_body)

    assert raw.split(b"\r\n")[-3] == last


def test_a_host_header_beside_the_authority_stands_once() -> None:
    raw = request_head_bytes([*PSEUDO, (b"host", b"h:1")], has_body=False)

    assert raw.lower().count(b"host:") == 1


@pytest.mark.parametrize(
    "field",
    [
        (b"x y", b"1"),
        (b"", b"1"),
        (b"x", b"a\r\nb: c"),
        (b"x", b"a\0"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"x", b"y" * HEAD_LIMIT_BYTES),
    ],
)
def test_a_header_that_http1_could_read_otherwise_is_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(MalformedMessage):
        request_head_bytes([*PSEUDO, field], has_body=False)
    with pytest.raises(MalformedMessage):
        response_head_bytes([(b":status", b"200"), field], "GET", has_body=False)


@given(st.binary(max_size=30), st.binary(max_size=60), st.binary(max_size=30), st.binary(max_size=30))
def test_whatever_a_request_says_is_one_request_or_none(method: bytes, path: bytes, name: bytes, value: bytes) -> None:
    fields = [(b":method", method), (b":path", path), (b":authority", b"h"), (name, value)]
    try:
        raw = request_head_bytes(fields, has_body=False)
    except MalformedMessage:
        return
    assert raw.count(b"\r\n\r\n") == 1
    assert raw.startswith(method + b" " + path + b" HTTP/1.1\r\n")


def test_an_answer_loses_only_what_speaks_of_the_connection() -> None:
    raw = (
        b"HTTP/1.1 200 Fine\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Transfer-Encoding: chunked\r\nETag:  e \r\n\r\n"
    )

    fields = response_fields(parse_response_head(raw, "GET"))

    assert fields == [(b":status", b"200"), (b"server", b"x"), (b"etag", b"e")]


@pytest.mark.parametrize(
    ("status", "method", "has_body", "framing"),
    [
        (b"200", "GET", True, b"transfer-encoding: chunked\r\n"),
        (b"200", "GET", False, b"content-length: 0\r\n"),
        (b"200", "HEAD", False, b""),
        (b"204", "DELETE", False, b""),
        (b"304", "GET", False, b""),
        (b"100", "PUT", False, b""),
    ],
)
def test_the_end_of_an_answer_is_known(status: bytes, method: str, has_body: bool, framing: bytes) -> None:
    raw = response_head_bytes([(b":status", status), (b"etag", b"e")], method, has_body=has_body)

    assert raw.partition(b"\r\n")[2] == b"etag: e\r\n" + framing + b"\r\n"


@pytest.mark.parametrize("status", [b"", b"20", b"2000", b"abc", b"099"])
def test_an_answer_without_a_proper_status_is_malformed(status: bytes) -> None:
    with pytest.raises(MalformedMessage):
        response_head_bytes([(b":status", status)], "GET", has_body=False)


def test_chunks_and_trailers_are_those_of_http1() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert trailer_bytes([(b"x-a", b"1"), (b"x-b", b"2")]) == b"x-a: 1\r\nx-b: 2\r\n"
