"""Which segments of a day to join, so that a day has few files and an event is rewritten seldom.

Segments of like size join four at a time: under FULL_ROWS / 2, then under FULL_ROWS. On days before the newest two,
where only late events arrive, more than three small ones become as few as they fit in. A day so has at most about
7 + (its events / FULL_ROWS) files, and an event is rewritten at most twice while its day is young.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opentrail.adapters.event_history.segment_format import MAX_SEGMENT_ROWS

FULL_ROWS = MAX_SEGMENT_ROWS // 2
"""A segment of this size is left alone."""

_JOINED_AT_ONCE = 4
_YOUNG_DAYS = 2


class SegmentSize(NamedTuple):
    """A segment as the policy sees it."""

    row_count: int
    day: int
    name: str


def next_merge(segments: Iterable[SegmentSize]) -> list[SegmentSize]:
    """Return the segments of one day to join now, none when all is well. Their rows fit in one segment."""
    small: dict[int, list[SegmentSize]] = {}
    newest_day = 0
    for segment in segments:
        newest_day = max(newest_day, segment.day)
        if segment.row_count < FULL_ROWS:
            small.setdefault(segment.day, []).append(segment)
    for day, candidates in sorted(small.items(), reverse=True):
        is_young = day > newest_day - _YOUNG_DAYS
        for tier in _tiers(candidates) if is_young else [candidates]:
            if len(tier) >= _JOINED_AT_ONCE:
                return _fitting(tier)
    return []


def _tiers(segments: Sequence[SegmentSize]) -> list[list[SegmentSize]]:
    border = FULL_ROWS // 4
    return [
        [segment for segment in segments if segment.row_count < border],
        [segment for segment in segments if segment.row_count >= border],
    ]


def _fitting(segments: Sequence[SegmentSize]) -> list[SegmentSize]:
    chosen: list[SegmentSize] = []
    rows = 0
    for segment in sorted(segments):
        if rows + segment.row_count > MAX_SEGMENT_ROWS:
            break
        chosen.append(segment)
        rows += segment.row_count
    return chosen
