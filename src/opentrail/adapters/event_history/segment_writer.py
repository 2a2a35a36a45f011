"""Writes one segment file, whole and durable, or not at all.

The rows come sorted and are written as they come; the posting lists are held in memory until the end. The file
appears under its name only when every byte of it is on disk, and its folder's entry too.
"""

import os
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import zstandard

from opentrail.adapters.event_history.common import Posted, common_values, is_common
from opentrail.adapters.event_history.layout import DAY_SECONDS, PARTIAL_SUFFIX
from opentrail.adapters.event_history.postings import BITMAP_SHARE, bitmap_bytes
from opentrail.adapters.event_history.rows import Row
from opentrail.adapters.event_history.segment import join_block
from opentrail.adapters.event_history.segment_format import (
    BITMAP_MARK,
    BLOCK_ROWS,
    HEADER_BYTES,
    INLINE_ROW,
    MAX_SEGMENT_ROWS,
    Header,
    padded,
)

DICTIONARY_BYTES = 32_768
SAMPLE_ROWS = 1_024
"""Records a dictionary is trained on; with fewer than this in a file it has none."""

_SAMPLE_BYTES = 16_384
_BUCKETS = 256
"""Parts that hashes are kept in until they are sorted, so that no single step keeps other threads waiting for long."""

_COMPRESSION_LEVEL = 3


def write_segment(path: Path, day: int, rows: Iterable[Row], dictionary: bytes) -> int:
    """Write the rows of one day, given in order, to ``path``; return the size in bytes once it survives a power cut.

    ``dictionary`` is empty or from ``train_dictionary``. At most MAX_SEGMENT_ROWS rows, at least one.
    """
    partial = path.with_suffix(PARTIAL_SUFFIX)
    size = write_partial(partial, day, rows, dictionary)
    publish(partial, path)
    return size


def write_partial(partial: Path, day: int, rows: Iterable[Row], dictionary: bytes) -> int:
    """Write a segment's bytes, as ``write_segment`` does, under a name that is not in force; on disk on return.

    What was written is removed when that fails.
    """
    try:
        with partial.open("wb") as file:
            header = _SegmentWriter(file, day, dictionary).write(rows)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    return header.file_bytes


def publish(partial: Path, path: Path) -> None:
    """Give a written segment its name; that survives a power cut on return."""
    partial.rename(path)
    sync_folder(path.parent)


def train_dictionary(records: Sequence[bytes]) -> bytes:
    """Return a compression dictionary for records like these; empty when they are too few for one to pay."""
    if len(records) < SAMPLE_ROWS:
        return b""
    step = len(records) // SAMPLE_ROWS
    samples: list[bytes | bytearray | memoryview] = [record[:_SAMPLE_BYTES] for record in records[::step]]
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, samples, level=_COMPRESSION_LEVEL).as_bytes()
    except zstandard.ZstdError:
        return b""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _SegmentWriter:
    def __init__(self, file: BinaryIO, day: int, dictionary: bytes) -> None:
        self._file = file
        self._day = day
        self._dictionary = dictionary
        self._last_second = (day + 1) * DAY_SECONDS
        self._compressor = zstandard.ZstdCompressor(
            level=_COMPRESSION_LEVEL,
            dict_data=zstandard.ZstdCompressionDict(dictionary) if dictionary else None,
            write_checksum=True,
            write_dict_id=False,
        )
        self._rows_of: list[dict[int, int | array[int]]] = [{} for _ in range(_BUCKETS)]
        self._times = array("I")
        self._block_ends = array("Q")
        self._block_bytes = 0

    def write(self, rows: Iterable[Row]) -> Header:
        self._file.write(bytes(HEADER_BYTES))
        self._write_section(self._dictionary)
        self._write_rows(rows)
        self._file.write(bytes(padded(self._block_bytes) - self._block_bytes))
        sizes = [
            len(self._dictionary),
            self._block_bytes,
            self._write_section(self._block_ends.tobytes()),
            self._write_section(self._times.tobytes()),
            *self._write_index(),
        ]
        newest, oldest = (self._last_second - offset for offset in (self._times[0], self._times[-1]))
        header = Header(self._day, len(self._times), newest, oldest, *sizes)
        self._file.seek(0)
        self._file.write(header.encode())
        return header

    def _write_rows(self, rows: Iterable[Row]) -> None:
        block: list[bytes] = []
        for number, row in enumerate(rows):
            assert number < MAX_SEGMENT_ROWS
            self._times.append(self._last_second + row.place.negative_time)
            self._note_hashes(number, row.hashes)
            block.append(row.record)
            if len(block) == BLOCK_ROWS:
                self._write_block(block)
                block = []
        if block:
            self._write_block(block)

    def _note_hashes(self, number: int, hashes: Iterable[int]) -> None:
        for key_hash in hashes:
            rows_of = self._rows_of[key_hash >> 56]
            known = rows_of.get(key_hash)
            if known is None:
                rows_of[key_hash] = number
            elif isinstance(known, int):
                rows_of[key_hash] = array("I", (known, number))
            else:
                known.append(number)

    def _write_block(self, records: list[bytes]) -> None:
        packed = self._compressor.compress(join_block(records))
        self._file.write(packed)
        self._block_bytes += len(packed)
        self._block_ends.append(self._block_bytes)

    def _write_index(self) -> tuple[int, int, int]:
        hashes, pointers, postings = array("Q"), array("I"), array("I")
        common: list[Posted] = []
        for number, rows_of in enumerate(self._rows_of):
            for key_hash in sorted(rows_of):
                rows = rows_of[key_hash]
                hashes.append(key_hash)
                pointers.append(self._add_posting(postings, rows))
                if not isinstance(rows, int) and is_common(len(rows), len(self._times)):
                    common.append(Posted(key_hash, pointers[-1], rows))
            self._rows_of[number] = {}
        return (
            self._write_section(hashes.tobytes() + pointers.tobytes()),
            self._write_section(postings.tobytes()),
            self._write_section(common_values(common, len(self._times)).encode()),
        )

    def _add_posting(self, postings: "array[int]", rows: "int | array[int]") -> int:
        """Add the posting of one value; return the pointer to it."""
        if isinstance(rows, int):
            return INLINE_ROW | rows
        pointer = len(postings)
        if len(rows) * BITMAP_SHARE > len(self._times):
            postings.append(BITMAP_MARK)
            postings.frombytes(bitmap_bytes(rows, len(self._times)))
        else:
            postings.append(len(rows))
            postings.extend(rows)
        return pointer

    def _write_section(self, data: bytes) -> int:
        self._file.write(data)
        self._file.write(bytes(padded(len(data)) - len(data)))
        return len(data)
