"""Event buses and rules in memory, for tests of what stands on them."""

from collections.abc import Sequence

from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_archive import EventArchive, is_event_archive_arn
from opentrail.resource.event_bus import EventBus, is_event_bus_arn
from opentrail.resource.event_rule import EventRule, is_event_rule_arn


class InMemoryEventRules:
    """Behaves as the port says; an in-memory trail store applies to it."""

    def __init__(self) -> None:
        self._buses: dict[str, bytes] = {}
        self._rules: dict[str, bytes] = {}
        self._archives: dict[str, bytes] = {}

    def apply(self, entry: SettingsEntry) -> bool:
        """Make settings visible; False when ``entry`` is about no bus, rule or archive."""
        if is_event_bus_arn(entry.scope):
            held = self._buses
        elif is_event_rule_arn(entry.scope):
            held = self._rules
        elif is_event_archive_arn(entry.scope):
            held = self._archives
        else:
            return False
        if entry.settings is None:
            held.pop(entry.scope, None)
        else:
            held[entry.scope] = entry.settings
        return True

    async def event_bus(self, arn: str) -> EventBus | None:
        return EventBus.from_json(self._buses[arn]) if arn in self._buses else None

    async def event_buses(self, account_id: str, region: str) -> Sequence[EventBus]:
        buses = [EventBus.from_json(snapshot) for snapshot in self._buses.values()]
        found = [bus for bus in buses if (bus.account_id, bus.region) == (account_id, region)]
        return sorted(found, key=lambda bus: bus.name)

    async def rule(self, arn: str) -> EventRule | None:
        return EventRule.from_json(self._rules[arn]) if arn in self._rules else None

    async def rules(self, bus_arn: str) -> Sequence[EventRule]:
        found = [rule for rule in await self.all_rules() if rule.bus_arn == bus_arn]
        return sorted(found, key=lambda rule: rule.name)

    async def all_rules(self) -> Sequence[EventRule]:
        return [EventRule.from_json(snapshot) for _, snapshot in sorted(self._rules.items())]

    async def count_rules(self, bus_arn: str) -> int:
        return len(await self.rules(bus_arn))

    async def event_archive(self, arn: str) -> EventArchive | None:
        return EventArchive.from_json(self._archives[arn]) if arn in self._archives else None

    async def event_archives(self, account_id: str, region: str) -> Sequence[EventArchive]:
        found = await self.all_event_archives()
        return [each for each in found if (each.account_id, each.region) == (account_id, region)]

    async def all_event_archives(self) -> Sequence[EventArchive]:
        return [EventArchive.from_json(snapshot) for _, snapshot in sorted(self._archives.items())]
