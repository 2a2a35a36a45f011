"""What goes over the socket between a journal's owner and a process that writes through it.

A request is ``<payload length: 4><request: 4><writes: 2>`` (little-endian) and the writes, each
``<order: 1><call: 8><body length: 4>`` and its body. A reply has the same header with its request's number and count,
and an outcome for every write, ``<outcome: 1><number: 8>``, then a message (UTF-8) when one of them failed. Replies
come in any order.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from opentrail.ports.journal import MAX_BATCH_BYTES

MAX_WRITES = 1024
"""Writes of one frame."""

GATHERED_BYTES = 1024 * 1024
"""A frame takes no further write once its bodies have this many bytes."""

MAX_PAYLOAD_BYTES = GATHERED_BYTES + 2 * MAX_BATCH_BYTES + MAX_WRITES * 16
"""The longest frame: what was gathered, then the largest batch with its framing, which outweighs the entries only if
they are almost empty."""

_HEADER = struct.Struct("<IIH")
_WRITE = struct.Struct("<BQI")
_OUTCOME = struct.Struct("<BQ")


class Order(IntEnum):
    """What a write asks for; its body is a batch of entries, a pending call's event, or the entries that close the
    call of that number."""

    APPEND = 1
    OPEN_CALL = 2
    CLOSE_CALL = 3


class Outcome(IntEnum):
    """How a write went; ``number`` is the position's or the call's when it was stored."""

    STORED = 0
    UNAVAILABLE = 1
    REFUSED = 2
    NOT_PENDING = 3


class BrokenConnection(Exception):
    """The other side sent what no release sends; the connection is of no use any more."""


class Frame(NamedTuple):
    """One request or reply, its payload not looked at yet."""

    request: int
    writes: int
    payload: bytes


class WriteOrder(NamedTuple):
    """One write of a request."""

    order: int
    call: int
    body: bytes


class Result(NamedTuple):
    """One outcome of a reply."""

    outcome: int
    number: int


def format_request(request: int, writes: Sequence[WriteOrder]) -> bytes:
    """Return a request's bytes; at most MAX_WRITES writes."""
    parts = [b""]
    size = 0
    for write in writes:
        parts.append(_WRITE.pack(write.order, write.call, len(write.body)))
        parts.append(write.body)
        size += _WRITE.size + len(write.body)
    parts[0] = _HEADER.pack(size, request, len(writes))
    return b"".join(parts)


def read_request(frame: Frame) -> Iterator[WriteOrder]:
    """Yield the writes of a request; raises BrokenConnection where it is not one."""
    payload, at = frame.payload, 0
    try:
        for _ in range(frame.writes):
            order, call, length = _WRITE.unpack_from(payload, at)
            start = at + _WRITE.size
            at = start + length
            if at > len(payload):
                raise BrokenConnection("a write ends past its frame")
            yield WriteOrder(order, call, payload[start:at])
    except struct.error as error:
        raise BrokenConnection(str(error)) from error
    if at != len(payload):
        raise BrokenConnection("a frame with more than its writes")


def format_reply(request: int, results: Sequence[Result], message: str) -> bytes:
    """Return a reply's bytes."""
    text = message.encode()
    outcomes = b"".join([_OUTCOME.pack(*result) for result in results])
    return _HEADER.pack(len(outcomes) + len(text), request, len(results)) + outcomes + text


def read_reply(frame: Frame) -> tuple[list[Result], str]:
    """Return a reply's outcomes and its message; raises BrokenConnection."""
    end = frame.writes * _OUTCOME.size
    if end > len(frame.payload):
        raise BrokenConnection("a reply that ends before its outcomes")
    results = [Result(*values) for values in _OUTCOME.iter_unpack(frame.payload[:end])]
    return results, frame.payload[end:].decode("utf-8", "replace")


class FrameReader:
    """Cuts what arrives on a connection into frames. Holds at most one frame and what came with its end."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now, in order; raises BrokenConnection."""
        self._data += data
        frames: list[Frame] = []
        at, end = 0, len(self._data)
        while end - at >= _HEADER.size:
            length, request, count = _HEADER.unpack_from(self._data, at)
            if length > MAX_PAYLOAD_BYTES or count > MAX_WRITES:
                raise BrokenConnection(f"a frame of {length} bytes and {count} writes")
            start = at + _HEADER.size
            if end - start < length:
                break
            at = start + length
            frames.append(Frame(request, count, bytes(self._data[start:at])))
        if at:
            del self._data[:at]
        return frames
