"""SNS topics and subscriptions as the API sees them: a view that applying the journal's settings entries gives.

``TrailStore.apply`` applies the entries, whose scope is the ARN of a topic or a subscription.
"""

from collections.abc import Sequence
from typing import Protocol

from opentrail.resource.topic import Subscription, Topic


class TopicStore(Protocol):
    """What is shown is what was applied; a topic that is gone has lost its tags, too. All raise Unavailable."""

    async def topic(self, arn: str) -> Topic | None: ...

    async def topics(self, account_id: str, region: str) -> Sequence[Topic]:
        """Return the topics of an account and Region, by ARN."""
        ...

    async def all_topics(self) -> Sequence[Topic]:
        """Return the topics of every account and Region, by ARN."""
        ...

    async def subscription(self, arn: str) -> Subscription | None: ...

    async def subscriptions(self, topic_arn: str) -> Sequence[Subscription]:
        """Return the subscriptions to a topic, by ARN."""
        ...

    async def subscriptions_of(self, account_id: str, region: str) -> Sequence[Subscription]:
        """Return the subscriptions to topics of an account and Region, by ARN."""
        ...

    async def all_subscriptions(self) -> Sequence[Subscription]:
        """Return the subscriptions of every account and Region, by ARN."""
        ...
