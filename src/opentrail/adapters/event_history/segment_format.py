"""The header of a segment file and the places of its sections, as ``docs/formats/event-history.md`` has them.

Sections follow the header in the order of ``Header.sizes``, each padded to 8 bytes. All numbers are little-endian.
"""

import struct
import sys
import zlib
from dataclasses import dataclass

from opentrail.errors import OperatorError

MAGIC = b"OTHIST\x00"
VERSION = 2
"""What is written; version 1, which has no common values and six sections, is read as well."""

BLOCK_ROWS = 8
"""Records compressed together: one is read by inflating eight."""

MAX_SEGMENT_ROWS = 131_072
"""Rows of one file. Writing one holds its posting lists in memory: about 40 MB at this size."""

INLINE_ROW = 1 << 31
"""A pointer with this bit holds its only row itself instead of a place among the posting lists."""

BITMAP_MARK = 0xFFFF_FFFF
"""The first word of a posting that is a bitmap; a list begins with its length."""

_headers = {1: struct.Struct("<8siIqq6QI"), 2: struct.Struct("<8siIqq7QI")}
_header_bytes = {1: 88, 2: 96}
HEADER_BYTES = _header_bytes[VERSION]
"""Bytes of the header as it is written; read as many to decode one of any version."""


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
    common_bytes: int = 0
    version: int = VERSION

    def encode(self) -> bytes:
        magic = MAGIC + bytes((VERSION,))
        body = _headers[VERSION].pack(magic, self.day, self.row_count, self.newest, self.oldest, *self.sizes, 0)
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
            self.common_bytes,
        )

    def sections(self) -> list[slice]:
        """Return where the sections lie in the file: dictionary, blocks, block ends, times, hashes and their
        pointers, postings, common values (empty in version 1)."""
        found, start = [], _header_bytes[self.version]
        for size in self.sizes:
            found.append(slice(start, start + size))
            start += padded(size)
        return found

    @property
    def file_bytes(self) -> int:
        return _header_bytes[self.version] + sum(padded(size) for size in self.sizes)


def decode_header(data: bytes, name: str) -> Header:
    """Parse a header; raises SegmentDamaged."""
    if sys.byteorder != "little":
        raise SegmentDamaged(f"{name}: segments are read on little-endian machines only")
    version = data[len(MAGIC)] if len(data) >= HEADER_BYTES and data.startswith(MAGIC) else 0
    if version not in _headers:
        raise SegmentDamaged(f"{name} is not a segment of this version")
    layout = _headers[version]
    *members, checksum = layout.unpack_from(data)
    if zlib.crc32(data[: layout.size - 4]) != checksum:
        raise SegmentDamaged(f"{name} has a damaged header")
    sizes = members[5:] if version > 1 else [*members[5:], 0]
    return Header(*(*members[1:5], *sizes, version))


def padded(size: int) -> int:
    """Return ``size`` rounded up to 8 bytes."""
    return -(-size // 8) * 8
