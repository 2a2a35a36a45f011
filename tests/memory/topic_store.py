"""Topics and subscriptions in memory, for tests of what stands on them."""

from collections.abc import Sequence

from opentrail.arn import Arn
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.topic import Subscription, Topic, is_subscription_arn, is_topic_arn


class InMemoryTopicStore:
    """Behaves as the port says; an in-memory trail store applies to it."""

    def __init__(self) -> None:
        self._topics: dict[str, bytes] = {}
        self._subscriptions: dict[str, bytes] = {}

    def apply(self, entry: SettingsEntry) -> bool:
        """Make settings visible; False when ``entry`` is about neither a topic nor a subscription."""
        if is_topic_arn(entry.scope):
            held = self._topics
        elif is_subscription_arn(entry.scope):
            held = self._subscriptions
        else:
            return False
        if entry.settings is None:
            held.pop(entry.scope, None)
        else:
            held[entry.scope] = entry.settings
        return True

    async def topic(self, arn: str) -> Topic | None:
        return Topic.from_json(self._topics[arn]) if arn in self._topics else None

    async def topics(self, account_id: str, region: str) -> Sequence[Topic]:
        return [each for each in await self.all_topics() if (each.account_id, each.region) == (account_id, region)]

    async def all_topics(self) -> Sequence[Topic]:
        return [Topic.from_json(snapshot) for _, snapshot in sorted(self._topics.items())]

    async def subscription(self, arn: str) -> Subscription | None:
        return Subscription.from_json(self._subscriptions[arn]) if arn in self._subscriptions else None

    async def subscriptions(self, topic_arn: str) -> Sequence[Subscription]:
        return [each for each in await self.all_subscriptions() if each.topic_arn == topic_arn]

    async def subscriptions_of(self, account_id: str, region: str) -> Sequence[Subscription]:
        def is_there(arn: Arn) -> bool:
            return (arn.account_id, arn.region) == (account_id, region)

        return [each for each in await self.all_subscriptions() if is_there(Arn.parse(each.topic_arn))]

    async def all_subscriptions(self) -> Sequence[Subscription]:
        return [Subscription.from_json(snapshot) for _, snapshot in sorted(self._subscriptions.items())]
