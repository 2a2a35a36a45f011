"""The installation's own topics as targets: what is sent to one is an entry of the journal, and fans out from there."""

from opentrail.clock import Clock
from opentrail.ports.journal import EventEntry, JournalWriter
from opentrail.ports.targets import Dispatch, TargetRefused, Targets
from opentrail.ports.topic_store import TopicStore
from opentrail.resource.topic import is_subscription_arn, notification


class OwnTopics:
    """Implements Targets for topics and subscriptions. A topic that is not here is ``upstream``'s, if there is one;
    with ``is_upstream`` every topic is."""

    def __init__(
        self,
        journal: JournalWriter,
        topics: TopicStore,
        subscriptions: Targets,
        upstream: Targets,
        clock: Clock,
        *,
        is_upstream: bool = False,
    ) -> None:
        self._journal = journal
        self._topics = topics
        self._subscriptions = subscriptions
        self._upstream = upstream
        self._clock = clock
        self._is_upstream = is_upstream

    async def send(self, dispatch: Dispatch) -> None:
        """Send to a subscription's endpoint, or publish: the message's id is the invocation's, whatever the try."""
        topic = dispatch.destination
        if is_subscription_arn(topic):
            await self._subscriptions.send(dispatch)
        elif self._is_upstream or await self._topics.topic(topic) is None:
            await self._upstream.send(dispatch)
        elif not dispatch.text:
            raise TargetRefused("INVALID_PARAMETER", "Invalid parameter: Empty message")
        else:
            subject = str(dispatch.target.get("Subject", ""))
            said = notification(topic, dispatch.invocation_id, dispatch.text, self._clock.now(), subject=subject)
            await self._journal.append([EventEntry(said, topic)])
