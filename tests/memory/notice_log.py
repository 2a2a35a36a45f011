"""NoticeLog in memory, over the delivery log whose confirmations fill it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opentrail.ports.notices import Notice
from tests.memory.delivery_log import InMemoryDeliveryLog


class InMemoryNoticeLog:
    """Behaves as the port says."""

    def __init__(self, delivery_log: InMemoryDeliveryLog) -> None:
        self._delivery_log = delivery_log

    async def receivers(self) -> Sequence[str]:
        return list({notice.receiver: None for notice in self._delivery_log.notices.values()})

    async def pending(self, receiver: str, now: datetime, limit: int) -> Sequence[Notice]:
        of_receiver = [notice for notice in self._delivery_log.notices.values() if notice.receiver == receiver]
        postponed = self._delivery_log.postponed_notices
        fresh = sorted((notice for notice in of_receiver if notice.notice_id not in postponed), key=_age)
        if len(fresh) >= limit:
            return [*fresh[: limit - 1], fresh[-1]]
        again = [notice for notice in of_receiver if postponed.get(notice.notice_id, now + timedelta(1)) <= now]
        return (fresh + sorted(again, key=lambda notice: (postponed[notice.notice_id], *_age(notice))))[:limit]

    async def postpone(self, until: Mapping[str, datetime]) -> None:
        notices = self._delivery_log.notices
        for notice_id in until.keys() & notices.keys():
            self._delivery_log.postponed_notices[notice_id] = until[notice_id]
            notices[notice_id] = replace(notices[notice_id], failures=notices[notice_id].failures + 1)

    async def remove(self, notice_ids: Sequence[str]) -> None:
        for notice_id in notice_ids:
            self._delivery_log.notices.pop(notice_id, None)


def _age(notice: Notice) -> tuple[datetime, str, str]:
    return notice.delivered_at, notice.key, notice.notice_id
