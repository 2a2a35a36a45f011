"""Fetches what a search will read of the next days, many pages at once, when the last day's came from the disk.

A search reads a few pages of each segment, each known only when the one before it was read. Page after page that is
several hundred waits for the disk; asked for in a few steps over many segments together it is a few. Where
the pages are in memory already a search is faster without, so this waits for a slow day first.
"""

from collections.abc import Sequence

from opentrail.adapters.event_history.disk_waits import DiskWaits
from opentrail.adapters.event_history.segment import Segment

FIRST_SEGMENTS = 8
LAST_SEGMENTS = 64
"""Segments fetched for at once: a few at first, because a search may be satisfied soon."""

_ROWS = 8
"""Rows of a segment whose records are fetched."""


class ReadAhead:
    """What one search tells of its way through the segments of each day, newest first."""

    def __init__(self, days: Sequence[Sequence[Segment]], hashes: Sequence[int]) -> None:
        self._days = days
        self._hashes = hashes
        self._fetched = 0
        self._segments = FIRST_SEGMENTS
        self._waits = DiskWaits()

    def begin(self, number: int) -> None:
        """Say that the search comes to day ``number``."""
        is_slow = self._waits.was_slow()
        if number and number >= self._fetched and (is_slow or self._fetched):
            self._fetch(number)

    def _fetch(self, number: int) -> None:
        segments: list[Segment] = []
        self._fetched = number
        while self._fetched < len(self._days) and len(segments) < self._segments:
            segments += self._days[self._fetched]
            self._fetched += 1
        self._segments = min(self._segments * 2, LAST_SEGMENTS)
        for segment in segments:
            segment.want_hashes(self._hashes)
        for segment in segments:
            segment.want_pointers(self._hashes)
        for segment in segments:
            segment.want_postings(self._hashes)
        found = [(segment, segment.postings(self._hashes)) for segment in segments]
        rows = [(segment, segment.want_rows(postings, _ROWS)) for segment, postings in found if postings]
        for segment, numbers in rows:
            segment.want_blocks(numbers)
