"""Times as CloudTrail writes them, and identifiers that never repeat."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from opentrail.clock import UUIDS_AHEAD, RandomIdentifiers, format_time, parse_time


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-12-31T23:30:00Z"),
    ],
)
def test_a_time_is_utc_and_cut_to_the_second(moment: datetime, text: str) -> None:
    assert format_time(moment) == text
    assert parse_time(text) == moment.astimezone(UTC).replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-W01-1T00:00:00Z",
        "2024-05-10T11:59:00",
        "2024-05-10T11:59:00+00:00",
        "2024-05-10T11:59:00.5Z",
        "2024-05-10 11:59:00Z",
        "2024-05-10T11:59:00Z\n",
        "2024-5-10T11:59:00Z",
        "2024-02-30T00:00:00Z",
        "2024-05-10T24:00:00Z",
        "2024-05-10T11:59:60Z",
        "0000-01-01T00:00:00Z",
        "\N{ARABIC-INDIC DIGIT TWO}024-05-10T11:59:00Z",
        "9" * 100_000,
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|month|day|hour|second|year") as raised:
        parse_time(text)
    assert len(str(raised.value)) < 200


def test_identifiers_are_random_uuids_in_lower_case() -> None:
    identifiers = RandomIdentifiers()

    for _ in range(UUIDS_AHEAD + 5):
        text = identifiers.uuid()
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


def test_identifiers_never_repeat_whatever_the_thread() -> None:
    identifiers = RandomIdentifiers()

    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: [identifiers.uuid() for _ in range(5000)], range(8)))

    assert len({text for batch in batches for text in batch}) == 40_000
