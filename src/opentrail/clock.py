"""Time and identifiers, the two inputs that no function may take from the air."""

import os
import re
import secrets
from collections import deque
from datetime import UTC, datetime
from typing import Protocol

UUIDS_AHEAD = 256

_ISO_SECONDS = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)


class Clock(Protocol):
    """The present, in UTC."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime, with microseconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Identifiers(Protocol):
    """Where new identifiers come from."""

    def uuid(self) -> str:
        """Return a new lower-case UUID, 8-4-4-4-12, as eventID and request ids have them."""
        ...

    def token(self, length: int, alphabet: str) -> str:
        """Return ``length`` characters of ``alphabet``, unguessable."""
        ...


class RandomIdentifiers:
    """Identifiers from the operating system's randomness; from any thread.

    Randomness for UUIDs is fetched ahead, UUIDS_AHEAD at a time: asking the system for each took 12 us of a recorded
    call, most of it waiting for the interpreter's lock again.
    """

    def __init__(self) -> None:
        self._ahead: deque[bytes] = deque()

    def uuid(self) -> str:
        try:
            raw = self._ahead.popleft()
        except IndexError:
            randomness = os.urandom(16 * UUIDS_AHEAD)
            self._ahead.extend(randomness[at : at + 16] for at in range(16, len(randomness), 16))
            raw = randomness[:16]
        digits = raw.hex()
        variant = "89ab"[raw[8] >> 6]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def token(self, length: int, alphabet: str) -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))


def format_time(moment: datetime) -> str:
    """Format an aware datetime as events and digests have it: ``YYYY-MM-DDTHH:MM:SSZ``, cut to the second."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "seconds")[:19] + "Z"


def parse_time(text: str) -> datetime:
    """Parse ``YYYY-MM-DDTHH:MM:SSZ``; raises ValueError on anything else."""
    # Every event comes through here, and strptime takes ten times as long.
    parts = _ISO_SECONDS.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text[:40]!r} is not a time as 2026-01-02T03:04:05Z is")
    year, month, day, hour, minute, second = map(int, parts.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
