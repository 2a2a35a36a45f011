"""Times rounded to periods: ``bin``, ``datefloor``, ``dateceil``. Weeks begin on Monday; months, quarters and years are
those of the calendar, in UTC."""

from opentrail.logsql.syntax import Duration
from opentrail.logsql.values import Kind, Value

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_FIRST_MONDAY = 4 * 86_400_000
"""1970-01-05 in ms."""


def rounded(time: Value, period: Duration, *, is_up: bool = False) -> Value:
    """Return a time rounded down, or up, to a whole period."""
    moment = time.milliseconds
    way = "ceil" if is_up else "floor"
    if period.unit in _MONTHS:
        return Value(f"logs_month_{way}({moment}, {period.count * _MONTHS[period.unit]})", Kind.TIME)
    offset = _FIRST_MONDAY if period.unit == "w" else 0
    return Value(f"logs_{way}({moment}, {period.count * _MILLISECONDS[period.unit]}, {offset})", Kind.TIME)
