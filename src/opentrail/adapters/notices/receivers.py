"""All receivers of notices behind one sender: topics by their ARN, and the webhook if there is one."""

from opentrail.ports.notices import WEBHOOK, Notice, NoticeSender, ReceiverNotFound


class Receivers:
    """Implements NoticeSender for every receiver."""

    def __init__(self, topics: NoticeSender, webhook: NoticeSender | None = None) -> None:
        self._topics = topics
        self._webhook = webhook

    async def send(self, notice: Notice) -> None:
        if notice.receiver != WEBHOOK:
            await self._topics.send(notice)
        elif self._webhook is not None:
            await self._webhook.send(notice)
        else:
            raise ReceiverNotFound("the settings name no webhook any more")
