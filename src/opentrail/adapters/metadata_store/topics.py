"""SNS topics and subscriptions on the metadata database (port: topic_store)."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, select

from opentrail.adapters.metadata_store.database import Database, put
from opentrail.adapters.metadata_store.tables import subscriptions, tags, topics
from opentrail.arn import Arn
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.topic import Subscription, Topic, is_subscription_arn, is_topic_arn, topic_of


class SqlTopicStore:
    """Implements TopicStore; what it shows is applied by a SqlTrailStore over the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def topic(self, arn: str) -> Topic | None:
        found = await self._topics(select(topics.c.settings).where(topics.c.arn == arn))
        return found[0] if found else None

    async def topics(self, account_id: str, region: str) -> Sequence[Topic]:
        query = select(topics.c.settings).where(topics.c.account_id == account_id, topics.c.region == region)
        return await self._topics(query.order_by(topics.c.arn))

    async def all_topics(self) -> Sequence[Topic]:
        return await self._topics(select(topics.c.settings).order_by(topics.c.arn))

    async def subscription(self, arn: str) -> Subscription | None:
        found = await self._subscriptions(select(subscriptions.c.settings).where(subscriptions.c.arn == arn))
        return found[0] if found else None

    async def subscriptions(self, topic_arn: str) -> Sequence[Subscription]:
        query = select(subscriptions.c.settings).where(subscriptions.c.topic_arn == topic_arn)
        return await self._subscriptions(query.order_by(subscriptions.c.arn))

    async def subscriptions_of(self, account_id: str, region: str) -> Sequence[Subscription]:
        columns = subscriptions.c
        query = select(columns.settings).where(columns.account_id == account_id, columns.region == region)
        return await self._subscriptions(query.order_by(columns.arn))

    async def all_subscriptions(self) -> Sequence[Subscription]:
        return await self._subscriptions(select(subscriptions.c.settings).order_by(subscriptions.c.arn))

    async def _topics(self, query: Select[bytes]) -> Sequence[Topic]:
        return [Topic.from_json(each) for each in await self._snapshots(query)]

    async def _subscriptions(self, query: Select[bytes]) -> Sequence[Subscription]:
        return [Subscription.from_json(each) for each in await self._snapshots(query)]

    async def _snapshots(self, query: Select[bytes]) -> Sequence[bytes]:
        return await self._database.read(lambda connection: connection.execute(query).scalars().all())


def apply_topic_settings(connection: Connection, entry: SettingsEntry) -> bool:
    """Make the settings of a topic or a subscription visible; False when ``entry`` is about neither."""
    if is_topic_arn(entry.scope):
        table, arn = topics, Arn.parse(entry.scope)
        place = {"arn": entry.scope, "account_id": arn.account_id, "region": arn.region}
    elif is_subscription_arn(entry.scope):
        table, arn = subscriptions, Arn.parse(entry.scope)
        place = {"arn": entry.scope, "account_id": arn.account_id, "region": arn.region}
        place["topic_arn"] = topic_of(entry.scope)
    else:
        return False
    if entry.settings is None:
        connection.execute(delete(table).where(table.c.arn == entry.scope))
        connection.execute(delete(tags).where(tags.c.resource_arn == entry.scope))
    else:
        put(connection, table, {**place, "settings": entry.settings})
    return True
