"""NoticeLog in memory, over the delivery log whose confirmations fill it."""

from collections.abc import Sequence

from opentrail.ports.notices import Notice
from tests.memory.delivery_log import InMemoryDeliveryLog


class InMemoryNoticeLog:
    """Behaves as the port says."""

    def __init__(self, delivery_log: InMemoryDeliveryLog) -> None:
        self._delivery_log = delivery_log

    async def receivers(self) -> Sequence[str]:
        return list({notice.receiver: None for notice in self._delivery_log.notices.values()})

    async def pending(self, receiver: str, limit: int) -> Sequence[Notice]:
        notices = [notice for notice in self._delivery_log.notices.values() if notice.receiver == receiver]
        return sorted(notices, key=lambda notice: (notice.delivered_at, notice.key, notice.notice_id))[:limit]

    async def remove(self, notice_ids: Sequence[str]) -> None:
        for notice_id in notice_ids:
            self._delivery_log.notices.pop(notice_id, None)
