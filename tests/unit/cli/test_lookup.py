"""Times and cells of `opentrail lookup`."""

from datetime import UTC, datetime, timedelta

import pytest

from opentrail.cli.console import plain
from opentrail.cli.lookup import parse_when
from opentrail.errors import OperatorError

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-30T00:00:00Z", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T01:00:00+01:00", datetime(2026, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: datetime | None) -> None:
    assert parse_when(text, NOW) == expected


@pytest.mark.parametrize("text", ["soon", "15", "-5m", "2026-13-01"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(OperatorError, match="15m"):
        parse_when(text, NOW)


def test_a_recorded_text_can_neither_move_the_cursor_nor_style_itself() -> None:
    assert plain("\x1b[31mGet[bold]Object").plain == "\\x1b[31mGet[bold]Object"
    assert plain("a\nb").plain == "a\\x0ab"
