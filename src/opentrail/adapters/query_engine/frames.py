"""The frames between the server and an engine's process: one byte of kind, four of length, then the content; and the
orders that their host gets: one byte of kind, four of the process's number."""

import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import BinaryIO

HEADER = struct.Struct(">cI")

START, END = b"S", b"E"
"""The kinds of orders: fork a process, and kill it."""

_ORDER = struct.Struct(">cI")
ORDER_BYTES = _ORDER.size


def pack_order(kind: bytes, number: int) -> bytes:
    """Return an order about the process of that number."""
    return _ORDER.pack(kind, number)


def unpack_order(order: bytes) -> tuple[bytes, int]:
    """Return an order's kind and number."""
    kind, number = _ORDER.unpack(order)
    return kind, number


def described_keys(files: Sequence[str], keys: Mapping[str, bytes]) -> dict[str, str]:
    """Return what an engine's process is told of the keys of encrypted files: it is told nowhere else."""
    return {file: b64encode(keys[file]).decode() for file in files if file in keys}


MAX_FRAME_BYTES = 512 << 20
"""A page of results, or the rows of a table that are not in files yet."""


class Kind(bytes, Enum):
    """What a frame holds."""

    QUERY = b"Q"
    ROWS = b"A"
    PAGE = b"P"
    PROGRESS = b"G"
    DONE = b"D"
    FAILED = b"F"


def write_frame(stream: BinaryIO, kind: Kind, content: bytes) -> None:
    """Write one frame whole."""
    stream.write(HEADER.pack(kind.value, len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[Kind, bytes]:
    """Read one frame; raises EOFError when the other side is gone."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    kind, length = HEADER.unpack(header)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return Kind(kind), content
