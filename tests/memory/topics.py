"""Topics in memory."""

from opentrail.ports import PortError
from opentrail.ports.notices import NoticeRefused, ReceiverNotFound


class InMemoryTopics:
    """The given topics; ``refusing`` are those whose policy does not let CloudTrail publish."""

    def __init__(self, *topic_arns: str) -> None:
        self.topic_arns = set(topic_arns)
        self.refusing: set[str] = set()
        self.failure: PortError | None = None

    async def check_topic(self, topic_arn: str, trail_arn: str) -> None:
        if self.failure is not None:
            raise self.failure
        if topic_arn not in self.topic_arns:
            raise ReceiverNotFound(topic_arn)
        if topic_arn in self.refusing:
            raise NoticeRefused("AuthorizationError", topic_arn)
