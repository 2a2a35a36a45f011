"""The searchable tail: events that are not in a segment yet, with the same index in memory.

Every list is in the order of lookups, so the newest events of any condition are at its front. Memory is about 2 kB an
event beside its record. Not safe for threads: whoever holds a tail locks around it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from opentrail.adapters.event_history.rows import Identity, Place, Row, read_head


class TailEntry(NamedTuple):
    """An event's place with its number in the tail's log; entries sort as places do."""

    place: Place
    sequence: int


class Tail:
    """Rows by sequence number, found by their hashes."""

    def __init__(self, rows: Iterable[tuple[int, Row]] = (), last_sequence: int = 0) -> None:
        self._rows: dict[int, Row] = {}
        self._identities: set[Identity] = set()
        self._entries: dict[int, list[TailEntry]] = {}
        self.size_bytes = 0
        self.last_sequence = last_sequence
        for sequence, row in rows:
            self.add(sequence, row)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._identities

    def items(self) -> list[tuple[int, Row]]:
        """Return every (sequence, row), in the order they came."""
        return list(self._rows.items())

    def add(self, sequence: int, row: Row) -> None:
        """Make one row visible; sequences only grow."""
        self._rows[sequence] = row
        self._identities.add(row.identity)
        self.size_bytes += len(row.record)
        self.last_sequence = sequence
        entry = TailEntry(row.place, sequence)
        for key_hash in row.hashes:
            insort(self._entries.setdefault(key_hash, []), entry)

    def dismantle(self) -> Iterator[None]:
        """Free what a tail held that nobody searches any more, a bit for each step: all at once, every other thread of
        the process would wait for it."""
        for part in (self._entries, self._rows):
            while part:
                yield
                part.popitem()
        while self._identities:
            yield
            self._identities.pop()

    def has_exactly(self, sequences: AbstractSet[int]) -> bool:
        """Tell whether these are the rows' sequences."""
        return self._rows.keys() == sequences

    def without(self, sequences: Iterable[int]) -> "Tail":
        """Return the tail that is left when these rows are gone."""
        gone = set(sequences)
        left = Tail(item for item in self._rows.items() if item[0] not in gone)
        left.last_sequence = self.last_sequence
        return left

    def search(
        self, hashes: Sequence[int], first: Place, last_negative_time: int
    ) -> Iterator[tuple[Place, list[str | int], bytes]]:
        """Yield (place, head, record) of the rows that have all ``hashes``, from ``first`` (included) through the
        second ``-last_negative_time``, in order. Hashes may collide: the caller checks the head."""
        lists = [self._entries.get(key_hash, []) for key_hash in hashes]
        shortest = min(lists, key=len)
        start = bisect_left(shortest, first, key=_place)
        for index in range(start, len(shortest)):
            place, sequence = shortest[index]
            if place.negative_time > last_negative_time:
                return
            row = self._rows[sequence]
            if all(key_hash in row.hashes for key_hash in hashes):
                yield place, read_head(row.record), row.record


def _place(entry: TailEntry) -> Place:
    return entry.place
