"""The three forms in which timestamps travel: ``iso8601``, ``rfc822`` (HTTP dates) and ``unixTimestamp``."""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAX_TEXT_CHARACTERS = 64

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?")
_FRACTION = re.compile(r"\.([0-9]{1,9})")


def parse_timestamp(value: object) -> datetime:
    """Return the UTC moment that a number (epoch seconds) or text (any of the three forms) means.

    Servers of AWS accept each form where the model asks for another, so this does. Microseconds are kept, finer
    fractions cut. Raises ValueError.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is no timestamp")
    if isinstance(value, int | float):
        return _from_epoch(float(value))
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError("not a timestamp")
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _from_epoch(float(text))
    if text[:4].isdigit():
        return _from_iso(text)
    return _from_http_date(text)


def format_timestamp(moment: datetime, timestamp_format: str) -> str | float:
    """Return ``moment`` in a form: text for ``iso8601`` and ``rfc822``, a float for ``unixTimestamp``.

    ISO text has milliseconds only when there are any; HTTP dates are cut to the second.
    """
    moment = moment.astimezone(UTC)
    form = timestamp_format.lower()
    if form == "iso8601":
        milliseconds = moment.microsecond // 1000
        fraction = f".{milliseconds:03d}" if milliseconds else ""
        return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}{fraction}Z"
    if form == "rfc822":
        return format_datetime(moment.replace(microsecond=0), usegmt=True)
    return round((moment - EPOCH) / timedelta(microseconds=1)) / 1e6


def _from_epoch(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        raise ValueError("not a finite timestamp")
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("timestamp out of range") from error


def _from_iso(text: str) -> datetime:
    cut = _FRACTION.sub(lambda match: "." + match.group(1)[:6].ljust(6, "0"), text, count=1)
    moment = datetime.fromisoformat(cut)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else _to_utc(moment)


def _from_http_date(text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError("not a timestamp") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else _to_utc(moment)


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("timestamp out of range") from error
