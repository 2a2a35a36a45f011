"""When digests are due."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.digest.chain import ceil_second, digest_due, final_end, floor_second
from tests.builders import NOON

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("passed", "due"),
    [
        (timedelta(0), None),
        (HOUR - timedelta(microseconds=1), None),
        (HOUR, HOUR),
        (1.9 * HOUR, HOUR),
        (5.5 * HOUR, 5 * HOUR),
        (-HOUR, None),
    ],
)
def test_a_digest_is_due_at_the_last_mark_that_passed(passed: timedelta, due: timedelta | None) -> None:
    assert digest_due(NOON, HOUR, NOON + passed) == (None if due is None else NOON + due)


def test_an_interval_counts_in_whole_seconds_rounded_up() -> None:
    assert digest_due(NOON, timedelta(seconds=1.5), NOON + timedelta(seconds=1.9)) is None
    assert digest_due(NOON, timedelta(seconds=1.5), NOON + timedelta(seconds=2)) == NOON + timedelta(seconds=2)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(-(10**9), 10**9))
def test_ends_are_whole_seconds_past_the_start_and_not_past_now(start: int, interval: int, now_us: int) -> None:
    begin, now = NOON + timedelta(seconds=start), NOON + timedelta(seconds=start, microseconds=now_us)

    end = digest_due(begin, timedelta(seconds=interval), now)

    if end is not None:
        assert begin < end <= now
        assert end.microsecond == 0
    final = final_end(begin, now)
    assert final > begin
    assert final >= now
    assert final.microsecond == 0


def test_seconds_are_floored_and_ceiled() -> None:
    odd: datetime = NOON + timedelta(microseconds=1)
    assert floor_second(odd) == floor_second(NOON) == ceil_second(NOON) == NOON
    assert ceil_second(odd) == NOON + timedelta(seconds=1)
