"""Sends the notices that delivered log files made due, at least once each; runs beside trail delivery.

A notice becomes pending in the transaction that confirms its file and is struck out after its receiver took it, so a
crash in between sends it again, under the same id. No file waits for a notice.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from opentrail.clock import Clock, format_time
from opentrail.pipeline.delivery_context import GIVE_UP_AFTER, NOTICE, Backoff, DeliveryCounts
from opentrail.ports import PortError, Unavailable
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.notices import WEBHOOK, Notice, NoticeLog, NoticeRefused, NoticeSender, ReceiverNotFound

LOOK_EVERY = timedelta(seconds=1)
"""How often a running delivery looks for new notices."""

PAGE = 100
"""Notices to one receiver that are looked at together."""

IN_FLIGHT = 8
"""Notices to one receiver on their way at a time."""

SENDER_FAILURES = (Unavailable, ReceiverNotFound, NoticeRefused)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Result:
    notice: Notice
    error: PortError | None


class NoticeDelivery:
    """Every receiver in its own time: one that fails is tried again with back-off and keeps no other waiting.

    Notices to a receiver go out oldest first, up to IN_FLIGHT together. While it fails, the oldest of a page is tried,
    then the newest: when only that is taken, the other waits by itself. Either ``run`` or ``tick``, not both.
    """

    def __init__(
        self, notices: NoticeLog, delivery_log: DeliveryLog, sender: NoticeSender, clock: Clock, counts: DeliveryCounts
    ) -> None:
        self._notices = notices
        self._delivery_log = delivery_log
        self._sender = sender
        self._clock = clock
        self._counts = counts
        self._receivers: dict[str, Backoff] = {}
        self._stuck: dict[str, Backoff] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def tick(self, now: datetime) -> None:
        """Send everything that may be sent at ``now``, one receiver after the other. Raises Unavailable."""
        for receiver in await self._notices.receivers():
            await self._serve(receiver, now)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop`` is set; what is under way then is not waited for, and stays pending."""
        try:
            while not stop.is_set():
                await self._start_tasks()
                try:
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._tasks.clear()

    async def _start_tasks(self) -> None:
        self._tasks = {receiver: task for receiver, task in self._tasks.items() if not task.done()}
        try:
            receivers = await self._notices.receivers()
        except Unavailable as error:
            _log.warning("pending notices cannot be listed", error=str(error))
            return
        for receiver in receivers:
            if receiver not in self._tasks:
                self._tasks[receiver] = asyncio.create_task(self._serve_safely(receiver))

    async def _serve_safely(self, receiver: str) -> None:
        try:
            await self._serve(receiver, self._clock.now())
        except Unavailable as error:
            _log.warning("notices interrupted", receiver=receiver, error=str(error))
        except Exception:  # the edge of a worker: what is pending stays so
            _log.exception("notices failed", receiver=receiver)
            self._receivers.setdefault(receiver, Backoff()).fail(self._clock.now())

    async def _serve(self, receiver: str, now: datetime) -> None:
        backoff = self._receivers.setdefault(receiver, Backoff())
        while not backoff.must_wait(now):
            page = await self._drop_expired(await self._notices.pending(receiver, PAGE), now)
            waiting = [notice for notice in page if not self._is_stuck(notice, now)]
            if not waiting:
                return
            results = await (self._probe(waiting) if backoff.is_failing else self._send_all(waiting[:IN_FLIGHT]))
            sent = [result.notice for result in results if result.error is None]
            await self._notices.remove([notice.notice_id for notice in sent])
            self._judge(backoff, results, now)
            await self._note(results, now)

    async def _send_all(self, notices: Sequence[Notice]) -> Sequence[_Result]:
        return await asyncio.gather(*(self._send(notice) for notice in notices))

    async def _probe(self, waiting: Sequence[Notice]) -> Sequence[_Result]:
        """Try the oldest, and when it is not taken the newest: the fault may be the notice's and not the receiver's."""
        oldest = await self._send(waiting[0])
        if oldest.error is None or len(waiting) == 1:
            return [oldest]
        return [oldest, await self._send(waiting[-1])]

    def _is_stuck(self, notice: Notice, now: datetime) -> bool:
        return notice.notice_id in self._stuck and self._stuck[notice.notice_id].must_wait(now)

    async def _send(self, notice: Notice) -> _Result:
        try:
            await self._sender.send(notice)
        except SENDER_FAILURES as error:
            return _Result(notice, error)
        return _Result(notice, None)

    def _judge(self, backoff: Backoff, results: Sequence[_Result], now: datetime) -> None:
        """Lay failures at the receiver's door when it took nothing, else at the notices'."""
        failed = [result.notice for result in results if result.error is not None]
        self._counts.delivered[NOTICE] += len(results) - len(failed)
        self._counts.failed[NOTICE] += len(failed)
        for result in results:
            if result.error is None:
                self._stuck.pop(result.notice.notice_id, None)
        if len(failed) == len(results):
            backoff.fail(now)
            return
        backoff.succeed()
        for notice in failed:
            self._stuck.setdefault(notice.notice_id, Backoff()).fail(now)

    async def _drop_expired(self, page: Sequence[Notice], now: datetime) -> Sequence[Notice]:
        """Give up what could not be sent for as long as a file is tried; return the rest."""
        expired = [notice for notice in page if now - notice.delivered_at > GIVE_UP_AFTER]
        for notice in expired:
            _log.error("notice given up", receiver=notice.receiver, key=notice.key)
            self._stuck.pop(notice.notice_id, None)
        self._counts.given_up[NOTICE] += len(expired)
        await self._notices.remove([notice.notice_id for notice in expired])
        return [notice for notice in page if notice not in expired]

    async def _note(self, results: Sequence[_Result], now: datetime) -> None:
        """Tell in the status of each trail and Region how its latest notice fared; a webhook has no place there."""
        told: dict[tuple[str, str], Mapping[str, str]] = {}
        for result in sorted(results, key=lambda result: result.error is None):
            notice = result.notice
            if result.error is not None:
                _log.warning("notice not sent", receiver=notice.receiver, key=notice.key, error=repr(result.error))
            if notice.receiver != WEBHOOK:
                told[notice.trail_arn, notice.region] = _status(result.error, now)
        for (trail_arn, region), members in told.items():
            await self._delivery_log.set_status(trail_arn, region, members)


def _status(error: PortError | None, now: datetime) -> Mapping[str, str]:
    attempted = {"LatestNotificationAttemptTime": format_time(now), "LatestNotificationError": error_code(error)}
    if error is not None:
        return attempted
    done = format_time(now)
    return attempted | {"LatestNotificationTime": done, "LatestNotificationAttemptSucceeded": done}


def error_code(error: PortError | None) -> str:
    """Return what GetTrailStatus calls a failure: SNS's error code, "" for none."""
    if isinstance(error, ReceiverNotFound):
        return "NotFound"
    if isinstance(error, NoticeRefused):
        return error.code
    return "" if error is None else "ServiceUnavailable"
