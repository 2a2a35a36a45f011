"""Heads of HTTP/2 as heads of HTTP/1.1 and back. Bytes and values in and out; nothing is read or written here.

Names, values and their order stay what they were; what speaks of the connection is left out (RFC 9113 section 8.2.2),
and ``:authority`` is the Host header. A head that could not be said in HTTP/1.1 is refused, never repaired.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

from opentrail.capture.http1 import HEAD_LIMIT_BYTES, MalformedMessage, RequestHead, ResponseHead

Fields = list[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_STATUS = re.compile(rb"[1-9]\d\d")
_OF_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"}
)
_BODY_EXPECTED = frozenset({b"POST", b"PUT", b"PATCH"})


def request_head_bytes(fields: Iterable[tuple[bytes, bytes]], *, has_body: bool) -> bytes:
    """Return a request's fields as a head of HTTP/1.1, ``chunked`` when there is a body whose length is not stated.
    Raises MalformedMessage."""
    pseudo, others = _split(fields)
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise MalformedMessage("the request's method or path is malformed")
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    if b":authority" in pseudo:
        if not _VALUE.fullmatch(pseudo[b":authority"]):
            raise MalformedMessage("the authority is malformed")
        lines.append(b"host: " + pseudo[b":authority"])
        others = [field for field in others if field[0] != b"host"]
    lines += _lines(others)
    if not _states_length(others):
        if has_body:
            lines.append(b"transfer-encoding: chunked")
        elif method in _BODY_EXPECTED:
            lines.append(b"content-length: 0")
    return _joined(lines)


def response_head_bytes(fields: Iterable[tuple[bytes, bytes]], method: str, *, has_body: bool) -> bytes:
    """Return the fields of an answer to ``method`` as a head of HTTP/1.1. Raises MalformedMessage."""
    pseudo, others = _split(fields)
    code = pseudo.get(b":status", b"")
    if not _STATUS.fullmatch(code):
        raise MalformedMessage("the status is malformed", 502)
    status = int(code)
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    lines = [b"HTTP/1.1 %d %b" % (status, phrase.encode("ascii")), *_lines(others)]
    is_bodiless = method == "HEAD" or status < 200 or status in (204, 304)
    if not is_bodiless and not _states_length(others):
        lines.append(b"transfer-encoding: chunked" if has_body else b"content-length: 0")
    return _joined(lines)


def request_fields(head: RequestHead, scheme: bytes) -> Fields:
    """Return a request's head as the fields of HTTP/2."""
    fields = [
        (b":method", head.method.encode("ascii")),
        (b":scheme", scheme),
        (b":authority", head.headers.first["host"].encode("latin-1")),
        (b":path", head.target.encode("latin-1")),
    ]
    return fields + _plain_fields(head.headers.items, leave_out="host")


def response_fields(head: ResponseHead) -> Fields:
    """Return an answer's head as the fields of HTTP/2."""
    return [(b":status", b"%d" % head.status), *_plain_fields(head.headers.items)]


def trailer_bytes(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return trailers as the lines after the last chunk. Raises MalformedMessage."""
    _, others = _split(fields)
    return b"".join(line + b"\r\n" for line in _lines(others))


def chunk(data: bytes) -> bytes:
    """Return ``data``, which must not be empty, as one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _plain_fields(items: tuple[tuple[str, str], ...], *, leave_out: str = "") -> Fields:
    """Return header lines as fields, without what speaks of the connection and what its Connection header names."""
    named = {
        option.strip().lower() for name, value in items if name.lower() == "connection" for option in value.split(",")
    }
    left_out = _OF_CONNECTION | named | {leave_out}
    fields = [(name.lower(), value) for name, value in items]
    return [
        (name.encode("ascii"), value.strip(" \t").encode("latin-1"))
        for name, value in fields
        if name not in left_out and (name != "te" or value == "trailers")
    ]


def _split(fields: Iterable[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], Fields]:
    pseudo: dict[bytes, bytes] = {}
    others: Fields = []
    for name, value in fields:
        if name.startswith(b":"):
            pseudo[bytes(name)] = bytes(value)
        else:
            others.append((bytes(name), bytes(value)))
    return pseudo, others


def _lines(fields: Fields) -> list[bytes]:
    for name, value in fields:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise MalformedMessage("a header is malformed")
        if name.decode("ascii").lower() in _OF_CONNECTION:
            raise MalformedMessage("a header speaks of the connection")
    return [name + b": " + value for name, value in fields]


def _states_length(fields: Fields) -> bool:
    return any(name == b"content-length" for name, _ in fields)


def _joined(lines: list[bytes]) -> bytes:
    raw = b"\r\n".join(lines) + b"\r\n\r\n"
    if len(raw) > HEAD_LIMIT_BYTES:
        raise MalformedMessage("the head is too long", 431)
    return raw
