"""Which segments of a day to join, so that a day has few files and an event is rewritten seldom.

A segment of at least half the greatest size is full and left alone. Smaller ones of like size join four at a time:
those under an eighth of the greatest, and those above. On days before the newest two, where only late events arrive,
more than three small ones become as few as they fit in. A day so has at most 6 + (its events / half the greatest size)
segments once nothing is due, and an event of a young day is rewritten at most twice.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from opentrail.adapters.event_history.segment_format import MAX_SEGMENT_ROWS

_JOINED_AT_ONCE = 4
YOUNG_DAYS = 2
"""The newest days, whose segments are joined by size."""


class SegmentSize(NamedTuple):
    """A segment as the policy sees it."""

    row_count: int
    day: int
    name: str


def next_merge(segments: Iterable[SegmentSize], max_rows: int = MAX_SEGMENT_ROWS) -> list[SegmentSize]:
    """Return the segments of one day to join now, none when all is well. They have ``max_rows`` or fewer together."""
    small: dict[int, list[SegmentSize]] = {}
    newest_day = None
    for segment in segments:
        newest_day = segment.day if newest_day is None else max(newest_day, segment.day)
        if segment.row_count < max_rows // 2:
            small.setdefault(segment.day, []).append(segment)
    for day, candidates in sorted(small.items(), reverse=True):
        is_young = newest_day is not None and day > newest_day - YOUNG_DAYS
        for tier in _tiers(candidates, max_rows // 8) if is_young else [candidates]:
            if len(tier) >= _JOINED_AT_ONCE:
                return _fitting(tier, max_rows)
    return []


def _tiers(segments: Sequence[SegmentSize], border: int) -> list[list[SegmentSize]]:
    return [
        [segment for segment in segments if segment.row_count < border],
        [segment for segment in segments if segment.row_count >= border],
    ]


def _fitting(segments: Sequence[SegmentSize], max_rows: int) -> list[SegmentSize]:
    chosen: list[SegmentSize] = []
    rows = 0
    for segment in sorted(segments):
        if rows + segment.row_count > max_rows:
            break
        chosen.append(segment)
        rows += segment.row_count
    return chosen
