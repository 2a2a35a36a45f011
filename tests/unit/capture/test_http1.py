"""Framing: what a head says, where a body ends however it is cut, and what is refused."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.capture.http1 import (
    BodyScanner,
    Framing,
    MalformedMessage,
    forwarded_response_head,
    parse_request_head,
    parse_response_head,
)


def request_head(*lines: str, start: str = "POST /p?q HTTP/1.1") -> bytes:
    return "\r\n".join((start, "Host: h", *lines)).encode("latin-1") + b"\r\n\r\n"


def response_head(*lines: str, start: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((start, *lines)).encode("latin-1") + b"\r\n\r\n"


def test_a_request_head_keeps_its_bytes_and_its_headers_in_order() -> None:
    raw = request_head("b: 2 ", "A:\t1", "b: 3")

    head = parse_request_head(raw)

    assert head.raw == raw
    assert (head.method, head.target) == ("POST", "/p?q")
    assert head.headers.items == (("Host", "h"), ("b", "2"), ("A", "1"), ("b", "3"))
    assert head.framing is Framing.NONE


@pytest.mark.parametrize(
    ("line", "framing", "length"),
    [
        ("Content-Length: 7", Framing.LENGTH, 7),
        ("content-LENGTH:  007 ", Framing.LENGTH, 7),
        ("Content-Length: 0", Framing.NONE, 0),
        ("Transfer-Encoding: Chunked", Framing.CHUNKED, 0),
    ],
)
def test_the_framing_of_a_request_is_read_from_its_headers(line: str, framing: Framing, length: int) -> None:
    head = parse_request_head(request_head(line))

    assert (head.framing, head.length) == (framing, length)


def test_an_expectation_without_a_body_expects_nothing() -> None:
    assert not parse_request_head(request_head("Expect: 100-continue")).expects_continue
    assert parse_request_head(request_head("Expect: 100-Continue", "Content-Length: 1")).expects_continue


@pytest.mark.parametrize(
    ("start", "lines", "method", "framing", "is_last"),
    [
        ("HTTP/1.1 200 OK", ["Content-Length: 3"], "GET", Framing.LENGTH, False),
        ("HTTP/1.1 200 OK", ["Content-Length: 3"], "HEAD", Framing.NONE, False),
        ("HTTP/1.1 204 No Content", [], "GET", Framing.NONE, False),
        ("HTTP/1.1 304 Not Modified", ["Content-Length: 3"], "GET", Framing.NONE, False),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], "GET", Framing.CHUNKED, False),
        ("HTTP/1.1 200 OK", [], "GET", Framing.UNTIL_CLOSE, True),
        ("HTTP/1.1 200 OK", ["Content-Length: 3", "Connection: x, Close"], "GET", Framing.LENGTH, True),
        ("HTTP/1.0 200 OK", ["Content-Length: 3"], "GET", Framing.LENGTH, True),
        ("HTTP/1.0 200 OK", ["Content-Length: 3", "Connection: keep-alive"], "GET", Framing.LENGTH, False),
    ],
)
def test_the_framing_of_an_answer_depends_on_what_it_answers(
    start: str, lines: list[str], method: str, framing: Framing, is_last: bool
) -> None:
    head = parse_response_head(response_head(*lines, start=start), method)

    assert (head.framing, head.is_last) == (framing, is_last)


@pytest.mark.parametrize(
    "raw",
    [
        response_head(start="HTTP/2 200 OK"),
        response_head(start="HTTP/1.1 20 OK"),
        response_head(start="HTTP/1.1 099 OK"),
        response_head("A: b", " folded"),
        response_head("Content-Length: 1", "Transfer-Encoding: chunked"),
        response_head("Content-Length: 1", "Content-Length: 1"),
        b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
    ],
)
def test_an_answer_that_could_be_read_differently_is_a_bad_upstreams(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as error:
        parse_response_head(raw, "GET")

    assert error.value.status == 502


def test_an_answer_speaks_of_the_clients_connection_and_not_of_the_upstreams() -> None:
    raw = response_head("A: b", "Connection: close", "keep-alive: timeout=5", "C: d", start="HTTP/1.0 200 OK")
    head = parse_response_head(raw, "GET")

    assert forwarded_response_head(head, closes=False) == response_head("A: b", "C: d")
    assert forwarded_response_head(head, closes=True) == response_head("A: b", "C: d", "Connection: close")


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    rest=st.binary(max_size=10),
)
def test_a_chunked_body_is_found_however_it_is_cut(pieces: list[bytes], cuts: list[int], rest: bytes) -> None:
    wire = b"".join(b"%X;e=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nT: t\r\n\r\n"
    stream = wire + rest
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    scanner, taken, decoded = BodyScanner(Framing.CHUNKED, 0), b"", b""

    for start, end in pairwise(edges):
        if not scanner.is_complete:
            raw, payload = scanner.feed(stream[start:end])
            taken, decoded = taken + raw, decoded + payload

    assert scanner.is_complete
    assert taken == wire
    assert decoded == b"".join(pieces)


@given(length=st.integers(1, 50), cuts=st.lists(st.integers(0, 60), max_size=5), rest=st.binary(max_size=10))
def test_a_body_of_known_length_takes_no_byte_more(length: int, cuts: list[int], rest: bytes) -> None:
    body = bytes(range(length))
    stream = body + rest
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    scanner, taken = BodyScanner(Framing.LENGTH, length), b""

    for start, end in pairwise(edges):
        taken += scanner.feed(stream[start:end])[0]

    assert scanner.is_complete
    assert taken == body


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_crashes(garbage: bytes) -> None:
    for raw in (garbage, b"GET / HTTP/1.1\r\nHost: h\r\n" + garbage + b"\r\n\r\n"):
        try:
            head = parse_request_head(raw)
        except MalformedMessage:
            continue
        assert head.raw == raw
    with contextlib.suppress(MalformedMessage):
        BodyScanner(Framing.CHUNKED, 0).feed(garbage)
