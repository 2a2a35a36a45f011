"""What ``data/s3.json`` says of S3's events."""

from pathlib import Path

from opentrail.event.tables import load_table

_TABLE = load_table(Path(__file__).parent / "data", "s3")

PRESIGNED_NAMES: tuple[str, ...] = tuple(_TABLE["presigned"])
"""What of a presigned URL is recorded."""

NEVER_RECORDED: tuple[str, ...] = tuple(_TABLE["never_recorded"])
"""Words in the names of headers that no event shows."""

RESPONSE_HEADERS: tuple[str, ...] = tuple(_TABLE["response_headers"])
"""Starts of the names of headers that become response elements."""

PREFIX_OPERATIONS = frozenset(_TABLE["prefix_operations"])
"""Operations whose object is a prefix."""

_ENCRYPTION: dict[str, str] = _TABLE["encryption"]
_STATUS_CODES: dict[str, tuple[str, str]] = {status: (row[0], row[1]) for status, row in _TABLE["status_codes"].items()}


def code_of_status(status: int, *, has_key: bool) -> tuple[str, str]:
    """Return the error code and message that an answer without a body stands for (HEAD requests have none)."""
    known = _STATUS_CODES.get(f"{status} key") if has_key else None
    return known or _STATUS_CODES.get(str(status), ("ServiceUnavailable" if status >= 500 else "BadRequest", ""))


def encryption_named(header: str | None) -> str | None:
    """Return what ``SSEApplied`` calls the encryption that a response header names."""
    return _ENCRYPTION.get(header or "")
