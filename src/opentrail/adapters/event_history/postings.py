"""Posting lists: the rows of a segment that have one value, in row order, so newest first.

A value in few rows keeps a list of row numbers; one in more than 1 of ``BITMAP_SHARE`` rows keeps a bitmap, bit ``r``
of byte ``r >> 3`` standing for row ``r``. Intersections are lazy: a page of the newest rows costs a page, not a list.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

BITMAP_SHARE = 128
_CHUNK_ROWS = 512
_FIRST_WINDOW_BYTES = 128
_LAST_WINDOW_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A posting list of a common value."""

    bits: memoryview

    def __contains__(self, row: int) -> bool:
        return bool(self.bits[row >> 3] & (1 << (row & 7)))


RowList = Sequence[int]
Posting = RowList | Bitmap


def bitmap_bytes(rows: Sequence[int], row_count: int) -> bytes:
    """Return the bitmap of ``rows`` among ``row_count``, padded to whole 32-bit words."""
    bits = bytearray(-(-row_count // 32) * 4)
    for row in rows:
        bits[row >> 3] |= 1 << (row & 7)
    return bytes(bits)


def intersect(postings: Sequence[Posting], first: int, end: int) -> Iterator[int]:
    """Yield the rows in [first, end) that are in every one of ``postings`` (at least one), ascending."""
    lists = sorted((posting for posting in postings if not isinstance(posting, Bitmap)), key=len)
    bitmaps = [posting for posting in postings if isinstance(posting, Bitmap)]
    if not lists:
        return _common_bits(bitmaps, first, end)
    shortest = lists[0]
    rows: Iterator[int] = iter(shortest[bisect_left(shortest, first) : bisect_left(shortest, end)])
    for other in lists[1:]:
        rows = _rows_in_list(rows, other)
    return _rows_in_bitmaps(rows, bitmaps) if bitmaps else rows


def _rows_in_list(rows: Iterator[int], other: RowList) -> Iterator[int]:
    position = 0
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        position = bisect_left(other, chunk[0], position)
        end = bisect_left(other, chunk[-1] + 1, position)
        yield from sorted(set(chunk).intersection(other[position:end]))
        position = end


def _rows_in_bitmaps(rows: Iterator[int], bitmaps: Sequence[Bitmap]) -> Iterator[int]:
    for row in rows:
        if all(row in bitmap for bitmap in bitmaps):
            yield row


def _common_bits(bitmaps: Sequence[Bitmap], first: int, end: int) -> Iterator[int]:
    """Walk the bitmaps in windows that grow, so that a common value stops early and a vain search runs at C speed."""
    start, window = first >> 3, _FIRST_WINDOW_BYTES
    while start << 3 < end:
        common = int.from_bytes(bitmaps[0].bits[start : start + window], "little")
        for bitmap in bitmaps[1:]:
            common &= int.from_bytes(bitmap.bits[start : start + window], "little")
        base = start << 3
        if base < first:
            common = common >> (first - base) << (first - base)
        while common:
            lowest = common & -common
            row = base + lowest.bit_length() - 1
            if row >= end:
                return
            yield row
            common ^= lowest
        start += window
        window = min(window * 4, _LAST_WINDOW_BYTES)
