"""Sigma's parts of a time stamp (minute, hour, day, week, month, year) as tests on a text like 2026-11-20T10:00:00Z.

The text is taken as it stands, with no regard to time zones, as the specification has it.
"""

from collections.abc import Callable
from datetime import date, timedelta

from opentrail.pattern.values import NOTHING, Search, StartsWith, Test

FIRST_YEAR, LAST_YEAR = 1970, 2099
"""Years whose weeks are known, and that a comparison of years goes over."""

_DATE = r"^\d{4}-\d{2}-\d{2}"
_SHAPES = {
    "MINUTE": (range(60), 2, rf"{_DATE}[T ]\d{{2}}:(?:%s)"),
    "HOUR": (range(24), 2, rf"{_DATE}[T ](?:%s):"),
    "DAY": (range(1, 32), 2, r"^\d{4}-\d{2}-(?:%s)"),
    "MONTH": (range(1, 13), 2, r"^\d{4}-(?:%s)-"),
    "YEAR": (range(FIRST_YEAR, LAST_YEAR + 1), 4, r"^(?:%s)-"),
}


def time_part_test(part: str, is_wanted: Callable[[int], bool]) -> Test:
    """Return the test for texts whose ``part`` (MINUTE, HOUR, DAY, WEEK, MONTH, YEAR) is wanted."""
    if part == "WEEK":
        return _weeks(is_wanted)
    numbers, width, shape = _SHAPES[part]
    wanted = [f"{number:0{width}}" for number in numbers if is_wanted(number)]
    return Search(shape % "|".join(wanted)) if wanted else NOTHING


def _weeks(is_wanted: Callable[[int], bool]) -> Test:
    """List the days of the ISO weeks that are wanted."""
    day, days = date(FIRST_YEAR, 1, 1), []
    while day.year <= LAST_YEAR:
        if is_wanted(day.isocalendar().week):
            days.append(day.isoformat())
        day += timedelta(days=1)
    return StartsWith(tuple(days)) if days else NOTHING
