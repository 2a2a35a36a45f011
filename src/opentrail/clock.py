"""Time and identifiers, the two inputs that no function may take from the air."""

import secrets
import uuid
from datetime import UTC, datetime
from typing import Protocol

ISO_SECONDS = "%Y-%m-%dT%H:%M:%SZ"


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
    """Identifiers from the operating system's randomness."""

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def token(self, length: int, alphabet: str) -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))


def format_time(moment: datetime) -> str:
    """Format an aware datetime as events and digests have it: ``YYYY-MM-DDTHH:MM:SSZ``, cut to the second."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_time(text: str) -> datetime:
    """Parse ``YYYY-MM-DDTHH:MM:SSZ``; raises ValueError on anything else."""
    return datetime.strptime(text, ISO_SECONDS).replace(tzinfo=UTC)
