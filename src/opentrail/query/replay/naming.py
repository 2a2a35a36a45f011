"""Whom and when: the names that matches are counted under, and the second of an event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_MINUTE = 60
_CACHED_MINUTES = 200_000


def principal_of(record: Mapping[str, Any]) -> str:
    """Return whom a record's call counts for: the role behind a session, the caller's ARN, the service, or its kind."""
    identity = record.get("userIdentity")
    if not isinstance(identity, dict):
        return ""
    context = identity.get("sessionContext")
    issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
    if isinstance(issuer, dict) and isinstance(issuer.get("arn"), str):
        return str(issuer["arn"])
    for member in ("arn", "invokedBy", "userName", "principalId", "type"):
        name = identity.get(member)
        if isinstance(name, str):
            return name
    return ""


class EventTimes:
    """Reads eventTime members; remembers minutes, since neighbours share them."""

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}

    def seconds(self, text: Any) -> int | None:
        """Return an eventTime in seconds since 1970, cut to the second; None for what is no time."""
        if not isinstance(text, str):
            return None
        if len(text) == len("2026-01-01T00:00:00Z") and text[19] == "Z":
            minute = self._minutes.get(text[:17])
            second = text[17:19]
            if minute is not None and second.isascii() and second.isdigit() and second < "60":
                return minute + int(second)
        try:
            moment = datetime.fromisoformat(text)
            whole = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp() // 1
        except (ValueError, OverflowError):
            return None
        if len(self._minutes) < _CACHED_MINUTES and text.endswith("Z"):
            self._minutes[text[:17]] = int(whole) // _MINUTE * _MINUTE
        return int(whole)
