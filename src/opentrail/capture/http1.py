"""HTTP/1.1 framing, strictly: where a head and a body end, and which messages two servers could read differently.

Bytes in, values out; nothing is read or written here. The gateway passes on the very bytes it was sent, so whatever
the next server might frame in another way (RFC 9112 sections 5, 6 and 7.1) is refused rather than repaired: line ends
other than CRLF, folded lines, blanks before a colon, a length beside a transfer coding, a second length, any coding
but ``chunked``, and malformed chunks.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache

from opentrail.http_message import Headers

HEAD_LIMIT_BYTES = 64 * 1024
"""Longest request or response head. S3 allows 8 KB of headers and presigned URLs reach 8 KB; nginx stops at 32 KB."""

HEADER_LIMIT = 200
"""Most header lines of one head."""

TRAILER_LIMIT_BYTES = 16 * 1024
"""Longest trailer section after a chunked body, and bound of the chunk extensions of one chunk."""

REMEMBERED_OPTIONS_CHARACTERS = 64
"""Longest Connection header whose options are remembered, for the last 64 of them."""

HEAD_END = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELDS = rb"((?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
_REQUEST = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/(\d\.\d)\r\n" + _FIELDS)
_RESPONSE = re.compile(rb"HTTP/(1\.[01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?\r\n" + _FIELDS)
_FIELD = re.compile(r"([^:]+):[\t ]*([^\r]*)\r\n")
_LENGTH = re.compile(r"\d{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*")
_NO_OPTIONS: frozenset[str] = frozenset()
_SINGLE = frozenset({"host", "content-length", "transfer-encoding"})
_HOP_TO_CLIENT_NAMES = frozenset({"connection", "keep-alive", "proxy-connection"})
_NOTED = _SINGLE | {"connection", "expect", "upgrade", "keep-alive", "proxy-connection"}


class MalformedMessage(Exception):
    """The peer did not speak HTTP/1.1 as RFC 9112 has it; ``status`` is the answer it gets (RFC 9110 section 15)."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class RequestHead:
    """A request line with its headers, and the exact bytes they came as (``raw``, including the blank line)."""

    __slots__ = (
        "expects_continue",
        "framing",
        "headers",
        "is_last",
        "length",
        "method",
        "offers_upgrade",
        "raw",
        "target",
    )

    def __init__(
        self,
        raw: bytes,
        method: str,
        target: str,
        headers: Headers,
        framing: Framing,
        length: int,
        *,
        is_last: bool,
        expects_continue: bool,
        offers_upgrade: bool,
    ) -> None:
        self.raw = raw
        self.method = method
        self.target = target
        self.headers = headers
        self.framing = framing
        self.length = length
        self.is_last = is_last
        self.expects_continue = expects_continue
        self.offers_upgrade = offers_upgrade


class ResponseHead:
    """A status line with its headers, and the exact bytes they came as. ``is_last``: its sender closes after it."""

    __slots__ = ("framing", "headers", "is_last", "length", "raw", "speaks_of_connection", "status")

    def __init__(
        self,
        raw: bytes,
        status: int,
        headers: Headers,
        framing: Framing,
        length: int,
        *,
        is_last: bool,
        speaks_of_connection: bool,
    ) -> None:
        self.raw = raw
        self.status = status
        self.headers = headers
        self.framing = framing
        self.length = length
        self.is_last = is_last
        self.speaks_of_connection = speaks_of_connection


def parse_request_head(raw: bytes) -> RequestHead:
    """Read one complete request head (up to and including its blank line); raises MalformedMessage."""
    match = _REQUEST.fullmatch(raw)
    if match is None:
        raise MalformedMessage("the request head is malformed")
    method, target, version = match[1].decode("ascii"), match[2].decode("latin-1"), match[3]
    if version != b"1.1":
        raise MalformedMessage("only HTTP/1.1 is spoken here", 505)
    if method == "CONNECT":
        raise MalformedMessage("CONNECT is not offered", 405)
    if not target.startswith("/"):
        raise MalformedMessage("the request target must be a path")
    if "#" in target:
        # Servers cut off what follows it, or take it for part of the path (RFC 9112 section 3.2.1 allows neither).
        raise MalformedMessage("the request target has a fragment")
    headers, noted = _fields(match[4])
    if "host" not in noted:
        raise MalformedMessage("exactly one Host header is needed")
    framing, length = _framing(noted)
    expectation = noted.get("expect", "").lower()
    if expectation not in ("", "100-continue"):
        raise MalformedMessage("unknown expectation", 417)
    has_body = framing is Framing.CHUNKED or length > 0
    return RequestHead(
        raw,
        method,
        target,
        headers,
        framing if has_body else Framing.NONE,
        length,
        is_last="close" in _options(noted),
        expects_continue=bool(expectation) and has_body,
        offers_upgrade="upgrade" in noted,
    )


