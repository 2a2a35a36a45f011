"""Invocations in memory, with a switch for a store that does not answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.ports import Unavailable
from opentrail.ports.invocations import Invocation, InvocationBatch, RulesInForce, Settlement
from opentrail.ports.journal import START, Position, SettingsEntry


class InMemoryInvocations:
    """Behaves as the port says; ``is_unavailable`` set to True makes every method fail. Batches are unpacked at once;
    ``batches`` has how much was in each."""

    def __init__(self) -> None:
        self.is_unavailable = False
        self.kept: dict[str, Invocation] = {}
        self.postponed: dict[str, datetime] = {}
        self.cursor = START
        self.batches: list[int] = []
        self._rules: dict[str, bytes] = {}

    async def in_force(self) -> RulesInForce:
        self._answer()
        return RulesInForce(self.cursor, dict(self._rules))

    async def advance(
        self,
        cursor: Position,
        settings: Sequence[SettingsEntry],
        invocations: Sequence[Invocation],
        batches: Sequence[InvocationBatch] = (),
    ) -> None:
        self._answer()
        if cursor <= self.cursor:
            return
        for entry in settings:
            if entry.settings is None:
                self._rules.pop(entry.scope, None)
            else:
                self._rules[entry.scope] = entry.settings
        self.batches += map(len, batches)
        batched = [each for batch in batches for each in InvocationBatch.unpacked(batch.destination, batch.to_bytes())]
        for invocation in [*invocations, *batched]:
            self.kept.setdefault(invocation.invocation_id, invocation)
        self.cursor = cursor

    async def add(self, invocations: Sequence[Invocation]) -> Sequence[Invocation]:
        self._answer()
        new = [invocation for invocation in invocations if invocation.invocation_id not in self.kept]
        self.kept |= {invocation.invocation_id: invocation for invocation in new}
        return new

    async def waiting(self) -> Mapping[str, int]:
        self._answer()
        return Counter(invocation.destination for invocation in self.kept.values())

    async def due(self, destination: str, now: datetime, limit: int) -> Sequence[Invocation]:
        self._answer()
        mine = sorted(self._of(destination), key=lambda each: (each.matched_at, each.invocation_id))
        fresh = [each for each in mine if each.invocation_id not in self.postponed]
        again = [each for each in mine if each.invocation_id in self.postponed]
        again = [each for each in again if self.postponed[each.invocation_id] <= now]
        return (fresh + sorted(again, key=lambda each: self.postponed[each.invocation_id]))[:limit]

    async def next_due(self, destination: str) -> datetime | None:
        self._answer()
        ids = [each.invocation_id for each in self._of(destination)]
        return min((self.postponed[each] for each in ids if each in self.postponed), default=None)

    async def settle(self, settlement: Settlement) -> None:
        self._answer()
        for invocation_id in settlement.finished:
            self.kept.pop(invocation_id, None)
            self.postponed.pop(invocation_id, None)
        for invocation_id, until in (settlement.postponed or {}).items():
            if invocation_id in self.kept:
                before = self.kept[invocation_id]
                self.kept[invocation_id] = replace(before, attempts=before.attempts + 1)
                self.postponed[invocation_id] = until
        for dead in settlement.dead:
            if dead.invocation_id in self.kept:
                self.kept[dead.invocation_id] = dead
                self.postponed.pop(dead.invocation_id, None)

    async def hasten(self, destination: str, until: datetime) -> None:
        self._answer()
        for each in self._of(destination):
            if self.postponed.get(each.invocation_id, until) > until:
                self.postponed[each.invocation_id] = until

    def _of(self, destination: str) -> Sequence[Invocation]:
        return [each for each in self.kept.values() if each.destination == destination]

    def _answer(self) -> None:
        if self.is_unavailable:
            raise Unavailable("the store does not answer")
