"""What the guard puts back at a trail, and how often it did (docs/guard.md)."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from opentrail.resource.trail import Trail

MAX_AN_HOUR = 3
MAX_A_DAY = 10
"""Times that a trail is put right; whoever changes it more often has the last word."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TrailGuard:
    """One trail that is put right in a role's name.

    The selectors, in wire form and one kind of them empty, are those that the trail shall have at least. ``attempts``
    are those of the last day. ``ended_at`` is set while there were too many of them: then the trail stays as it is
    until it is right again. ``last_error`` says why the last attempt failed, "" when it did not.
    """

    trail_arn: str
    role_arn: str
    since: datetime
    event_selectors: tuple[dict[str, Any], ...] = ()
    advanced_event_selectors: tuple[dict[str, Any], ...] = ()
    attempts: tuple[datetime, ...] = ()
    ended_at: datetime | None = None
    last_error: str = ""

    def with_selectors_of(self, trail: Trail) -> "TrailGuard":
        """Return the guard with a trail's present selectors as those to put back."""
        return replace(
            self,
            event_selectors=trail.event_selectors,
            advanced_event_selectors=trail.advanced_event_selectors,
        )

    def may_try(self, now: datetime) -> bool:
        """Say whether another attempt at ``now`` stays within MAX_AN_HOUR and MAX_A_DAY."""
        ages = [now - moment for moment in self.attempts]
        return sum(age < _HOUR for age in ages) < MAX_AN_HOUR and sum(age < _DAY for age in ages) < MAX_A_DAY

    def with_attempt(self, now: datetime) -> "TrailGuard":
        """Return the guard with one attempt more, without those older than a day."""
        kept = tuple(moment for moment in self.attempts if now - moment < _DAY)
        return replace(self, attempts=(*kept, now))

    def to_json(self) -> bytes:
        """Return the guard as it is kept."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "TrailGuard":
        kept = orjson.loads(data)
        ended = kept["ended_at"]
        return cls(
            **kept
            | {
                "since": datetime.fromisoformat(kept["since"]),
                "ended_at": datetime.fromisoformat(ended) if ended else None,
                "attempts": tuple(map(datetime.fromisoformat, kept["attempts"])),
                "event_selectors": tuple(kept["event_selectors"]),
                "advanced_event_selectors": tuple(kept["advanced_event_selectors"]),
            }
        )
