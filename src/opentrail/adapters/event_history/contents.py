"""What a history holds at one moment, tail and segments together, and the search over both.

The tail is two: one that grows, and the one before it while that is sealed, so that what was sealed goes in one step
and nothing that is left is indexed again. An event leaves the tail in the same step in which its segment appears, so a
search, which takes its view of both in that lock, meets every event exactly once.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from threading import Lock

from opentrail.adapters.event_history.layout import DAY_SECONDS
from opentrail.adapters.event_history.page_token import format_token, parse_token
from opentrail.adapters.event_history.read_ahead import ReadAhead
from opentrail.adapters.event_history.rows import (
    Condition,
    Place,
    Row,
    condition_of,
    hash_value,
    read_event,
)
from opentrail.adapters.event_history.segment import Segment
from opentrail.adapters.event_history.tail import Tail
from opentrail.ports.event_history import LookupPage, LookupQuery

Found = tuple[Place, bytes]
_ROWS_A_TURN = 16
"""Rows indexed while lookups wait: a fraction of a millisecond."""

_END_OF_TIME = 1 << 40
"""Seconds further from 1970 than any datetime."""


class Contents:
    """The tail and the segments in force. Safe for threads; a lookup holds the lock only while it reads the tail."""

    def __init__(self, tail: Tail, segments: Iterable[Segment]) -> None:
        self._lock = Lock()
        self._tail = tail
        self._frozen = Tail()
        self._days = _by_day(segments)

    @property
    def tail_rows(self) -> int:
        return len(self._frozen) + len(self._tail)

    @property
    def tail_bytes(self) -> int:
        return self._frozen.size_bytes + self._tail.size_bytes

    @property
    def last_sequence(self) -> int:
        return self._tail.last_sequence

    def tail_items(self) -> list[tuple[int, Row]]:
        """Return the tail's (sequence, row), in the order they came."""
        with self._lock:
            return [*self._frozen.items(), *self._tail.items()]

    def freeze_tail(self) -> list[tuple[int, Row]]:
        """Let a new tail grow, unless an earlier one waits to be sealed; return the rows to be sealed."""
        with self._lock:
            if not len(self._frozen):
                self._frozen, self._tail = self._tail, Tail(last_sequence=self._tail.last_sequence)
            return self._frozen.items()

    def segments(self) -> list[Segment]:
        """Return the segments in force."""
        return [segment for day in self._days.values() for segment in day]

    def snapshot(self) -> tuple[list[Segment], list[Row]]:
        """Return the segments in force and the tail's rows, of one moment: every event once."""
        with self._lock:
            rows = [row for _, row in (*self._frozen.items(), *self._tail.items())]
            return self.segments(), rows

    def holds(self, row: Row) -> bool:
        """Tell whether this event is there already: same account, Region, day and id."""
        with self._lock:
            if row.identity in self._tail or row.identity in self._frozen:
                return True
            segments = self._days.get(row.place.day)
        if segments is None:
            return False
        key_hash = hash_value(row.account_id, row.region, "i", row.place.event_id)
        condition = Condition((key_hash,), row.account_id, row.region, frozenset({("i", row.place.event_id)}))
        return any(
            condition.holds(head)
            for segment in segments
            for _, head, _ in segment.search((key_hash,), Place(-_END_OF_TIME, ""), _END_OF_TIME)
        )

    def add(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Make rows visible in the tail, some at a time: a lookup meanwhile waits for those only."""
        remaining = iter(rows)
        while some := list(islice(remaining, _ROWS_A_TURN)):
            with self._lock:
                for sequence, row in some:
                    self._tail.add(sequence, row)

    def replace(self, added: Iterable[Segment], removed: Iterable[str], sequences: Iterable[int]) -> Tail:
        """Bring segments in force, others out of it, and take ``sequences`` out of the tail, in one step.

        Return the tail that is not searched any more, empty if it went on in part: to be dismantled.
        """
        sequences, removed = set(sequences), set(removed)
        sealed = Tail()
        with self._lock:
            kept = (segment for segment in self.segments() if segment.name not in removed)
            self._days = _by_day((*kept, *added))
            if sequences and self._frozen.has_exactly(sequences):
                sealed, self._frozen = self._frozen, sealed
            elif sequences:
                self._frozen, self._tail = self._frozen.without(sequences), self._tail.without(sequences)
        return sealed

    def lookup(self, query: LookupQuery) -> LookupPage:
        """Return one page. Raises InvalidPageToken and SegmentDamaged."""
        first, last = _bounds(query)
        found: list[Found] = []
        for place, record in self._search(condition_of(query), first, last, query.max_results + 1):
            if len(found) == query.max_results:
                return LookupPage(tuple(map(_event, found)), format_token(query, found[-1][0]))
            found.append((place, record))
        return LookupPage(tuple(map(_event, found)), "")

    def _search(self, condition: Condition, first: Place, last: int, limit: int) -> Iterator[Found]:
        with self._lock:
            tails = [
                _first_of(tail.search(condition.hashes, first, last), condition, limit)
                for tail in (self._tail, self._frozen)
            ]
            days = self._days
        tail_of: dict[int, list[Found]] = {}
        for place, record in heapq.merge(*tails):
            tail_of.setdefault(place.day, []).append((place, record))
        newest, oldest = first.day, -last // DAY_SECONDS
        order = sorted((day for day in tail_of.keys() | days.keys() if oldest <= day <= newest), reverse=True)
        ahead = ReadAhead([days.get(day, ()) for day in order], condition.hashes)
        for number, day in enumerate(order):
            ahead.begin(number)
            streams = [
                _proved(segment.search(condition.hashes, first, last), condition)
                for segment in days.get(day, ())
                if -segment.header.oldest >= first.negative_time and -segment.header.newest <= last
            ]
            yield from heapq.merge(tail_of.get(day, ()), *streams)


def _by_day(segments: Iterable[Segment]) -> dict[int, tuple[Segment, ...]]:
    """Return the segments of each day; never changed, only replaced, so that a search can go on in it unlocked."""
    days: dict[int, tuple[Segment, ...]] = {}
    for segment in segments:
        days[segment.day] = (*days.get(segment.day, ()), segment)
    return days


def _proved(rows: Iterator[tuple[Place, list[str | int], bytes]], condition: Condition) -> Iterator[Found]:
    for place, head, record in rows:  # no generator expression: compiled, that is a list of all
        if condition.holds(head):
            yield place, record


def _first_of(rows: Iterator[tuple[Place, list[str | int], bytes]], condition: Condition, limit: int) -> list[Found]:
    return list(islice(_proved(rows, condition), limit))


def _event(found: Found) -> bytes:
    return read_event(found[1])


def _bounds(query: LookupQuery) -> tuple[Place, int]:
    """Return the first place that may answer and the negative time of the last second that may."""
    first = Place(-_END_OF_TIME, "")
    if query.end_time is not None:
        first = Place(-_floor(query.end_time), "")
    if query.page_token:
        after = parse_token(query)
        first = max(first, Place(after.negative_time, after.event_id + "\0"))
    last = _END_OF_TIME if query.start_time is None else -_ceiling(query.start_time)
    return first, last


def _floor(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)


def _ceiling(moment: datetime) -> int:
    return -int(-(moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)
