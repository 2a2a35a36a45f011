"""Event data stores, channels and policies in memory, for tests of what stands on them."""

from collections.abc import Sequence

from opentrail.ports.event_data_stores import LakeReaderState
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.channel import Channel, is_channel_arn
from opentrail.resource.event_data_store import EventDataStore, is_event_data_store_arn
from tests.memory.lake_seals import InMemoryLakeSeals


class InMemoryEventDataStores:
    """Behaves as the port says and forgets everything with the process; an in-memory trail store applies to it."""

    def __init__(self) -> None:
        self._stores: dict[str, bytes] = {}
        self._channels: dict[str, bytes] = {}
        self._policies: dict[str, str] = {}
        self.seals = InMemoryLakeSeals()
        self._readers: dict[str, LakeReaderState] = {}

    def apply(self, position: Position, entry: SettingsEntry) -> bool:
        """Make settings visible; False when ``entry`` is about neither a store nor a channel."""
        if is_event_data_store_arn(entry.scope):
            held = self._stores
        elif is_channel_arn(entry.scope):
            held = self._channels
        else:
            return False
        if entry.settings is None:
            held.pop(entry.scope, None)
            self._policies.pop(entry.scope, None)
            self.seals.seals.pop(entry.scope, None)
            return True
        held[entry.scope] = entry.settings
        if held is self._stores:
            self._readers.setdefault(entry.scope, LakeReaderState(entry.scope, position, entry.settings))
        return True

    async def event_data_store(self, arn: str) -> EventDataStore | None:
        return EventDataStore.from_json(self._stores[arn]) if arn in self._stores else None

    async def event_data_stores(self, account_id: str | None = None) -> Sequence[EventDataStore]:
        stores = [EventDataStore.from_json(settings) for _, settings in sorted(self._stores.items())]
        return [store for store in stores if account_id in (None, store.account_id)]

    async def channel(self, arn: str) -> Channel | None:
        return Channel.from_json(self._channels[arn]) if arn in self._channels else None

    async def channels(self, account_id: str) -> Sequence[Channel]:
        channels = [Channel.from_json(settings) for _, settings in sorted(self._channels.items())]
        return [channel for channel in channels if channel.account_id == account_id]

    async def resource_policy(self, resource_arn: str) -> str:
        return self._policies.get(resource_arn, "")

    async def set_resource_policy(self, resource_arn: str, policy: str) -> None:
        self._policies[resource_arn] = policy

    async def lake_readers(self) -> Sequence[LakeReaderState]:
        return [state for _, state in sorted(self._readers.items())]

    async def move_reader(self, state: LakeReaderState) -> None:
        self._readers[state.arn] = state

    async def finish_reader(self, arn: str) -> None:
        if arn not in self._stores:
            self._readers.pop(arn, None)
