"""Event buses, their rules and archives as the API sees them: what applying the journal's settings entries gives.

``TrailStore.apply`` applies the entries, whose scope is the ARN of a bus, a rule or an archive.
"""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.event_archive import EventArchive
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

    async def event_archive(self, arn: str) -> EventArchive | None: ...

    async def event_archives(self, account_id: str, region: str) -> Sequence[EventArchive]:
        """Return the archives of account and Region, by name."""
        ...

    async def all_event_archives(self) -> Sequence[EventArchive]: ...
