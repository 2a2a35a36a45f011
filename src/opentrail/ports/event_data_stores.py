"""Event data stores, channels and resource policies as the API sees them, and how far the lake's readers are.

Stores and channels are the view that applying the journal's settings entries gives (``TrailStore.apply`` applies them).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from opentrail.ports.journal import Position
from opentrail.resource.channel import Channel
from opentrail.resource.event_data_store import EventDataStore


@dataclass(frozen=True, slots=True)
class LakeReaderState:
    """Where one event data store's reader goes on: everything up to ``cursor`` is in its table, and ``settings`` (the
    store's snapshot, None once it is gone) are in force there."""

    arn: str
    cursor: Position
    settings: bytes | None


class EventDataStores(Protocol):
    """All methods raise Unavailable.

    A store's first settings entry makes its reader (cursor = the entry's position) in the transaction that makes the
    store visible; the last one takes the store, its tags and its policy away and leaves the reader.
    """

    async def event_data_store(self, arn: str) -> EventDataStore | None: ...

    async def event_data_stores(self, account_id: str | None = None) -> Sequence[EventDataStore]:
        """Return the stores of one account, or of all, in all Regions and states, by ARN."""
        ...

    async def channel(self, arn: str) -> Channel | None: ...

    async def channels(self, account_id: str) -> Sequence[Channel]:
        """Return the account's channels of all Regions, by ARN."""
        ...

    async def resource_policy(self, resource_arn: str) -> str:
        """Return the policy attached to a resource, "" when there is none."""
        ...

    async def set_resource_policy(self, resource_arn: str, policy: str) -> None:
        """Attach a policy in place of the one there is; "" removes it."""
        ...

    async def lake_readers(self) -> Sequence[LakeReaderState]:
        """Return every reader, by ARN; those of stores that are gone too, until ``finish_reader``."""
        ...

    async def move_reader(self, state: LakeReaderState) -> None:
        """Store how far a reader is, durably."""
        ...

    async def finish_reader(self, arn: str) -> None:
        """Forget the reader of a store that is gone; nothing happens while the store is there."""
        ...
