"""How the ingestion of each channel went last, since this process started: what GetChannel shows of it."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime

MAX_CHANNELS = 10_000
"""Channels that are remembered; the one that was quiet longest goes first."""


@dataclass(frozen=True, slots=True)
class IngestionStatus:
    """The last attempt, and the last one that brought an event. Empty texts and None mean that there was none."""

    attempted_at: datetime
    attempted_event_id: str = ""
    succeeded_at: datetime | None = None
    succeeded_event_id: str = ""
    error_code: str = ""


class ChannelStatuses:
    """In memory only: a restart forgets it, and the events themselves tell."""

    def __init__(self) -> None:
        self._statuses: OrderedDict[str, IngestionStatus] = OrderedDict()

    def note(self, arn: str, moment: datetime, event_id: str, error_code: str) -> None:
        """Take note of an attempt: the id of its last event ("" when it brought none), the code of its last failure."""
        before = self._statuses.pop(arn, IngestionStatus(moment))
        now = replace(before, attempted_at=moment, attempted_event_id=event_id, error_code=error_code)
        if event_id:
            now = replace(now, succeeded_at=moment, succeeded_event_id=event_id)
        self._statuses[arn] = now
        if len(self._statuses) > MAX_CHANNELS:
            self._statuses.popitem(last=False)

    def of(self, arn: str) -> IngestionStatus | None:
        """Return how a channel's ingestion stands, None when nothing came since the start."""
        return self._statuses.get(arn)
