"""Reads one immutable segment: the rows of one day that have given hashes, in order, and their records.

The file is memory-mapped, so what it costs in memory is what the system chooses to cache, beside its dictionary
(about 100 kB with the decompressor's tables) and its common values (at most 8 kB). Safe for many threads; reading goes
on after the file is unlinked.
"""

import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import zstandard

from opentrail.adapters.event_history.common import NO_COMMON_VALUES, decode_common
from opentrail.adapters.event_history.disk_waits import DiskWaits
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

_GUESS_MARGIN = 256
"""Hashes to either side of a guess that are fetched with it: most guesses among 200,000 are closer."""

_ROWS_AHEAD = 64
"""Rows whose records are fetched at once: a page of a lookup."""

_BLOCKS, _BLOCK_ENDS, _HASHES, _POSTINGS = 1, 2, 4, 5
"""Sections of a segment by their numbers."""


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
        sections = self.header.sections()
        dictionary, blocks, block_ends, times, hashes, postings, common = (view[part] for part in sections)
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
        self._starts = [section.start for section in sections]
        self._mapped = mapped
        try:
            self._common = decode_common(bytes(common)) if len(common) else NO_COMMON_VALUES
        except ValueError as error:
            raise SegmentDamaged(f"{self.name}: {error}") from error
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
        pointer = self._pointer(key_hash)
        return None if pointer is None else self._posting_at(pointer)

    def postings(self, hashes: Sequence[int]) -> list[Posting] | None:
        """Return the rows of each of ``hashes``; None when no row can have all of them."""
        pointers = self._pointers_of(hashes)
        return None if pointers is None else [self._posting_at(pointer) for pointer in pointers]

    def _pointers_of(self, hashes: Sequence[int]) -> list[int] | None:
        common = self._common
        numbers = [common.find(key_hash) for key_hash in hashes]
        if not common.can_meet([number for number in numbers if number >= 0]):
            return None
        found = []
        for number, key_hash in zip(numbers, hashes, strict=True):
            pointer = common.pointer(number) if number >= 0 else self._pointer(key_hash)
            if pointer is None:
                return None
            found.append(pointer)
        return found

    def _pointer(self, key_hash: int) -> int | None:
        index = find_hash(self._hashes, key_hash)
        if index == len(self._hashes) or self._hashes[index] != key_hash:
            return None
        return self._pointers[index]

    def _posting_at(self, pointer: int) -> Posting:
        if pointer & INLINE_ROW:
            return (pointer ^ INLINE_ROW,)
        length = self._posting_words[pointer]
        if length == BITMAP_MARK:
            start, length_bytes = (pointer + 1) * 4, -(-self.row_count // 32) * 4
            self._want(_POSTINGS, start, length_bytes)
            return Bitmap(self._postings[start : start + length_bytes])
        return self._posting_words[pointer + 1 : pointer + 1 + length]

    def want_hashes(self, hashes: Sequence[int]) -> None:
        """Have the system fetch the pages where ``hashes`` will be looked for."""
        if not self._common.can_meet([number for number in map(self._common.find, hashes) if number >= 0]):
            return
        for key_hash in hashes:
            if self._common.find(key_hash) < 0:
                first = max(0, (key_hash * len(self._hashes) >> 64) - _GUESS_MARGIN)
                self._want(_HASHES, first * 8, 2 * _GUESS_MARGIN * 8)

    def want_pointers(self, hashes: Sequence[int]) -> None:
        """Have the system fetch where it is written which rows have ``hashes``."""
        for key_hash in hashes:
            if self._common.find(key_hash) < 0:
                index = find_hash(self._hashes, key_hash)
                if index < len(self._hashes) and self._hashes[index] == key_hash:
                    self._want(_HASHES, len(self._hashes) * 8 + index * 4, 4)

    def want_postings(self, hashes: Sequence[int]) -> None:
        """Have the system fetch where the rows of ``hashes`` begin, if a row can have all of them."""
        for pointer in self._pointers_of(hashes) or ():
            if not pointer & INLINE_ROW:
                self._want(_POSTINGS, pointer * 4, 4)

    def want_rows(self, postings: Sequence[Posting], count: int) -> list[int]:
        """Return the first rows in all ``postings``, ``count`` at most, and have the system fetch where their blocks
        end."""
        rows = list(islice(intersect(postings, 0, self.row_count), count))
        self._want_block_ends(rows)
        return rows

    def _want_block_ends(self, rows: Sequence[int]) -> None:
        for block in sorted({row // BLOCK_ROWS for row in rows}):
            self._want(_BLOCK_ENDS, max(0, block - 1) * 8, 16)

    def want_blocks(self, rows: Sequence[int]) -> None:
        """Have the system fetch the blocks of ``rows``."""
        for block in sorted({row // BLOCK_ROWS for row in rows}):
            start = self._block_ends[block - 1] if block else 0
            self._want(_BLOCKS, start, self._block_ends[block] - start)

    def _want(self, section: int, start: int, length: int) -> None:
        """Have the system fetch a part of a section at once, rather than page by page as it is read."""
        first = self._starts[section] + start
        page = first - first % mmap.PAGESIZE
        self._mapped.madvise(mmap.MADV_WILLNEED, page, min(first + length, self.size_bytes) - page)

    def search(
        self, hashes: Sequence[int], first: Place, last_negative_time: int
    ) -> Iterator[tuple[Place, list[str | int], bytes]]:
        """Yield (place, head, record) of the rows that have all ``hashes``, from ``first`` (included) through the
        second ``-last_negative_time``, in order. Hashes may collide: the caller checks the head."""
        postings = self.postings(hashes)
        if postings is None:
            return
        start, end = self._row_of(first), self._row_at_time(last_negative_time + 1)
        reader = RecordReader(self)
        for row in self._fetching_ahead(intersect(postings, start, end)):
            record = reader.record(row)
            head = read_head(record)
            yield place_of(head), head, record

    def _fetching_ahead(self, rows: Iterator[int]) -> Iterator[int]:
        """Yield ``rows``; once the first ones' records came from the disk, the next ones' are fetched many at once."""
        waits = DiskWaits()
        is_slow = False
        while chunk := list(islice(rows, _ROWS_AHEAD if is_slow else 1)):
            if is_slow:
                self._want_block_ends(chunk)
                self.want_blocks(chunk)
            yield from chunk
            is_slow = is_slow or waits.was_slow()

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
        if negative_time <= -self.header.newest:
            return 0
        if negative_time > -self.header.oldest:
            return self.row_count
        return bisect_left(self._times, (self.day + 1) * DAY_SECONDS + negative_time)

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
        self._data = b""

    def record(self, row: int) -> bytes:
        block, index = divmod(row, BLOCK_ROWS)
        if block != self._block:
            self._block, self._data = block, self._segment.block_bytes(block)
        return _record_in_block(self._data, index)


def join_block(records: Sequence[bytes]) -> bytes:
    """Put records behind the list of their lengths."""
    return struct.pack(f"<I{len(records)}I", len(records), *map(len, records)) + b"".join(records)


def block_parts(records: Sequence[bytes]) -> list[bytes]:
    """Return what ``join_block`` does in parts, each made in a moment: other threads wait while one is."""
    lengths = struct.pack(f"<I{len(records)}I", len(records), *map(len, records))
    return [lengths, *(b"".join(records[start : start + 256]) for start in range(0, len(records), 256))]


def _record_in_block(data: bytes, index: int) -> bytes:
    """Return one of the records that ``split_block`` does."""
    count, *lengths = struct.unpack_from(f"<{index + 2}I", data)
    end = 4 + 4 * count + sum(lengths)
    return data[end - lengths[-1] : end]


def split_block(data: bytes) -> list[bytes]:
    """Undo ``join_block``."""
    (count,) = struct.unpack_from("<I", data)
    records, start = [], 4 + 4 * count
    for length in struct.unpack_from(f"<{count}I", data, 4):
        records.append(data[start : start + length])
        start += length
    return records
