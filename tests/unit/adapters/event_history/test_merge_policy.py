"""Which segments are joined, and how often that rewrites an event."""

import random
from collections import Counter

import pytest

from opentrail.adapters.event_history.merge_policy import SegmentSize, next_merge

MAX_ROWS = 1_000


def sizes(*row_counts: int, day: int = 10) -> list[SegmentSize]:
    return [SegmentSize(count, day, f"{day}.{number}") for number, count in enumerate(row_counts)]


def test_three_segments_of_like_size_are_left_alone_and_four_are_joined() -> None:
    assert next_merge(sizes(60, 60, 60), MAX_ROWS) == []
    assert len(next_merge(sizes(60, 60, 60, 60), MAX_ROWS)) == 4


def test_small_ones_do_not_drag_large_ones_along() -> None:
    joined = next_merge(sizes(60, 60, 300, 60, 60, 300), MAX_ROWS)

    assert [segment.row_count for segment in joined] == [60, 60, 60, 60]


def test_full_segments_are_left_alone() -> None:
    assert next_merge(sizes(500, 700, 1_000, 600, 900), MAX_ROWS) == []


def test_only_as_many_are_joined_as_fit() -> None:
    joined = next_merge(sizes(400, 450, 300, 499), MAX_ROWS)

    assert [segment.row_count for segment in joined] == [300, 400]


def test_an_older_day_keeps_at_most_three_small_segments_of_any_size() -> None:
    newest = sizes(1, day=20)

    assert next_merge(sizes(5, 400, 3) + newest, MAX_ROWS) == []
    assert len(next_merge(sizes(5, 400, 3, 1) + newest, MAX_ROWS)) == 4


def test_segments_of_different_days_are_never_joined() -> None:
    assert next_merge([segment for day in range(8) for segment in sizes(5, day=day)], MAX_ROWS) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_young_day_has_few_segments_and_rewrites_an_event_twice_at_most(seed: int) -> None:
    rng = random.Random(seed)
    segments: list[SegmentSize] = []
    rewrites: Counter[str] = Counter()
    for number in range(400):
        segments.append(SegmentSize(rng.randrange(55, 70), 10, f"s{number}"))
        while parts := next_merge(segments, MAX_ROWS):
            merged = f"{number}+{len(rewrites)}"
            rewrites[merged] = 1 + max(rewrites[part.name] for part in parts)
            segments = [segment for segment in segments if segment not in parts]
            segments.append(SegmentSize(sum(part.row_count for part in parts), 10, merged))

        rows = sum(segment.row_count for segment in segments)
        assert len(segments) <= 6 + rows // (MAX_ROWS // 2)

    assert max(rewrites.values()) <= 2
