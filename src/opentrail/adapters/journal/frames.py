"""What goes over the socket between a journal's owner and the processes that write through it.

A frame is ``<payload length: 4><checksum: 4><request: 4><code: 1>`` (little-endian) and the payload. A request's code
is an Order, a reply's an Outcome; a reply carries the number of its request, and replies come in any order.
"""

import asyncio
import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from opentrail.ports.journal import MAX_BATCH_BYTES

CALL_ID_BYTES = 16

MAX_PAYLOAD_BYTES = 2 * MAX_BATCH_BYTES
"""The largest batch and its framing, which outweighs the entries only if they are almost empty."""

_HEADER = struct.Struct("<IIIB")


class Order(IntEnum):
    """What a request asks for; its payload is a batch's body, a pending call's event, or a call's id and a body."""

    APPEND = 1
    OPEN_CALL = 2
    CLOSE_CALL = 3


class Outcome(IntEnum):
    """How a request went; a reply's payload is the position or call id when it was stored, else a message."""

    STORED = 0
    UNAVAILABLE = 1
    REFUSED = 2
    NOT_PENDING = 3


class BrokenConnection(Exception):
    """The other side sent what no release sends; the connection is of no use any more."""


class Frame(NamedTuple):
    """One request or reply."""

    request: int
    code: int
    payload: bytes


def format_frame(frame: Frame) -> bytes:
    """Return the frame's bytes."""
    header = _HEADER.pack(len(frame.payload), zlib.crc32(frame.payload), frame.request, frame.code)
    return header + frame.payload


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Return the next frame; raises asyncio.IncompleteReadError at the end, BrokenConnection on garbage."""
    length, checksum, request, code = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if length > MAX_PAYLOAD_BYTES:
        raise BrokenConnection(f"a frame of {length} bytes")
    payload = await reader.readexactly(length)
    if zlib.crc32(payload) != checksum:
        raise BrokenConnection("a frame with a wrong checksum")
    return Frame(request, code, payload)
