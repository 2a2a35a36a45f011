"""The common values of a segment, held in memory: where their rows are written, and which two of them never meet.

A lookup of values that are common and have no event together would read the rows of both in every segment, to find
nothing. Here it learns so from one bit for each pair, and reads nothing. Bytes: ``docs/formats/event-history.md``.

        hashes    h0 < h1 < h2 ...                    bit j(j-1)/2 + i, for i < j: some row has values i and j
        pointers  p0   p1   p2 ...
"""

import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opentrail.adapters.event_history.postings import bitmap_bytes

MAX_COMMON = 256
"""Values of a segment that are kept here, those in most rows: at most 8 kB on disk and in memory."""

COMMON_SHARE = 1_024
"""A value is common from 1 of this many rows on."""

MIN_ROWS = 8
_head = struct.Struct("<II")


class Posted(NamedTuple):
    """A value whose rows have been written: its hash, the pointer to them, and themselves."""

    key_hash: int
    pointer: int
    rows: Sequence[int]


class CommonValues:
    """What a segment says of its common values. Never changed, so safe for threads."""

    def __init__(self, hashes: "array[int]", pointers: "array[int]", meets: bytes) -> None:
        self._hashes = hashes
        self._pointers = pointers
        self._meets = meets

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, key_hash: int) -> int:
        """Return the number of a value, -1 when it is not common."""
        index = bisect_left(self._hashes, key_hash)
        return index if index < len(self._hashes) and self._hashes[index] == key_hash else -1

    def pointer(self, number: int) -> int:
        """Return where the rows of value ``number`` are written."""
        return self._pointers[number]

    def can_meet(self, numbers: Sequence[int]) -> bool:
        """Tell whether every two of these values are together in some row."""
        for place, one in enumerate(numbers):
            for other in numbers[:place]:
                low, high = (one, other) if one < other else (other, one)
                bit = high * (high - 1) // 2 + low
                if low != high and not self._meets[bit >> 3] & (1 << (bit & 7)):
                    return False
        return True

    def encode(self) -> bytes:
        """Return the section's bytes."""
        body = self._hashes.tobytes() + self._pointers.tobytes() + self._meets
        return _head.pack(len(self._hashes), zlib.crc32(body)) + body


NO_COMMON_VALUES = CommonValues(array("Q"), array("I"), b"")


def decode_common(data: bytes) -> CommonValues:
    """Undo ``encode``; raises ValueError for bytes that are not what was written."""
    if len(data) < _head.size:
        raise ValueError("its common values are cut short")
    count, checksum = _head.unpack_from(data)
    body = data[_head.size :]
    if count > MAX_COMMON or len(body) != 12 * count + _meets_bytes(count) or zlib.crc32(body) != checksum:
        raise ValueError("its common values are damaged")
    return CommonValues(array("Q", body[: 8 * count]), array("I", body[8 * count : 12 * count]), body[12 * count :])


def is_common(value_rows: int, row_count: int) -> bool:
    """Tell whether a value in so many of a segment's rows may be kept here."""
    return value_rows >= MIN_ROWS and value_rows * COMMON_SHARE >= row_count


def common_values(posted: Iterable[Posted], row_count: int) -> CommonValues:
    """Return the common ones among the values of a segment, every two of them held against each other."""
    most = sorted(posted, key=lambda value: (-len(value.rows), value.key_hash))[:MAX_COMMON]
    chosen = sorted(most, key=lambda value: value.key_hash)
    bits = [int.from_bytes(bitmap_bytes(value.rows, row_count), "little") for value in chosen]
    meets = bytearray(_meets_bytes(len(chosen)))
    bit = 0
    for place, one in enumerate(bits):
        for other in bits[:place]:
            if one & other:
                meets[bit >> 3] |= 1 << (bit & 7)
            bit += 1
    hashes = array("Q", (value.key_hash for value in chosen))
    return CommonValues(hashes, array("I", (value.pointer for value in chosen)), bytes(meets))


def _meets_bytes(count: int) -> int:
    return -(-(count * (count - 1) // 2) // 8)
