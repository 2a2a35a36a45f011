"""Times inside parameters and response elements, as most services write them: ``Jul 10, 2023 12:24:29 PM``."""

from datetime import UTC, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_java_time(moment: datetime) -> str:
    """Format ``moment`` in UTC as Java's default American style does (reference: events, section 7).

    A time without a zone is taken as UTC; one that UTC cannot express keeps its own digits.
    """
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            moment = moment.replace(tzinfo=None)
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return (
        f"{_MONTHS[moment.month - 1]} {moment.day}, {moment.year} {hour}:{moment.minute:02d}:{moment.second:02d} {half}"
    )
