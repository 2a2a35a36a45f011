"""What every store of topics and subscriptions promises, whatever it is built on."""

from collections.abc import AsyncIterator

import pytest

from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.topic import Subscription, Topic, topic_arn
from tests.conformance.ports.test_delivery_log import NOON
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_topic(name: str = "t", region: str = REGION) -> Topic:
    return Topic(topic_arn(region, ACCOUNT, name), name, ACCOUNT, region, NOON, {"DisplayName": "d"})


def a_subscription(number: int, topic: Topic) -> Subscription:
    return Subscription(f"{topic.arn}:id-{number}", topic.arn, "https", "https://a.example", ACCOUNT, "p", {"a": "b"})


async def apply(stores: MetadataStores, *shown: Topic | Subscription) -> None:
    for number, resource in enumerate(shown, 1):
        await stores.trails.apply(Position(f"{number}"), SettingsEntry(resource.arn, resource.to_json()))


async def test_applied_topics_and_subscriptions_show_by_arn_and_place(stores: MetadataStores) -> None:
    near, other, far = a_topic("b"), a_topic("a"), a_topic("c", "eu-west-1")
    held = [a_subscription(2, near), a_subscription(1, near), a_subscription(3, far)]

    await apply(stores, near, other, far, *held)

    assert await stores.topic_store.topics(ACCOUNT, REGION) == [other, near]
    assert sorted(topic.arn for topic in await stores.topic_store.all_topics()) == sorted(
        [near.arn, other.arn, far.arn]
    )
    assert await stores.topic_store.topic(far.arn) == far
    assert await stores.topic_store.subscriptions(near.arn) == [held[1], held[0]]
    assert await stores.topic_store.subscriptions_of(ACCOUNT, "eu-west-1") == [held[2]]
    assert await stores.topic_store.subscription(held[0].arn) == held[0]
    assert len(await stores.topic_store.all_subscriptions()) == 3
    assert await stores.trails.all_trails() == []


async def test_what_is_gone_is_not_shown_and_has_lost_its_tags(stores: MetadataStores) -> None:
    topic = a_topic()
    await stores.trails.set_tags(topic.arn, {"team": "red"})
    await apply(stores, topic, a_subscription(1, topic))

    await stores.trails.apply(Position("7"), SettingsEntry(topic.arn, None))
    await stores.trails.apply(Position("8"), SettingsEntry(a_subscription(1, topic).arn, None))

    assert await stores.topic_store.topic(topic.arn) is None
    assert await stores.topic_store.subscription(a_subscription(1, topic).arn) is None
    assert await stores.trails.tags(topic.arn) == {}
