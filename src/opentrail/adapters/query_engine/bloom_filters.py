"""Files that cannot hold a value are left out before an engine opens them: what Parquet's Bloom filters say.

A split-block filter (Parquet's BloomFilter.md) is asked with one read of 32 bytes. Opening a file costs an engine half
a millisecond, for its footer; here that is done once for each file, and only where its filters lie is remembered.
"""

import os
import struct
from collections.abc import Iterator, Sequence

from opentrail.adapters.query_engine.xxhash64 import xxhash64
from opentrail.ports.query_engine import Needle

MAX_FILES = 10_000
"""Of how many files it is remembered where their filters lie: some 20 MB."""

_HEADER_BYTES = 24
_HEADER_END = bytes.fromhex("1c1c00001c1c00001c1c000000")
"""After its size a filter's header says: split blocks, xxHash, not compressed. (Thrift's compact protocol.)"""

_BLOCK_BYTES = 32
_WORDS = struct.Struct("<8I")
_SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
_HALF = 0xFFFFFFFF

Filter = tuple[int, int]
"""Where a filter's blocks begin in the file, and how many they are."""


class BloomFilters:
    """Asks files that never change under their names; may be asked by several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], dict[str, list[Filter]]] = {}

    def possible(self, files: Sequence[str], needles: Sequence[Needle]) -> tuple[str, ...]:
        """Return the files that may have a row in which every needle's column has one of its values.

        A file that cannot be read stays among them: the engine says what is wrong with it.
        """
        hashed = [(needle.column, [xxhash64(value.encode()) for value in needle.values]) for needle in needles]
        return tuple(file for file in files if self._is_possible(file, hashed))

    def _is_possible(self, file: str, needles: Sequence[tuple[str, list[int]]]) -> bool:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            return True
        try:
            filters = self._filters(file, descriptor)
            return all(
                any(_may_hold(descriptor, one, value) for one in filters[column] for value in values)
                for column, values in needles
                if column in filters
            )
        except OSError:
            return True
        finally:
            os.close(descriptor)

    def _filters(self, file: str, descriptor: int) -> dict[str, list[Filter]]:
        """Return the filters of the columns of which each row group has one."""
        status = os.fstat(descriptor)
        key = file, status.st_size, status.st_mtime_ns
        if key not in self._known:
            if len(self._known) >= MAX_FILES:
                self._known.clear()
            self._known[key] = dict(_read_filters(file, descriptor))
        return self._known[key]


def _read_filters(file: str, descriptor: int) -> Iterator[tuple[str, list[Filter]]]:
    # Imported here because it brings Arrow, which a server without an event data store shall not load.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(file)
    except pa.ArrowInvalid as error:
        raise OSError(str(error)) from error
    for place in range(footer.num_columns):
        chunks = [footer.row_group(group).column(place) for group in range(footer.num_row_groups)]
        if chunks and all(chunk.bloom_filter_offset is not None for chunk in chunks):
            found = [_read_filter(descriptor, chunk.bloom_filter_offset) for chunk in chunks]
            known = [one for one in found if one is not None]
            if len(known) == len(found):
                yield chunks[0].path_in_schema, known


def _read_filter(descriptor: int, offset: int) -> Filter | None:
    """Read the header of a filter; None when it is of a kind that is not known here."""
    header = os.pread(descriptor, _HEADER_BYTES, offset)
    size, at, shift = 0, 1, 0
    while at < len(header) and shift < 35:  # a zigzag number of seven bits a byte
        size |= (header[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not header[at - 1] & 0x80:
            break
    size >>= 1
    if header[:1] != b"\x15" or header[at : at + len(_HEADER_END)] != _HEADER_END or size < 1 or size % _BLOCK_BYTES:
        return None
    return offset + at + len(_HEADER_END), size // _BLOCK_BYTES


def _may_hold(descriptor: int, one: Filter, value: int) -> bool:
    start, blocks = one
    block = ((value >> 32) * blocks) >> 32
    content = os.pread(descriptor, _BLOCK_BYTES, start + block * _BLOCK_BYTES)
    if len(content) < _BLOCK_BYTES:
        return True
    key = value & _HALF
    return all(
        word >> ((key * salt & _HALF) >> 27) & 1 for word, salt in zip(_WORDS.unpack(content), _SALTS, strict=True)
    )
