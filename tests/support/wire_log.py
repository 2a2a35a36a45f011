"""HTTP/1.1 messages out of the bytes of a connection, read without any of the product's code.

Meant for what well-behaved clients and servers send; anything else fails an assertion.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class WireMessage:
    """One request or response: its head as it stood on the wire, what its body was, and the bytes that framed it
    (chunk sizes and trailers included)."""

    start_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    framed: bytes
    is_chunked: bool

    def header(self, name: str) -> str:
        """Return the first value of ``name`` (lower case), empty when it is missing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def method(self) -> str:
        return self.start_line.split(" ", 1)[0]

    @property
    def target(self) -> str:
        return self.start_line.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.start_line.split(" ")[1])

    @property
    def framed_hash(self) -> str:
        return hashlib.sha256(self.framed).hexdigest()


def read_requests(data: bytes) -> list[WireMessage]:
    """Split what a client sent on one connection."""
    messages = []
    while data:
        message, data = _read(data, is_bodiless=False)
        messages.append(message)
    return messages


def read_responses(data: bytes, methods: Sequence[str]) -> list[WireMessage]:
    """Split what a server sent on one connection, interim answers included; ``methods`` are those of the requests."""
    messages: list[WireMessage] = []
    answered = 0
    while data:
        status = int(data.split(b" ", 2)[1])
        is_interim = status < 200
        is_bodiless = is_interim or status in (204, 304) or methods[answered] == "HEAD"
        message, data = _read(data, is_bodiless=is_bodiless, is_response=True)
        messages.append(message)
        answered += not is_interim
    return messages


def _read(data: bytes, *, is_bodiless: bool, is_response: bool = False) -> tuple[WireMessage, bytes]:
    head, end, rest = data.partition(HEAD_END)
    assert end, f"a head is cut off: {data[:200]!r}"
    start_line, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    fields = {name.lower(): value for name, value in headers}
    if is_bodiless:
        return WireMessage(start_line, headers, b"", b"", False), rest
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body, left = _chunks(rest)
        return WireMessage(start_line, headers, body, rest[: len(rest) - len(left)], True), left
    if "content-length" in fields:
        size = int(fields["content-length"])
        assert len(rest) >= size, f"a body is cut off: {start_line}"
        return WireMessage(start_line, headers, rest[:size], rest[:size], False), rest[size:]
    # A response without a length ends with its connection.
    body = rest if is_response else b""
    return WireMessage(start_line, headers, body, body, False), rest[len(body) :]


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    parts = []
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if not size:
            break
        parts.append(data[:size])
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]
    while not data.startswith(b"\r\n"):
        _, end, data = data.partition(b"\r\n")
        assert end, "a trailer is cut off"
    return b"".join(parts), data[2:]
