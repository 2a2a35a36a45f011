"""The invocations of rules' targets: what is still to be delivered, and how far the rules' reader is in the journal.

At least once: an invocation is stored in the transaction that moves the reader's cursor past its event, and removed
when its target took it. Its id stays the same however often it is delivered.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from opentrail.ports.journal import Position, SettingsEntry

_NEAR_BYTES = 6
"""Of a position in the ids of its invocations."""


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


def invocation_id(position: Position, rule_arn: str, target_id: str) -> str:
    """Return the id of an invocation, a UUID of version 8: the same whenever the same event is matched again.

    It begins with the position's last characters, so that invocations which are stored together stand together in the
    store's index: with ids like dice each commit wrote twice as much.
    """
    near = position.encode()[-_NEAR_BYTES:].rjust(_NEAR_BYTES, b"0").hex()
    digits = hashlib.sha256("\n".join((position, rule_arn, target_id)).encode()).hexdigest()
    return f"{near[:8]}-{near[8:]}-8{digits[:3]}-a{digits[3:6]}-{digits[6:18]}"


class InvocationBatch:
    """Invocations of one destination that nobody looks at yet, in the order in which they were added.

    They are stored and read as one, and have neither ids nor their targets' JSON before they are unpacked: a
    destination that takes nothing for hours costs little until it is back.
    """

    def __init__(self, destination: str) -> None:
        self.destination = destination
        self._causes: list[tuple[str, str, str]] = []
        self._known: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self._members: list[tuple[Position, int, datetime, int]] = []
        self._events: list[bytes] = []

    def __len__(self) -> int:
        return len(self._members)

    @property
    def matched_at(self) -> datetime:
        """When the first was matched. Raises IndexError on an empty batch."""
        return self._members[0][2]

    def add(
        self, position: Position, rule_arn: str, target: dict[str, Any], event: bytes, matched_at: datetime
    ) -> None:
        """Add the invocation of a rule's target by the entry at ``position``; ``matched_at`` is in UTC."""
        key = (rule_arn, target["Id"])
        known = self._known.get(key)
        if known is None or (known[1] is not target and known[1] != target):  # another one: the rule was changed
            known = self._known[key] = len(self._causes), target
            self._causes.append((*key, orjson.dumps(target).decode()))
        self._members.append((position, known[0], matched_at, len(event)))
        self._events.append(event)

    def to_bytes(self) -> bytes:
        """Return the batch as it is stored (docs/formats/metadata.md): a line of JSON, then the events."""
        head = orjson.dumps({"causes": self._causes, "members": self._members})
        return b"".join((head, b"\n", *self._events))

    @staticmethod
    def unpacked(destination: str, body: bytes) -> list[Invocation]:
        """Return the invocations of a batch that ``to_bytes`` gave, in its order."""
        line, _, events = body.partition(b"\n")
        head = orjson.loads(line)
        found, start = [], 0
        for position, number, matched_at, size in head["members"]:
            rule_arn, target_id, target = head["causes"][number]
            made = invocation_id(position, rule_arn, target_id)
            event, moment = events[start : start + size], datetime.fromisoformat(matched_at)
            found.append(Invocation(made, destination, rule_arn, target_id, target.encode(), event, moment))
            start += size
        return found


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
        self,
        cursor: Position,
        settings: Sequence[SettingsEntry],
        invocations: Sequence[Invocation],
        batches: Sequence[InvocationBatch] = (),
    ) -> None:
        """In one transaction: put rules' settings in force (None ends a rule), store invocations, those of batches (of
        a destination one, none empty) as well, and move the cursor.

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
        never postponed, oldest first, then those postponed until then at the latest. Of those in batches some are
        unpacked, so that none that are younger come before them."""
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
