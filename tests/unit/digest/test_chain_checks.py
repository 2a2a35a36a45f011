"""What a set of digests says about those that are missing, double or beside the chain."""

from datetime import datetime, timedelta

import pytest

from opentrail.clock import format_time
from opentrail.digest.chain_checks import Schedule, fork_concerns, missing_digests, overlap_concerns, usual_interval
from opentrail.digest.verification import ReadDigest
from tests.support.delivery import HOUR, MINUTE, NOON


def a_digest(start: int, end: int, previous: int | None = -1, name: str = "") -> ReadDigest:
    """From hour to hour; it names the digest that ended at hour ``previous`` (-1: at ``start``), None: it begins."""
    at = start if previous == -1 else previous
    members = {
        "digestStartTime": format_time(NOON + start * HOUR),
        "digestEndTime": format_time(NOON + end * HOUR),
        "previousDigestS3Bucket": None if previous is None else "logs",
        "previousDigestS3Object": None if previous is None else f"d{at}",
    }
    return ReadDigest("logs", name or f"d{end}", members, b"", "", "", "")


def spans(digests: list[ReadDigest], start: int, end: int, schedule: Schedule | None = None) -> list[tuple[int, int]]:
    found = missing_digests(digests, NOON + start * HOUR, NOON + end * HOUR, schedule or Schedule())
    return [
        ((finding.gap_start - NOON) // HOUR, (finding.gap_end - NOON) // HOUR)
        for finding in found
        if finding.gap_start and finding.gap_end
    ]


def chain(*ends: int) -> list[ReadDigest]:
    return [a_digest(end - 1, end) for end in ends]


@pytest.mark.parametrize(
    ("digests", "missing"),
    [
        (chain(1, 2, 3, 4), []),
        (chain(1, 2, 4), [(2, 3)]),
        (chain(1, 4), [(1, 3)]),
        (chain(3, 4), [(0, 2)]),
        ([a_digest(2, 3, None), *chain(4)], []),
        ([*chain(1), a_digest(3, 4, None)], []),
        ([*chain(1), a_digest(1, 4)], []),
        ([a_digest(-3, 2), *chain(3, 4)], []),
        (list(reversed(chain(1, 2, 4))), [(2, 3)]),
    ],
    ids=[
        "a whole chain",
        "one in the middle",
        "two in a row",
        "the first ones",
        "a chain begins",
        "logging stopped between",
        "one over an outage",
        "one from before the range",
        "in any order",
    ],
)
def test_the_spans_that_no_digest_answers_for_are_found(
    digests: list[ReadDigest], missing: list[tuple[int, int]]
) -> None:
    assert spans(digests, 0, 4) == missing


@pytest.mark.parametrize(
    ("now", "stopped_at", "missing"),
    [(4, None, []), (5, None, []), (6, None, [(4, 6)]), (20, None, [(4, 10)]), (20, 4, []), (20, 7, [(4, 7)])],
)
def test_the_newest_is_missed_two_intervals_after_the_last_unless_logging_stopped(
    now: int, stopped_at: int | None, missing: list[tuple[int, int]]
) -> None:
    stop = None if stopped_at is None else NOON + stopped_at * HOUR
    schedule = Schedule(NOON + now * HOUR, stop)

    assert spans(chain(1, 2, 3, 4), 0, 10, schedule) == missing


def test_the_number_of_missing_digests_is_by_their_usual_span() -> None:
    [finding] = missing_digests(chain(1, 2, 3, 7), NOON, NOON + 7 * HOUR, Schedule())

    assert "3 digests missing" in finding.verdict
    assert "3 digests missing" in finding.text()


def test_an_interval_is_the_one_that_most_digests_have() -> None:
    assert usual_interval([]) == HOUR
    assert usual_interval([*chain(1, 2), a_digest(2, 9)]) == HOUR
    assert usual_interval([a_digest(0, 2), a_digest(2, 4)]) == 2 * HOUR


def test_short_intervals_have_five_minutes_of_patience() -> None:
    schedule = Schedule(NOON + HOUR + timedelta(minutes=4), None, MINUTE)

    assert missing_digests(chain(1), NOON, NOON + 9 * HOUR, schedule) == []


def test_digests_of_the_same_time_overlap() -> None:
    found = overlap_concerns([*chain(1, 2, 3), a_digest(0, 2, name="beside")])

    assert overlap_concerns(chain(1, 2, 3)) == []
    assert {finding.key for finding in found} == {"beside", "d2"}
    assert all("answers for" in finding.verdict for finding in found)


def test_two_digests_after_one_fork_the_chain() -> None:
    prongs = [*chain(2), a_digest(1, 2, name="beside")]

    assert fork_concerns(chain(1, 2, 3)) == []
    assert {finding.key for finding in fork_concerns([*chain(1), *prongs])} == {"d2", "beside"}


def delivered(*spans: tuple[int, int]) -> list[tuple[datetime, datetime]]:
    return [(NOON + start * HOUR, NOON + end * HOUR) for start, end in reversed(spans)]


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ([(2, 3), (3, 4)], []),
        ([(3, 4), (4, 5), (5, 6)], [(4, 6)]),
        ([(3, 4), (4, 30)], [(4, 10)]),
        ([(3, 4), (7, 8)], [(7, 8)]),
        ([(3, 4), (10, 11)], []),
    ],
    ids=["all there", "two cut off", "one over an outage cut off", "one of a chain begun later", "beyond the range"],
)
def test_what_was_delivered_and_is_not_there_was_cut_off(
    log: list[tuple[int, int]], missing: list[tuple[int, int]]
) -> None:
    assert spans(chain(1, 2, 3, 4), 0, 10, Schedule(delivered=delivered(*log))) == missing


def test_digests_cut_off_are_counted_by_the_delivery_log() -> None:
    [finding] = missing_digests(
        chain(1), NOON, NOON + 30 * HOUR, Schedule(delivered=delivered((0, 1), (1, 9), (9, 10)))
    )

    assert finding.verdict.endswith("2 digests missing by the delivery log")


def test_a_range_of_which_every_digest_was_cut_off_is_missing() -> None:
    assert spans([], 0, 3, Schedule(delivered=delivered((-1, 0), (0, 1), (1, 2)))) == [(0, 2)]


@pytest.mark.parametrize(("serving_since", "missing"), [(3, [(4, 10)]), (8, [(4, 10)]), (9, []), (10, [])])
def test_a_digest_is_missed_two_intervals_after_the_server_started(
    serving_since: int, missing: list[tuple[int, int]]
) -> None:
    schedule = Schedule(NOON + 10 * HOUR, serving_since=NOON + serving_since * HOUR)

    assert spans(chain(1, 2, 3, 4), 0, 20, schedule) == missing


def test_no_digest_is_due_for_a_time_that_is_settled() -> None:
    settled, half = (Schedule(NOON + 10 * HOUR, settled_until=NOON + hour * HOUR) for hour in (9, 6))

    assert spans(chain(1, 2, 3, 4), 0, 10, settled) == []
    assert spans(chain(1, 2, 3, 4), 0, 10, half) == [(6, 10)]
