"""Batches and positions as bytes and text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.adapters.journal.codec import (
    MalformedBody,
    decode_entries,
    encode_entries,
    format_number,
    parse_number,
)
from opentrail.ports.journal import LIVE, MAX_ENTRY_BYTES, START, EventEntry, EventsEntry, JournalEntry, SettingsEntry

entries: st.SearchStrategy[JournalEntry] = st.one_of(
    st.builds(EventEntry, st.binary(max_size=50), st.just(LIVE) | st.text(max_size=20)),
    st.builds(EventsEntry, st.binary(max_size=50), st.text(max_size=20)),
    st.builds(SettingsEntry, st.text(max_size=20), st.none() | st.binary(max_size=50)),
)
batches = st.lists(entries, max_size=6)


@given(batches)
def test_what_is_encoded_is_decoded(batch: list[JournalEntry]) -> None:
    assert decode_entries(encode_entries(batch)) == batch


@given(batches, batches)
def test_bodies_join(first: list[JournalEntry], second: list[JournalEntry]) -> None:
    assert decode_entries(encode_entries(first) + encode_entries(second)) == first + second


@given(st.binary(max_size=80))
def test_garbage_is_refused_or_is_a_body(garbage: bytes) -> None:
    try:
        decoded = decode_entries(garbage)
    except MalformedBody:
        return

    assert decode_entries(encode_entries(decoded)) == decoded


def test_a_body_cut_short_is_refused() -> None:
    body = encode_entries([EventEntry(b"{}"), SettingsEntry("scope", b"{}")])

    for length in range(1, len(body)):
        if length != len(encode_entries([EventEntry(b"{}")])):
            with pytest.raises(MalformedBody):
                decode_entries(body[:length])


def test_the_size_of_an_entry_includes_its_scope() -> None:
    encode_entries([SettingsEntry("s" * 100, b"x" * (MAX_ENTRY_BYTES - 100))])
    with pytest.raises(ValueError, match="maximum"):
        encode_entries([SettingsEntry("s" * 101, b"x" * (MAX_ENTRY_BYTES - 100))])
    with pytest.raises(ValueError, match="maximum"):
        encode_entries([EventEntry(b"", audience="a" * 70_000)])


@given(st.lists(st.integers(0, 2**63), min_size=2, max_size=2))
def test_positions_order_as_their_numbers(numbers: list[int]) -> None:
    first, second = (format_number(number) for number in numbers)

    assert (first < second) == (numbers[0] < numbers[1])
    assert parse_number(first) == numbers[0]


def test_the_start_is_before_number_one() -> None:
    assert format_number(0) == START
    assert format_number(1) > START


@pytest.mark.parametrize("text", ["1", "x" * 16, "-000000000000001", " 00000000000001 ", "0" * 17, "٠" * 16])
def test_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a journal position|invalid literal"):
        parse_number(text)
