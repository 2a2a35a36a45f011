"""Alarms in memory (port: alarms)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.ports.alarms import HistoryQuery, StateChange
from opentrail.ports.invocations import Invocation
from opentrail.resource.alarm import Alarm, HistoryItem
from tests.memory.invocations import InMemoryInvocations


class InMemoryAlarms:
    """Implements Alarms; what was set off is in ``invocations``, and handed to ``outbox``."""

    def __init__(self, outbox: InMemoryInvocations | None = None) -> None:
        self.invocations: list[Invocation] = []
        self._outbox = outbox
        self._alarms: dict[str, Alarm] = {}
        self._items: list[HistoryItem] = []

    async def put(self, alarms: Sequence[Alarm], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        for alarm in alarms:
            known = self._alarms.get(alarm.arn)
            self._alarms[alarm.arn] = alarm if known is None else replace(alarm, state=known.state)
        self._items += items
        self._set_off(set_off)

    async def delete(self, arns: Sequence[str], items: Sequence[HistoryItem], set_off: Sequence[Invocation]) -> None:
        for arn in arns:
            self._alarms.pop(arn, None)
        self._items += items
        self._set_off(set_off)

    async def all_alarms(self) -> Sequence[Alarm]:
        return [self._alarms[arn] for arn in sorted(self._alarms)]

    async def set_states(self, changes: Sequence[StateChange]) -> None:
        for change in changes:
            if change.arn in self._alarms:
                self._alarms[change.arn] = replace(self._alarms[change.arn], state=change.state)
                self._items += change.items
                self._set_off(change.invocations)

    async def add_history(self, items: Sequence[HistoryItem]) -> None:
        self._items += items

    async def history(self, query: HistoryQuery) -> Sequence[HistoryItem]:
        chosen = [
            item
            for item in self._items
            if (item.account_id, item.region) == (query.account_id, query.region)
            and query.alarm_name in ("", item.alarm_name)
            and query.kind in ("", item.kind)
            and (not query.alarm_kinds or item.alarm_kind in query.alarm_kinds)
            and (query.start is None or item.at >= query.start)
            and (query.end is None or item.at <= query.end)
        ]
        chosen.sort(key=lambda item: (item.at, item.item_id), reverse=query.is_newest_first)
        if query.after is not None:
            after = query.after
            chosen = [
                item
                for item in chosen
                if ((item.at, item.item_id) < after if query.is_newest_first else (item.at, item.item_id) > after)
            ]
        return chosen[: query.limit]

    async def expire_history(self, before: datetime) -> None:
        self._items = [item for item in self._items if item.at >= before]

    def _set_off(self, invocations: Sequence[Invocation]) -> None:
        self.invocations += invocations
        if self._outbox is not None:
            self._outbox.kept |= {invocation.invocation_id: invocation for invocation in invocations}