def parse_response_head(raw: bytes, method: str) -> ResponseHead:
    """Read one complete response head, an answer to ``method``; raises MalformedMessage (status 502)."""
    match = _RESPONSE.fullmatch(raw)
    if match is None:
        raise MalformedMessage("the response head is malformed", 502)
    status = int(match[2])
    try:
        headers, noted = _fields(match[3])
        framing, length = _framing(noted)
    except MalformedMessage as error:
        raise MalformedMessage(str(error), 502) from None
    options = _options(noted)
    is_last = "close" in options or (match[1] == b"1.0" and "keep-alive" not in options)
    if method == "HEAD" or status < 200 or status in (204, 304):
        framing, length = Framing.NONE, 0
    elif framing is Framing.NONE:
        framing = Framing.UNTIL_CLOSE
    elif framing is Framing.LENGTH and length == 0:
        framing = Framing.NONE
    return ResponseHead(
        raw,
        status,
        headers,
        framing,
        length,
        is_last=is_last or framing is Framing.UNTIL_CLOSE,
        speaks_of_connection=not noted.keys().isdisjoint(_HOP_TO_CLIENT_NAMES),
    )


def _fields(block: bytes) -> tuple[Headers, Mapping[str, str]]:
    """Split header lines; return them all, and by lower-case name at least those that framing depends on."""
    text = block.decode("latin-1")
    items = _FIELD.findall(text)
    if len(items) > HEADER_LIMIT:
        raise MalformedMessage("too many header lines", 431)
    if " \r\n" in text or "\t\r\n" in text:
        items = [(name, value.rstrip(" \t")) for name, value in items]
    headers = Headers(tuple(items))
    if len(headers.first) == len(items):
        return headers, headers.first
    noted: dict[str, str] = {}
    for name, value in items:
        lower = name.lower()
        if lower in _NOTED:
            if lower not in noted:
                noted[lower] = value
            elif lower in _SINGLE:
                raise MalformedMessage(f"{lower} stands twice")
            else:
                noted[lower] += "," + value
    return headers, noted


def _framing(noted: Mapping[str, str]) -> tuple[Framing, int]:
    coding, length = noted.get("transfer-encoding"), noted.get("content-length")
    if coding is None and length is None:
        return Framing.NONE, 0
    if coding is not None:
        if length is not None:
            raise MalformedMessage("content-length stands beside transfer-encoding")
        if coding.lower() != "chunked":
            raise MalformedMessage("the only transfer coding is chunked")
        return Framing.CHUNKED, 0
    if length is None or not _LENGTH.fullmatch(length) or not length.isascii():
        raise MalformedMessage("content-length is not a number")
    return Framing.LENGTH, int(length)


def _options(noted: Mapping[str, str]) -> frozenset[str]:
    """Return the options of every Connection header, lower case."""
    value = noted.get("connection")
    if not value:
        return _NO_OPTIONS
    return _remembered_options(value) if len(value) <= REMEMBERED_OPTIONS_CHARACTERS else _split_options(value)


def _split_options(value: str) -> frozenset[str]:
    return frozenset([option.strip().lower() for option in value.split(",")])


_remembered_options = lru_cache(maxsize=64)(_split_options)


def forwarded_request_head(head: RequestHead) -> bytes:
    """Return the bytes to send upstream: those that came, save an offer to change the protocol on this connection.

    Java's HTTP client offers ``Upgrade: h2c`` on every first request; an upstream that took it would leave the
    gateway unable to see what follows, so the offer and the Connection header that announces it are left out.
    """
    return _without(head.raw, _HOP_TO_UPSTREAM) if head.offers_upgrade else head.raw


def forwarded_response_head(head: ResponseHead, *, closes: bool) -> bytes:
    """Return the bytes to send to the client: those that came, but speaking for this connection rather than the
    upstream's (RFC 9110 section 7.6.1), and in version 1.1."""
    raw = head.raw
    if raw.startswith(b"HTTP/1.0"):
        raw = b"HTTP/1.1" + raw[8:]
    if head.speaks_of_connection:
        raw = _without(raw, _HOP_TO_CLIENT)
    return raw[:-2] + b"Connection: close\r\n\r\n" if closes else raw


