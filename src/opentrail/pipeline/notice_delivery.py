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
from opentrail.pipeline.delivery_context import FIRST_RETRY, GIVE_UP_AFTER, NOTICE, Backoff, DeliveryCounts
from opentrail.ports import PortError, Unavailable
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.notices import WEBHOOK, Notice, NoticeLog, NoticeRefused, NoticeSender, ReceiverNotFound
from opentrail.waiting import is_set_within

LOOK_EVERY = timedelta(seconds=1)
"""How often a running delivery looks for new notices."""

PAGE = 100
"""Notices to one receiver that are looked at together."""

IN_FLIGHT = 8
"""Notices to one receiver on their way at a time."""

LONGEST_WAIT = timedelta(hours=1)
"""Of a notice that is refused while others are taken: after 1 s, then twice as long each time, at most this."""

REFUSALS = (ReceiverNotFound, NoticeRefused)
SENDER_FAILURES = (Unavailable, *REFUSALS)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Result:
    notice: Notice
    error: PortError | None


class NoticeDelivery:
    """Every receiver in its own time: one that fails is tried again with back-off and keeps no other waiting.

    Notices to a receiver go out oldest first, up to IN_FLIGHT together. While it fails, the oldest is tried, then the
    newest: when one is taken, those that it refuses wait each by itself, behind all that were never refused.
    Either ``run`` or ``tick``, not both.
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
                await is_set_within(stop, LOOK_EVERY.total_seconds())
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
        has_taken = False
        while not backoff.must_wait(now):
            page = await self._notices.pending(receiver, now, PAGE)
            waiting = await self._drop_expired(page, now)
            if not page:
                return
            if not waiting:
                continue
            results = await (self._probe(waiting) if backoff.is_failing else self._send_all(waiting[:IN_FLIGHT]))
            sent = [result.notice.notice_id for result in results if result.error is None]
            await self._notices.remove(sent)
            has_taken = has_taken or bool(sent)
            await self._judge(backoff, results, now, has_taken=has_taken)
            await self._note(results, now)

    async def _send_all(self, notices: Sequence[Notice]) -> Sequence[_Result]:
        return await asyncio.gather(*(self._send(notice) for notice in notices))

    async def _probe(self, waiting: Sequence[Notice]) -> Sequence[_Result]:
        """Try the oldest, and when it is not taken the newest: the fault may be the notice's and not the receiver's."""
        oldest = await self._send(waiting[0])
        if oldest.error is None or len(waiting) == 1:
            return [oldest]
        return [oldest, await self._send(waiting[-1])]

    async def _send(self, notice: Notice) -> _Result:
        try:
            await self._sender.send(notice)
        except SENDER_FAILURES as error:
            return _Result(notice, error)
        return _Result(notice, None)

    async def _judge(self, backoff: Backoff, results: Sequence[_Result], now: datetime, *, has_taken: bool) -> None:
        """Lay failures at the notices' door when the receiver took another one, or refuses them alone; else at its."""
        failed = [result for result in results if result.error is not None]
        self._counts.delivered[NOTICE] += len(results) - len(failed)
        self._counts.failed[NOTICE] += len(failed)
        is_taking = len(failed) < len(results)
        is_refusing = all(isinstance(result.error, REFUSALS) for result in failed)
        is_known = all(result.notice.failures for result in failed)
        if not is_taking and not (is_refusing and (has_taken or is_known)):
            backoff.fail(now)
            return
        if is_taking:
            backoff.succeed()
        await self._notices.postpone(
            {result.notice.notice_id: now + _wait(result.notice.failures) for result in failed}
        )

    async def _drop_expired(self, page: Sequence[Notice], now: datetime) -> Sequence[Notice]:
        """Give up what could not be sent for as long as a file is tried; return the rest."""
        expired = [notice for notice in page if now - notice.delivered_at > GIVE_UP_AFTER]
        for notice in expired:
            _log.error("notice given up", receiver=notice.receiver, key=notice.key)
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


def _wait(failures: int) -> timedelta:
    """Return how long a notice waits that was refused ``failures`` times before."""
    doublings = min(failures, (LONGEST_WAIT // FIRST_RETRY).bit_length())
    return min(FIRST_RETRY * (1 << doublings), LONGEST_WAIT)


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
