"""Reads one immutable segment: the rows of one day that have given hashes, in order, and their records.

The file is memory-mapped, so what it costs in memory is what the system chooses to cache, beside its dictionary
(about 100 kB with the decompressor's tables). Safe for many threads; reading goes on after the file is unlinked.
"""

import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import zstandard

from opentrail.adapters.event_history.layout import DAY_SECONDS
from opentrail.adapters.event_history.postings import Bitmap, Posting, intersect
from opentrail.adapters.event_history.rows import Place, place_of, read_head
from opentrail.adapters.event_history.segment_format import (
    BITMAP_MARK,
    BLOCK_ROWS,
    HEADER_BYTES,
    INLINE_ROW,
    SegmentDamaged,
    decode_header,
)

_GUESS_STEP = 64
"""Hashes from a guess to where it is first corrected, then twice as many each time."""


class OpenSegment(NamedTuple):
    """A segment's file held open, so that it can be read although it is unlinked meanwhile."""

    descriptor: int
    rows: int
    name: str


class Segment:
    """One open segment. Raises SegmentDamaged on opening, and on reading when a block does not inflate."""

    def __init__(self, path: Path, *, is_read_whole: bool = False) -> None:
        """``is_read_whole`` says that all records will be read, in order."""
        self.name = path.name
        with path.open("rb") as file:
            size = path.stat().st_size
            self.header = decode_header(file.read(HEADER_BYTES), self.name)
            if size != self.header.file_bytes:
                raise SegmentDamaged(f"{self.name} has {size} bytes instead of {self.header.file_bytes}")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if not is_read_whole:
            # Else the system reads 128 kB and more around each byte asked for: 1,000 times what a lookup needs.
            mapped.madvise(mmap.MADV_RANDOM)
        view = memoryview(mapped)
        dictionary, blocks, block_ends, times, hashes, postings = (view[part] for part in self.header.sections())
        self.day = self.header.day
        self.row_count = self.header.row_count
        self.size_bytes = size
        self._blocks = blocks
        self._block_ends = block_ends.cast("Q")
        self._times = times.cast("I")
        key_count = len(hashes) // 12
        self._hashes = hashes[: key_count * 8].cast("Q")
        self._pointers = hashes[key_count * 8 :].cast("I")
        self._postings = postings
        self._postings_start = self.header.sections()[-1].start
        self._mapped = mapped
        self._posting_words = postings.cast("I")
        self.dictionary = bytes(dictionary)
        self._decompressor = zstandard.ZstdDecompressor(
            dict_data=zstandard.ZstdCompressionDict(self.dictionary) if self.dictionary else None
        )
        self._decompressing = Lock()

    def fingerprint(self) -> str:
        """Return what tells this segment from any other: what it says of itself, and where each of its blocks ends."""
        return blake2b(self.header.encode() + self._block_ends.tobytes(), digest_size=16).hexdigest()

    def posting(self, key_hash: int) -> Posting | None:
        """Return the rows that have ``key_hash``, None when none has."""
        index = find_hash(self._hashes, key_hash)
        if index == len(self._hashes) or self._hashes[index] != key_hash:
            return None
        pointer = self._pointers[index]
        if pointer & INLINE_ROW:
            return (pointer ^ INLINE_ROW,)
        length = self._posting_words[pointer]
        if length == BITMAP_MARK:
            start = (pointer + 1) * 4
            self._want(start, -(-self.row_count // 32) * 4)
            return Bitmap(self._postings[start : start + -(-self.row_count // 32) * 4])
        return self._posting_words[pointer + 1 : pointer + 1 + length]

    def _want(self, start: int, length: int) -> None:
        """Have the system fetch a part of the postings at once, rather than page by page as it is walked."""
        first = self._postings_start + start
        page = first - first % mmap.PAGESIZE
        self._mapped.madvise(mmap.MADV_WILLNEED, page, first + length - page)

    def search(
        self, hashes: Sequence[int], first: Place, last_negative_time: int
    ) -> Iterator[tuple[Place, list[str | int], bytes]]:
        """Yield (place, head, record) of the rows that have all ``hashes``, from ``first`` (included) through the
        second ``-last_negative_time``, in order. Hashes may collide: the caller checks the head."""
        postings = []
        for key_hash in hashes:
            posting = self.posting(key_hash)
            if posting is None:
                return
            postings.append(posting)
        start, end = self._row_of(first), self._row_at_time(last_negative_time + 1)
        reader = RecordReader(self)
        for row in intersect(postings, start, end):
            record = reader.record(row)
            head = read_head(record)
            yield place_of(head), head, record

    def records(self) -> Iterator[bytes]:
        """Yield every record in order."""
        for block in range(-(-self.row_count // BLOCK_ROWS)):
            yield from self.read_block(block)

    def rows_between(self, start: int, end: int) -> tuple[int, int]:
        """Return the first row and the row behind the last of those in [``start``, ``end``), in seconds since 1970."""
        return self._row_at_time(1 - end), self._row_at_time(1 - start)

    def read_block(self, block: int) -> list[bytes]:
        """Return the records of one block."""
        return split_block(self.block_bytes(block))

    def block_bytes(self, block: int) -> bytes:
        """Return one block inflated, as ``join_block`` made it."""
        start = self._block_ends[block - 1] if block else 0
        packed = self._blocks[start : self._block_ends[block]]
        try:
            with self._decompressing:
                return self._decompressor.decompress(packed)
        except zstandard.ZstdError as error:
            raise SegmentDamaged(f"block {block} of {self.name} does not inflate: {error}") from error

    def _row_at_time(self, negative_time: int) -> int:
        """Return the first row that is no earlier in the order than the second ``-negative_time``."""
        offset = (self.day + 1) * DAY_SECONDS + negative_time
        return bisect_left(self._times, max(offset, 0))

    def _row_of(self, place: Place) -> int:
        """Return the first row at or after ``place``: by time from the index, within a second by reading records."""
        low, high = self._row_at_time(place.negative_time), self._row_at_time(place.negative_time + 1)
        reader = RecordReader(self)
        while place.event_id and low < high:
            middle = (low + high) // 2
            if place_of(read_head(reader.record(middle))) < place:
                low = middle + 1
            else:
                high = middle
        return low


def find_hash(hashes: Sequence[int], wanted: int) -> int:
    """Return where ``wanted`` is or would be among ascending 64-bit hashes, as bisect_left does.

    Hashes are spread evenly, so the first guess is a few hundred places off at most: one page of the file is read, or
    two, where halving would read ten. Values that are not spread cost more steps, never a wrong answer.
    """
    low, high, step = 0, len(hashes), _GUESS_STEP
    guess = min(wanted * high >> 64, high - 1) if high else 0
    if high and hashes[guess] < wanted:
        low = guess + 1
        while low + step < high and hashes[low + step] < wanted:
            low += step
            step *= 2
        high = min(high, low + step + 1)
    elif high:
        high = guess
        while high - step > low and hashes[high - step] >= wanted:
            high -= step
            step *= 2
        low = max(low, high - step)
    return bisect_left(hashes, wanted, low, high)


class RecordReader:
    """Reads records of one segment for one lookup; remembers the block it read last."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._block = -1
        self._records: list[bytes] = []

    def record(self, row: int) -> bytes:
        block, index = divmod(row, BLOCK_ROWS)
        if block != self._block:
            self._block, self._records = block, self._segment.read_block(block)
        return self._records[index]


def join_block(records: Sequence[bytes]) -> bytes:
    """Put records behind the list of their lengths."""
    return struct.pack(f"<I{len(records)}I", len(records), *map(len, records)) + b"".join(records)


def split_block(data: bytes) -> list[bytes]:
    """Undo ``join_block``."""
    (count,) = struct.unpack_from("<I", data)
    records, start = [], 4 + 4 * count
    for length in struct.unpack_from(f"<{count}I", data, 4):
        records.append(data[start : start + length])
        start += length
    return records
