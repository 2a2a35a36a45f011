"""The trail store in memory, for tests of what stands on it."""

from collections.abc import Mapping, Sequence

import orjson

from opentrail.ports.delivery_log import ReaderState
from opentrail.ports.journal import REGIONS_SCOPE, START, Position, SettingsEntry
from opentrail.ports.log_groups import LogReaderState
from opentrail.resource.trail import Trail
from tests.memory.delivery_log import InMemoryDeliveryLog
from tests.memory.event_data_stores import InMemoryEventDataStores
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.log_groups import InMemoryLogReaders
from tests.memory.topic_store import InMemoryTopicStore


class InMemoryTrailStore:
    """Behaves as the port says; readers of new trails appear in ``delivery_log``, event data stores and channels in
    ``event_data_stores``, event buses and rules in ``event_rules``, topics and
    subscriptions in ``topic_store``, readers of trails with a log group in
    ``log_readers``."""

    def __init__(
        self,
        delivery_log: InMemoryDeliveryLog | None = None,
        event_data_stores: InMemoryEventDataStores | None = None,
        event_rules: InMemoryEventRules | None = None,
        topic_store: InMemoryTopicStore | None = None,
    ) -> None:
        self._delivery_log = delivery_log or InMemoryDeliveryLog()
        self._event_data_stores = event_data_stores or InMemoryEventDataStores()
        self.log_readers = InMemoryLogReaders(self._has_log_group)
        self._event_rules = event_rules or InMemoryEventRules()
        self._topic_store = topic_store or InMemoryTopicStore()
        self._applied = START
        self._trails: dict[str, bytes] = {}
        self._regions: tuple[str, ...] = ()
        self._tags: dict[str, dict[str, str]] = {}

    async def applied(self) -> Position:
        return self._applied

    async def apply(self, position: Position, entry: SettingsEntry) -> None:
        if position <= self._applied:
            return
        self._applied = position
        if entry.scope == REGIONS_SCOPE:
            self._regions = tuple(sorted(orjson.loads(entry.settings or b"[]")))
        elif (
            self._event_data_stores.apply(position, entry)
            or self._event_rules.apply(entry)
            or self._topic_store.apply(entry)
        ):
            if entry.settings is None:
                self._tags.pop(entry.scope, None)
        elif entry.settings is None:
            self._trails.pop(entry.scope, None)
            self._tags.pop(entry.scope, None)
            self._delivery_log.live_trails.discard(entry.scope)
        else:
            if entry.scope not in self._trails:
                self._delivery_log.live_trails.add(entry.scope)
                self._delivery_log.start_reader(ReaderState(entry.scope, position, entry.settings, self._regions))
            self._trails[entry.scope] = entry.settings
            if self._has_log_group(entry.scope):
                self.log_readers.start(LogReaderState(entry.scope, position, entry.settings))

    def _has_log_group(self, arn: str) -> bool:
        settings = self._trails.get(arn)
        return settings is not None and bool(Trail.from_json(settings).cloud_watch_logs_log_group_arn)

    async def trail(self, arn: str) -> Trail | None:
        settings = self._trails.get(arn)
        return None if settings is None else Trail.from_json(settings)

    async def trails(self, account_id: str) -> Sequence[Trail]:
        return [trail for trail in await self.all_trails() if trail.account_id == account_id]

    async def all_trails(self) -> Sequence[Trail]:
        return [Trail.from_json(settings) for _, settings in sorted(self._trails.items())]

    async def enabled_regions(self) -> Sequence[str]:
        return self._regions

    async def tags(self, resource_arn: str) -> Mapping[str, str]:
        return dict(self._tags.get(resource_arn, {}))

    async def set_tags(self, resource_arn: str, tags: Mapping[str, str]) -> None:
        self._tags[resource_arn] = dict(tags)
