"""Posting lists and their intersections."""

import random
from array import array

import pytest

from opentrail.adapters.event_history.postings import Bitmap, Posting, bitmap_bytes, intersect

ROWS = 70_000


def a_list(rows: list[int]) -> Posting:
    return memoryview(array("I", rows))


def a_bitmap(rows: list[int]) -> Posting:
    return Bitmap(memoryview(bitmap_bytes(rows, ROWS)))


def some_rows(rng: random.Random, share: float) -> list[int]:
    return sorted(rng.sample(range(ROWS), int(ROWS * share)))


@pytest.mark.parametrize("seed", range(20))
def test_an_intersection_is_that_of_the_sets_within_the_bounds(seed: int) -> None:
    rng = random.Random(seed)
    sets = [some_rows(rng, rng.choice((0.0001, 0.01, 0.2, 0.9))) for _ in range(rng.randrange(1, 5))]
    first, end = sorted((rng.randrange(ROWS + 1), rng.randrange(ROWS + 1)))

    found = list(intersect([rng.choice((a_list, a_bitmap))(rows) for rows in sets], first, end))

    assert found == sorted(row for row in set.intersection(*map(set, sets)) if first <= row < end)


def test_the_first_rows_of_common_values_come_without_reading_the_rest() -> None:
    rows = a_bitmap(list(range(ROWS)))

    assert next(intersect([rows, rows], 12_345, ROWS)) == 12_345


def test_a_bitmap_ends_on_a_whole_word_and_holds_its_last_row() -> None:
    bits = bitmap_bytes([0, 32], 33)

    assert len(bits) == 8
    assert list(intersect([Bitmap(memoryview(bits))], 0, 33)) == [0, 32]
