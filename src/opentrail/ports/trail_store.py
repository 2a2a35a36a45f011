"""Trails and their tags as the API sees them: the view that applying the journal's settings entries gives."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.trail import Trail


class TrailStore(Protocol):
    """Settings entries are applied in journal order, each at least once; applying again changes nothing."""

    async def applied(self) -> Position:
        """Return the position of the last settings entry that was applied."""
        ...

    async def apply(self, position: Position, entry: SettingsEntry) -> None:
        """Make the settings of ``entry`` visible. In the same transaction, a trail seen for the first time gets an
        empty status and its delivery reader (cursor = ``position``), unless an earlier trail of its ARN left a reader
        that has not caught up; a deleted trail keeps its reader until then, and loses its tags. Entries about event
        data stores and channels are made visible as ``ports.event_data_stores`` says, those about event buses and
        rules as ``ports.event_rules`` does; settings with a log group make the reader that ``ports.log_groups``
        describes."""
        ...

    async def trail(self, arn: str) -> Trail | None: ...

    async def trails(self, account_id: str) -> Sequence[Trail]:
        """Return every trail of the account, in all Regions, by ARN."""
        ...

    async def all_trails(self) -> Sequence[Trail]:
        """Return every trail of every account, by ARN."""
        ...

    async def enabled_regions(self) -> Sequence[str]:
        """Return the Regions enabled so far, sorted."""
        ...

    async def tags(self, resource_arn: str) -> Mapping[str, str]:
        """Return the tags in the order they were first set."""
        ...

    async def set_tags(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of a resource; an empty mapping removes them."""
        ...
