"""What came over the wire, made harmless."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from opentrail.event.json_values import MAX_DEPTH, TOO_DEEP, cut_text, json_safe, safe_text
from opentrail.event.times import format_java_time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**63, 2**63),
        (2**64, str(2**64)),
        (float("inf"), "inf"),
        ("a\ud800b", "a?b"),
        (b"12345", "(5 bytes)"),
        ((1, 2), [1, 2]),
        ({1: "one"}, {"1": "one"}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "Jan 2, 2026 3:04:05 AM"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_value_has_a_form_in_json(value: Any, expected: Any) -> None:
    assert json_safe(value) == expected
    orjson.dumps(json_safe(value))


def test_an_integer_too_long_to_print_is_described() -> None:
    assert json_safe(1 << 5000) == "(integer of 5001 bits)"


def test_containers_end_at_the_deepest_level() -> None:
    nested: Any = 1
    for _ in range(MAX_DEPTH + 10):
        nested = [nested]

    text = orjson.dumps(json_safe(nested)).decode()

    assert text == "[" * MAX_DEPTH + f'"{TOO_DEEP}"' + "]" * MAX_DEPTH


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "abc"), ("äää", 5, "ää"), ("€", 2, ""), ("x\udcff", 9, "x?")],
)
def test_text_is_cut_at_whole_characters(text: str, limit: int, expected: str) -> None:
    assert cut_text(text, limit) == expected


def test_clean_text_is_returned_as_it_is() -> None:
    text = "größer"

    assert safe_text(text) is text


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2023, 7, 10, 12, 24, 29, tzinfo=UTC), "Jul 10, 2023 12:24:29 PM"),
        (datetime(2021, 1, 22, 0, 46, 28, tzinfo=UTC), "Jan 22, 2021 12:46:28 AM"),
        (datetime(2021, 1, 22, 1, 0, 0, tzinfo=timezone(timedelta(hours=2))), "Jan 21, 2021 11:00:00 PM"),
        (datetime(1, 1, 1, 0, 0, 0, tzinfo=timezone(timedelta(hours=2))), "Jan 1, 1 12:00:00 AM"),
        (datetime(2021, 1, 22, 13, 0, 0), "Jan 22, 2021 1:00:00 PM"),
    ],
)
def test_times_are_written_as_java_writes_them(moment: datetime, expected: str) -> None:
    assert format_java_time(moment) == expected
