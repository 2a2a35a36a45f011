"""Refused calls of nobody in particular, folded: at most one event a minute for each peer, key and error.

The first refusal is an event at once; those of the following minute are counted and become one event, with the count,
when the minute is over. Pure: the caller brings the time and stores what comes out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opentrail.event import Event
from opentrail.event.fields import add_own_members, in_order

FOLD_PERIOD = timedelta(minutes=1)

FOLDED_KEYS = 1000
"""How many (peer, key, error) are told apart at a time. Beyond it refusals are told apart by their error alone, so that
a caller who makes up keys cannot fill journal or memory."""


@dataclass(frozen=True, slots=True)
class RefusalKey:
    """What refusals are folded by; peer and access key are empty where refusals of many are folded together."""

    peer: str
    access_key_id: str
    error_code: str


@dataclass(slots=True)
class _Fold:
    """The refusals of one key since its last event: how many, and the first one's event."""

    since: datetime
    count: int = 0
    event: Event | None = None


class RefusalFolds:
    """The refusals of the last minute by key. Bounded by FOLDED_KEYS plus the number of error codes."""

    def __init__(self) -> None:
        self._folds: dict[RefusalKey, _Fold] = {}

    def add(self, key: RefusalKey, now: datetime, make_event: Callable[[], Event]) -> Event | None:
        """Count a refusal; return its event when it is the first of its minute and must be stored now."""
        if key not in self._folds and len(self._folds) >= FOLDED_KEYS:
            key = RefusalKey("", "", key.error_code)
        fold = self._folds.get(key)
        if fold is None:
            self._folds[key] = _Fold(now)
            return with_count(make_event(), 1)
        if fold.event is None:
            fold.event = make_event()
        fold.count += 1
        return None

    def take_due(self, now: datetime, *, also_unfinished: bool = False) -> list[Event]:
        """Return the events of the minutes that are over (or of all, at shutdown) and start anew."""
        events: list[Event] = []
        for key, fold in list(self._folds.items()):
            if now - fold.since < FOLD_PERIOD and not also_unfinished:
                continue
            if fold.event is None or also_unfinished:
                del self._folds[key]
            else:
                self._folds[key] = _Fold(now)
            if fold.event is not None:
                events.append(with_count(fold.event, fold.count))
        return events


def with_count(event: Event, count: int) -> Event:
    """Return ``event`` with ``additionalEventData.opentrail.count``; key order stays CloudTrail's."""
    counted = dict(event)
    add_own_members(counted, count=count)
    return in_order(counted)
