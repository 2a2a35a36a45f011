"""Alarms as they are set, the state each is in, and their history.

What an alarm sets off is stored as invocations (``ports.invocations``) in the transaction of what set it off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports.invocations import Invocation
from opentrail.resource.alarm import Alarm, AlarmState, HistoryItem


@dataclass(frozen=True, slots=True)
class StateChange:
    """An alarm's new state, what its history tells of it, and what it sets off."""

    arn: str
    state: AlarmState
    items: Sequence[HistoryItem] = ()
    invocations: Sequence[Invocation] = ()


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which items of an account's and Region's alarms: of one alarm and of one kind unless empty, from ``start`` to
    ``end`` (both included, None for no bound), behind ``after`` (time and id of the last item seen)."""

    account_id: str
    region: str
    alarm_name: str = ""
    kind: str = ""
    alarm_kinds: Sequence[str] = ()
    start: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, str] | None = None
    is_newest_first: bool = True
    limit: int = 100


class Alarms(Protocol):
    """Every change is one transaction, durable on return; all methods raise Unavailable."""

    async def put(self, alarms: Sequence[Alarm], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        """Set alarms, in place of those of their ARNs; one that is there keeps its state."""
        ...

    async def delete(self, arns: Sequence[str], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        """Delete alarms and their tags; their history stays."""
        ...

    async def all_alarms(self) -> Sequence[Alarm]:
        """Return every alarm of every account, by ARN."""
        ...

    async def set_states(self, changes: Sequence[StateChange]) -> None:
        """Set alarms' states; a change of an alarm that is gone is left out with all that belongs to it."""
        ...

    async def add_history(self, items: Sequence[HistoryItem]) -> None: ...

    async def history(self, query: HistoryQuery) -> Sequence[HistoryItem]:
        """Return at most ``limit`` items in order of their time."""
        ...

    async def expire_history(self, before: datetime) -> None:
        """Delete the items that are older than ``before``."""
        ...
