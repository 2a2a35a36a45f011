"""Calls that went unrecorded, gathered until they can be said in an event."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Gap:
    """How many calls were lost for one reason between two moments."""

    reason: str
    started_at: datetime
    ended_at: datetime
    count: int = 0


class GapLog:
    """The gaps not yet on record, one per reason."""

    def __init__(self) -> None:
        self._gaps: dict[str, Gap] = {}

    def __bool__(self) -> bool:
        return bool(self._gaps)

    def add(self, reason: str, moment: datetime, count: int = 1) -> None:
        """Count calls lost now."""
        gap = self._gaps.setdefault(reason, Gap(reason, moment, moment))
        gap.ended_at = moment
        gap.count += count

    def take(self) -> list[Gap]:
        """Return and forget the gaps."""
        gaps = list(self._gaps.values())
        self._gaps.clear()
        return gaps

    def put_back(self, gaps: list[Gap]) -> None:
        """Keep gaps that could not be stored."""
        for gap in gaps:
            later = self._gaps.get(gap.reason)
            if later is not None:
                gap.ended_at, gap.count = later.ended_at, gap.count + later.count
            self._gaps[gap.reason] = gap
