"""Event buses and their rules as the API sees them: a view that applying the journal's settings entries gives.

``TrailStore.apply`` applies the entries, whose scope is the ARN of a bus or a rule.
"""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.event_bus import EventBus
from opentrail.resource.event_rule import EventRule


class EventRules(Protocol):
    """What is shown is what was applied; a bus or rule that is gone has lost its tags, too. All raise Unavailable."""

    async def event_bus(self, arn: str) -> EventBus | None:
        """Return a custom bus, or the default one when something was set of it."""
        ...

    async def event_buses(self, account_id: str, region: str) -> Sequence[EventBus]:
        """Return the buses that ``event_bus`` knows, by name."""
        ...

    async def rule(self, arn: str) -> EventRule | None: ...

    async def rules(self, bus_arn: str) -> Sequence[EventRule]:
        """Return all rules of a bus, by name."""
        ...

    async def all_rules(self) -> Sequence[EventRule]:
        """Return the rules of every bus, account and Region, by ARN."""
        ...

    async def count_rules(self, bus_arn: str) -> int: ...
