"""The header of a segment file and the places of its sections, as ``docs/formats/event-history.md`` has them.

Sections follow the header in the order of ``Header.sizes``, each padded to 8 bytes. All numbers are little-endian.
"""

import struct
import sys
import zlib
from dataclasses import dataclass

from opentrail.errors import OperatorError

MAGIC = b"OTHIST\x00\x01"
BLOCK_ROWS = 8
"""Records compressed together: one is read by inflating eight."""

MAX_SEGMENT_ROWS = 131_072
"""Rows of one file. Writing one holds its posting lists in memory: about 40 MB at this size."""

INLINE_ROW = 1 << 31
"""A pointer with this bit holds its only row itself instead of a place among the posting lists."""

BITMAP_MARK = 0xFFFF_FFFF
"""The first word of a posting that is a bitmap; a list begins with its length."""

_header = struct.Struct("<8siIqq6QI")
HEADER_BYTES = 88


class SegmentDamaged(Exception):
    """A segment file is not what was written; the message names the file and what is wrong with it."""


class HistoryDamaged(OperatorError):
    """The history folder cannot be opened: a segment in force is missing or damaged, or a newer release wrote it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself; ``sizes`` are its sections' lengths in bytes, without padding.

    ``newest`` and ``oldest`` are the seconds since 1970 of its first and last row.
    """

    day: int
    row_count: int
    newest: int
    oldest: int
    dictionary_bytes: int
    block_bytes: int
    block_end_bytes: int
    time_bytes: int
    hash_bytes: int
    posting_bytes: int

    def encode(self) -> bytes:
        body = _header.pack(MAGIC, self.day, self.row_count, self.newest, self.oldest, *self.sizes, 0)
        return (body[:-4] + struct.pack("<I", zlib.crc32(body[:-4]))).ljust(HEADER_BYTES, b"\0")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (
            self.dictionary_bytes,
            self.block_bytes,
            self.block_end_bytes,
            self.time_bytes,
            self.hash_bytes,
            self.posting_bytes,
        )

    def sections(self) -> list[slice]:
        """Return where the six sections lie in the file: dictionary, blocks, block ends, times, hashes and their
        pointers, postings."""
        found, start = [], HEADER_BYTES
        for size in self.sizes:
            found.append(slice(start, start + size))
            start += padded(size)
        return found

    @property
    def file_bytes(self) -> int:
        return HEADER_BYTES + sum(padded(size) for size in self.sizes)


def decode_header(data: bytes, name: str) -> Header:
    """Parse a header; raises SegmentDamaged."""
    if sys.byteorder != "little":
        raise SegmentDamaged(f"{name}: segments are read on little-endian machines only")
    if len(data) < HEADER_BYTES or data[: len(MAGIC)] != MAGIC:
        raise SegmentDamaged(f"{name} is not a segment of this version")
    *members, checksum = _header.unpack_from(data)
    if zlib.crc32(data[: _header.size - 4]) != checksum:
        raise SegmentDamaged(f"{name} has a damaged header")
    return Header(*members[1:])


def padded(size: int) -> int:
    """Return ``size`` rounded up to 8 bytes."""
    return -(-size // 8) * 8
