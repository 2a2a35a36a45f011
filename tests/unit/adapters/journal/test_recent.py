"""Rows kept in memory: what is read from them is what the disk has, and nothing where the disk has more."""

import pytest

from opentrail.adapters.journal import recent
from opentrail.adapters.journal.codec import encode_entries
from opentrail.adapters.journal.pages import PAGE_ENTRIES
from opentrail.adapters.journal.recent import RecentRow, RecentRows
from opentrail.ports.journal import EventEntry


def event(number: int) -> EventEntry:
    return EventEntry(b'{"n":%d}' % number)


def row(first: int, last: int, *, at: float = 0.0) -> RecentRow:
    entries = [event(number) for number in range(first, last + 1)]
    return RecentRow(first, last, None if first % 2 else entries, encode_entries(entries), at)


def an_opened_call(number: int) -> RecentRow:
    return RecentRow(number, number, (), b"", 0.0)


def kept(*rows: RecentRow) -> RecentRows:
    found = RecentRows()
    for one in rows:
        found.add(one)
    return found


def numbers(rows: RecentRows, after: int, through: int) -> tuple[list[int], int]:
    page = rows.page(after, through)
    assert page is not None
    for position, entry in page[0]:
        assert entry == event(int(position, 16))
    return [int(position, 16) for position, _ in page[0]], page[1]


@pytest.mark.parametrize("after", range(9))
@pytest.mark.parametrize("through", range(1, 10))
def test_a_page_has_the_entries_between_two_numbers_wherever_rows_end(after: int, through: int) -> None:
    rows = kept(row(1, 3), row(4, 4), an_opened_call(5), row(6, 9))
    if after >= through:
        return

    found, reached = numbers(rows, after, through)

    assert found == [number for number in range(after + 1, through + 1) if number != 5]
    assert reached == through


def test_a_page_has_no_more_entries_than_its_bound_and_the_next_one_goes_on() -> None:
    rows = kept(row(1, PAGE_ENTRIES - 1), row(PAGE_ENTRIES, PAGE_ENTRIES + 5))

    first, reached = numbers(rows, 0, PAGE_ENTRIES + 5)
    second, end = numbers(rows, reached, PAGE_ENTRIES + 5)

    assert (first, reached) == (list(range(1, PAGE_ENTRIES + 1)), PAGE_ENTRIES)
    assert (second, end) == (list(range(PAGE_ENTRIES + 1, PAGE_ENTRIES + 6)), PAGE_ENTRIES + 5)


def test_what_is_not_kept_is_for_the_disk() -> None:
    rows = kept(row(4, 6), row(7, 9))

    assert rows.page(2, 9) is None
    assert RecentRows().page(0, 1) is None


def test_rows_before_a_gap_are_dropped() -> None:
    rows = kept(row(1, 3), row(6, 7))

    assert rows.page(0, 3) is None
    assert numbers(rows, 5, 7) == ([6, 7], 7)


def test_the_oldest_rows_go_where_there_would_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "RECENT_ROWS", 3)
    rows = kept(*(row(number, number) for number in range(1, 11)))

    assert rows.page(6, 10) is None
    assert numbers(rows, 7, 10) == ([8, 9, 10], 10)


def test_the_oldest_rows_go_where_they_would_take_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "RECENT_BYTES", 3 * len(encode_entries([event(1)])))
    rows = kept(*(row(number, number) for number in range(1, 10)))

    assert rows.page(5, 9) is None
    assert numbers(rows, 6, 9) == ([7, 8, 9], 9)


def test_rows_are_dropped_by_their_age() -> None:
    rows = kept(row(1, 2, at=1.0), row(3, 4, at=2.0))

    rows.expire(1.5)
    assert numbers(rows, 2, 4) == ([3, 4], 4)
    rows.expire(2.5)

    assert rows.is_empty


def test_a_body_that_cannot_be_decoded_is_for_the_disk_to_report() -> None:
    assert kept(RecentRow(1, 1, None, b"\xff", 0.0)).page(0, 1) is None