def _without(raw: bytes, lines: re.Pattern[bytes]) -> bytes:
    """Return a head without the header lines that ``lines`` finds; a start line is none, for its name has blanks."""
    return lines.sub(b"", raw)


def _lines_named(*names: bytes) -> re.Pattern[bytes]:
    # It begins with a line end, which is searched for several times as fast as a place that one stands before.
    return re.compile(rb"\n(?:" + b"|".join(map(re.escape, names)) + rb"):[^\r]*\r(?=\n)", re.I)


_HOP_TO_UPSTREAM = _lines_named(b"upgrade", b"http2-settings", b"connection")
_HOP_TO_CLIENT = _lines_named(*(name.encode() for name in _HOP_TO_CLIENT_NAMES))


class BodyScanner:
    """Finds the end of one body in the bytes of a connection and decodes chunks on the way.

    ``feed`` takes what arrived and returns (raw bytes of this body, decoded bytes of it); what it did not take belongs
    to the next message. ``is_complete`` is true once the last byte was fed. UNTIL_CLOSE never completes by feeding.
    """

    def __init__(self, framing: Framing, length: int) -> None:
        self.is_complete = framing is Framing.NONE
        self._framing = framing
        self._remaining = length
        self._trailer_bytes = 0
        if framing is Framing.CHUNKED:
            # A function and no bound method, which would refer back to this object and leave it to the collector.
            self._state: Callable[[BodyScanner, bytes, int, list[bytes]], int] = BodyScanner._size_line
            self._line = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes of the body; raises MalformedMessage on a bad chunk."""
        if self._framing is Framing.LENGTH:
            taken = data if len(data) <= self._remaining else data[: self._remaining]
            self._remaining -= len(taken)
            self.is_complete = self._remaining == 0
            return taken, taken
        if self._framing is Framing.UNTIL_CLOSE:
            return data, data
        return self._feed_chunks(data)

    def _feed_chunks(self, data: bytes) -> tuple[bytes, bytes]:
        decoded: list[bytes] = []
        at = 0
        while at < len(data) and not self.is_complete:
            at = self._state(self, data, at, decoded)
        return (data if at == len(data) else data[:at]), b"".join(decoded)

    def _take_line(self, data: bytes, at: int) -> tuple[int, bytes | None]:
        """Collect up to CRLF; a line feed without its carriage return is an error, never a line end."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._line += data[at:stop]
        if len(self._line) > TRAILER_LIMIT_BYTES:
            raise MalformedMessage("a chunk line is too long")
        if end < 0:
            return stop, None
        if not self._line.endswith(b"\r\n"):
            raise MalformedMessage("a chunk line does not end in CRLF")
        line = bytes(self._line[:-2])
        self._line.clear()
        return stop, line

    def _size_line(self, data: bytes, at: int, decoded: list[bytes]) -> int:
        at, line = self._take_line(data, at)
        if line is None:
            return at
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise MalformedMessage("a chunk size is malformed")
        self._remaining = int(match[1], 16)
        self._state = BodyScanner._chunk_data if self._remaining else BodyScanner._trailer_line
        return at

    def _chunk_data(self, data: bytes, at: int, decoded: list[bytes]) -> int:
        piece = data[at : at + self._remaining]
        decoded.append(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._state = BodyScanner._chunk_end
        return at + len(piece)

    def _chunk_end(self, data: bytes, at: int, decoded: list[bytes]) -> int:
        at, line = self._take_line(data, at)
        if line is None and len(self._line) <= 1:
            return at
        if line != b"":
            raise MalformedMessage("a chunk is longer than its size")
        self._state = BodyScanner._size_line
        return at

    def _trailer_line(self, data: bytes, at: int, decoded: list[bytes]) -> int:
        before = at
        at, line = self._take_line(data, at)
        self._trailer_bytes += at - before
        if self._trailer_bytes > TRAILER_LIMIT_BYTES:
            raise MalformedMessage("the trailer section is too long", 431)
        if line is None:
            return at
        if line == b"":
            self.is_complete = True
        elif not _TRAILER_LINE.fullmatch(line):
            raise MalformedMessage("a trailer line is malformed")
        return at
