"""The common values of a segment: which meet is what their rows say, and damage is told."""

import random
from array import array

import pytest

from opentrail.adapters.event_history.common import (
    MAX_COMMON,
    CommonValues,
    Posted,
    common_values,
    decode_common,
    is_common,
)

ROWS = 5_000


def some_values(count: int, rng: random.Random) -> list[Posted]:
    hashes = [rng.getrandbits(64) for _ in range(count)]
    sizes = [rng.choice((8, 9, 30, 200, 2_000)) for _ in range(count)]
    return [
        Posted(key_hash, number * 3, array("I", sorted(rng.sample(range(ROWS), size))))
        for number, (key_hash, size) in enumerate(zip(hashes, sizes, strict=True))
    ]


def read_back(values: CommonValues) -> CommonValues:
    return decode_common(values.encode())


@pytest.mark.parametrize("count", [1, 2, 40])
def test_two_values_can_meet_when_a_row_has_both(count: int) -> None:
    posted = some_values(count, random.Random(count))
    common = read_back(common_values(posted, ROWS))
    number_of = {value.key_hash: common.find(value.key_hash) for value in posted}

    assert sorted(number_of.values()) == list(range(count))
    for one in posted:
        assert common.pointer(number_of[one.key_hash]) == one.pointer
        for other in posted:
            meet = not set(one.rows).isdisjoint(other.rows)
            assert common.can_meet((number_of[one.key_hash], number_of[other.key_hash])) == meet


def test_of_three_values_every_two_must_meet() -> None:
    posted = [Posted(1, 0, [0, 1]), Posted(2, 0, [1, 2]), Posted(3, 0, [2, 3]), Posted(4, 0, [0, 1, 2, 3])]
    common = common_values(posted, 4)

    assert common.can_meet((0, 1, 3))
    assert not common.can_meet((0, 1, 2))
    assert not common.can_meet((3, 2, 0))
    assert common.can_meet(())


def test_those_in_most_rows_are_kept() -> None:
    posted = [Posted(number, number, range(number)) for number in range(1, MAX_COMMON + 51)]

    common = read_back(common_values(posted, ROWS))

    assert len(common) == MAX_COMMON
    assert common.find(50) == -1
    assert common.find(51) == 0
    assert common.find(10_000) == -1


def test_a_value_is_common_by_its_share_and_never_by_a_few_rows() -> None:
    assert is_common(8, 8)
    assert not is_common(7, 7)
    assert is_common(128, 131_072)
    assert not is_common(127, 131_072)


def test_bytes_that_were_not_written_are_refused() -> None:
    data = common_values(some_values(20, random.Random(1)), ROWS).encode()

    for place in range(0, len(data), 7):
        with pytest.raises(ValueError, match="damaged"):
            decode_common(data[:place] + bytes((data[place] ^ 4,)) + data[place + 1 :])
    for damaged in (b"", data[:7], data[:-1], data + b"\0"):
        with pytest.raises(ValueError, match=r"damaged|cut short"):
            decode_common(damaged)
