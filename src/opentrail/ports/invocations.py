"""The invocations of rules' targets: what is still to be delivered, and how far the rules' reader is in the journal.

At least once: an invocation is stored in the transaction that moves the reader's cursor past its event, and removed
when its target took it. Its id stays the same however often it is delivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports.journal import Position, SettingsEntry


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for one target of one rule.

    ``invocation_id`` is unique to event, rule and target. ``destination`` is the ARN that it is sent to: the target's,
    or its dead-letter queue's once ``failure`` says why the target never took it (the queue's message attributes, in
    JSON). ``target`` is the target as the rule had it when the event was matched, in JSON; ``event`` the event's JSON
    before any shaping, in sealed form where the target says so. ``attempts`` counts the deliveries that failed, to this
    destination.
    """

    invocation_id: str
    destination: str
    rule_arn: str
    target_id: str
    target: bytes
    event: bytes
    matched_at: datetime
    attempts: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """Where the rules' reader goes on, and the snapshots of the rules that are in force there, by ARN."""

    cursor: Position
    rules: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of invocations, by id. ``postponed`` wait until a time and count one more attempt; ``dead`` are put
    in place of the invocations of their ids, for another destination; ``finished`` are struck out."""

    finished: Sequence[str] = ()
    postponed: Mapping[str, datetime] | None = None
    dead: Sequence[Invocation] = ()


class Invocations(Protocol):
    """Every method is durable on return and raises Unavailable."""

    async def in_force(self) -> RulesInForce:
        """Return what the last ``advance`` left; START and no rules before the first."""
        ...

    async def advance(
        self, cursor: Position, settings: Sequence[SettingsEntry], invocations: Sequence[Invocation]
    ) -> None:
        """In one transaction: put rules' settings in force (None ends a rule), store invocations, move the cursor.

        An invocation whose id is there already is not stored again; a cursor that is not ahead changes nothing.
        """
        ...

    async def add(self, invocations: Sequence[Invocation]) -> Sequence[Invocation]:
        """Store invocations that belong to no event of the journal, in one transaction; return those whose ids were
        not there already."""
        ...

    async def waiting(self) -> Mapping[str, int]:
        """Return how many invocations wait, by destination."""
        ...

    async def due(self, destination: str, now: datetime, limit: int) -> Sequence[Invocation]:
        """Return at most ``limit`` invocations for a destination that wait for nothing at ``now``: those that were
        never postponed, oldest first, then those postponed until then at the latest."""
        ...

    async def next_due(self, destination: str) -> datetime | None:
        """Return until when the destination's first postponed invocation waits, None when none is postponed."""
        ...

    async def settle(self, settlement: Settlement) -> None:
        """Note in one transaction what became of invocations; an id that is not there is passed over."""
        ...

    async def hasten(self, destination: str, until: datetime) -> None:
        """Let nothing that waits for a destination wait beyond ``until``: it takes deliveries again."""
        ...
