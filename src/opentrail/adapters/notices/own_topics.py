"""Trails' topics: this installation's own where they exist here, else the upstream's."""

import orjson

from opentrail.adapters.notices.sns import SnsTopics
from opentrail.adapters.notices.topic_policy import allows_publishing
from opentrail.clock import Clock
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.ports.notices import Notice, NoticeRefused
from opentrail.ports.topic_store import TopicStore
from opentrail.resource.topic import notification


class OwnOrUpstreamTopics:
    """Implements Topics, and NoticeSender for topics."""

    def __init__(self, topics: TopicStore, journal: JournalWriter, upstream: SnsTopics, clock: Clock) -> None:
        self._topics = topics
        self._journal = journal
        self._upstream = upstream
        self._clock = clock

    async def check_topic(self, topic_arn: str, trail_arn: str) -> None:
        """Raise ReceiverNotFound, NoticeRefused or Unavailable unless the trail may publish to the topic."""
        topic = await self._topics.topic(topic_arn)
        if topic is None:
            await self._upstream.check_topic(topic_arn, trail_arn)
        elif not allows_publishing(topic.attributes.get("Policy", ""), topic_arn, trail_arn):
            raise NoticeRefused("AuthorizationError", f"the policy of {topic_arn} does not let CloudTrail publish")

    async def send(self, notice: Notice) -> None:
        """Publish a notice; its id becomes the message's, the same at every try."""
        topic = await self._topics.topic(notice.receiver)
        if topic is None:
            await self._upstream.send(notice)
            return
        if not allows_publishing(topic.attributes.get("Policy", ""), topic.arn, notice.trail_arn):
            raise NoticeRefused("AuthorizationError", f"the policy of {topic.arn} does not let CloudTrail publish")
        message = orjson.dumps({"s3Bucket": notice.bucket, "s3ObjectKey": [notice.key]}).decode()
        said = notification(topic.arn, notice.notice_id, message, self._clock.now())
        await self._journal.append([EventEntry(said, topic.arn)])
