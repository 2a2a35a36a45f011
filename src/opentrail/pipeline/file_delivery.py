"""Puts a trail's planned log files and confirms them; builds a file again from the journal where it is not at hand."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from uuid import NAMESPACE_URL, uuid5

import orjson
import structlog

from opentrail.clock import format_time
from opentrail.deliver.log_files import CONTENT_ENCODING, CONTENT_TYPE, LogFile, close_log_file
from opentrail.deliver.selection import TrailSelection
from opentrail.digest.document import sha256_hex
from opentrail.digest.inflation import NotGzip, inflate
from opentrail.pipeline.delivery_context import (
    CUT_LOOSE,
    GIVE_UP_AFTER,
    GIVEN_UP_AT,
    LOG_FILE,
    PUTS_IN_FLIGHT,
    UNDELIVERABLE,
    Backoff,
    DeliveryContext,
)
from opentrail.ports import PortError, Unavailable
from opentrail.ports.delivery_log import LogFilePlan
from opentrail.ports.journal import EventEntry, PositionLost
from opentrail.ports.notices import Notice
from opentrail.ports.object_store import AccessRefused, AlreadyExists, BucketNotFound, ObjectNotFound, ObjectStore
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.trail import Trail

_log = structlog.get_logger(__name__)


class ForeignObject(PortError):
    """Another object has the key of a planned one; it is left alone."""


class PlanBroken(PortError):
    """A plan cannot be built again to the bytes it was planned with."""


DESTINATION_FAILURES = (Unavailable, AccessRefused, BucketNotFound)
"""What a bucket's back-off is for."""


def error_code(error: PortError) -> str:
    """Return what GetTrailStatus calls a failure: S3's error code, "" for time-outs, which it does not show."""
    if isinstance(error, PlanBroken):
        return "InternalError"
    if isinstance(error, BucketNotFound):
        return "NoSuchBucket"
    if isinstance(error, AccessRefused):
        return error.code
    if isinstance(error, ForeignObject):
        return "PreconditionFailed"
    return ""


def encryption_context(trail: Trail) -> Mapping[str, str]:
    """Return the context that binds a data key to the trail."""
    return {"aws:cloudtrail:arn": trail.arn}


@dataclass(frozen=True)
class _Failure:
    plan: LogFilePlan
    error: PortError


class FileDelivery:
    """The open plans of one trail, oldest first, and the destinations they go to.

    A bucket that fails is tried again with back-off, by two of its files; other buckets of the trail (it had another
    one before) go on. A file that cannot be delivered for a reason of its own holds up no other. No file is
    put before its plan is stored, and none is confirmed before it was put.
    """

    def __init__(self, context: DeliveryContext, trail_arn: str) -> None:
        self._context = context
        self._trail_arn = trail_arn
        self._files: dict[str, LogFile] = {}
        self._buckets: dict[str, Backoff] = {}
        self._stuck: dict[str, Backoff] = {}
        self.plans: list[LogFilePlan] = []

    async def load(self) -> None:
        """Take up the plans that an earlier process left open."""
        self.plans = list(await self._context.delivery_log.open_plans(self._trail_arn))

    def add(self, plans: Sequence[LogFilePlan], files: Mapping[str, LogFile]) -> None:
        """Take on plans that were just stored; ``files`` spares building them, and is dropped after the first try."""
        self.plans += plans
        self._files |= files

    def backoff(self, bucket: str) -> Backoff:
        """Return the state of a destination."""
        return self._buckets.setdefault(bucket, Backoff())

    @property
    def is_failing(self) -> bool:
        """True while a plan is held up, by its bucket or by itself."""
        return any(self.backoff(plan.bucket).is_failing or plan.key in self._stuck for plan in self.plans)

    def open_places(self) -> Collection[AccountRegion]:
        """Return the accounts and Regions with files that are still to be delivered."""
        return {plan.place for plan in self.plans}

    async def deliver(self, now: datetime, not_before: Mapping[AccountRegion, datetime]) -> None:
        """Put and confirm what may be tried now. ``not_before`` is the earliest delivery time, by account and Region.

        Raises what journal and delivery log raise; a failing bucket ends in its back-off and the trail's status.
        """
        await self._give_up(now)
        for bucket in {plan.bucket: None for plan in self.plans}:
            has_taken = False
            while group := self._next_group(bucket, now):
                times = [max(now, not_before.get(plan.place, now)) for plan in group]
                tries = [self._deliver_one(plan, at) for plan, at in zip(group, times, strict=True)]
                results = await asyncio.gather(*tries, return_exceptions=True)
                for result in results:
                    if isinstance(result, BaseException):
                        raise result
                failures = [result for result in results if isinstance(result, _Failure)]
                has_taken = has_taken or len(failures) < len(group)
                await self._judge(bucket, failures, len(group), now, has_taken=has_taken)
        self._files.clear()

    def _next_group(self, bucket: str, now: datetime) -> Sequence[LogFilePlan]:
        """Return the files to put next, at once.

        Several where all are at hand, one where it must be built; the oldest and the newest of a bucket that fails,
        because what keeps the one back (a key, say, that is gone) may not concern the other.
        """
        backoff = self.backoff(bucket)
        if backoff.must_wait(now):
            return ()
        waiting = [plan for plan in self.plans if plan.bucket == bucket and not self._is_stuck(plan, now)]
        if backoff.is_failing:
            return [waiting[0], waiting[-1]] if len(waiting) > 1 else waiting
        at_hand = list(takewhile(lambda plan: plan.key in self._files, waiting[:PUTS_IN_FLIGHT]))
        return at_hand or waiting[:1]

    def _is_stuck(self, plan: LogFilePlan, now: datetime) -> bool:
        return plan.key in self._stuck and self._stuck[plan.key].must_wait(now)

    async def _judge(
        self, bucket: str, failures: Sequence[_Failure], tried: int, now: datetime, *, has_taken: bool
    ) -> None:
        """Lay failures at the door of the bucket when it took nothing and none is the file's own, else of the files.

        A refusal is the file's own (its account's folder is left out of a policy, say) where the bucket took another of
        this round, and where it was set aside before.
        """
        by_bucket = [failure for failure in failures if self._is_buckets(failure, has_taken=has_taken)]
        if len(by_bucket) == tried:
            self.backoff(bucket).fail(now)
            regions = {plan.region for plan in self.plans if plan.bucket == bucket}
            await self._note_failure(failures[0], sorted(regions), now)
            return
        if has_taken or not all(isinstance(failure.error, DESTINATION_FAILURES) for failure in failures):
            self.backoff(bucket).succeed()
        for failure in failures:
            self._stuck.setdefault(failure.plan.key, Backoff()).fail(now)
            await self._note_failure(failure, [failure.plan.region], now)

    def _is_buckets(self, failure: _Failure, *, has_taken: bool) -> bool:
        if isinstance(failure.error, AccessRefused):
            return not has_taken and failure.plan.key not in self._stuck
        return isinstance(failure.error, DESTINATION_FAILURES)

    async def _deliver_one(self, plan: LogFilePlan, at: datetime) -> _Failure | None:
        try:
            file = self._files.get(plan.key) or await self._rebuild(plan)
        except PositionLost:
            await self._abandon(plan, at, CUT_LOOSE)
            return None
        except PlanBroken as error:
            return _Failure(plan, error)
        try:
            await self._put(plan, file)
        except (*DESTINATION_FAILURES, ForeignObject) as error:
            return _Failure(plan, error)
        await self._confirm(plan, at)
        return None

    async def _confirm(self, plan: LogFilePlan, at: datetime) -> None:
        notices = notices_of(plan, at, self._context.receivers)
        await self._context.delivery_log.confirm(plan.trail_arn, plan.key, at, notices)
        self._forget(plan)
        self._context.counts.delivered[LOG_FILE] += 1
        done = format_time(at)
        members = {
            "LatestDeliveryTime": done,
            "LatestDeliveryAttemptTime": done,
            "LatestDeliveryAttemptSucceeded": done,
        }
        if not any(other.region == plan.region and other.key in self._stuck for other in self.plans):
            members["LatestDeliveryError"] = ""
        await self._context.delivery_log.set_status(plan.trail_arn, plan.region, members)

    async def _note_failure(self, failure: _Failure, regions: Sequence[str], at: datetime) -> None:
        plan, error = failure.plan, failure.error
        self._context.counts.failed[LOG_FILE] += 1
        _log.warning("log file not delivered", trail=plan.trail_arn, key=plan.key, error=repr(error))
        members = {"LatestDeliveryAttemptTime": format_time(at), "LatestDeliveryError": error_code(error)}
        for region in regions:
            await self._context.delivery_log.set_status(plan.trail_arn, region, members)

    def _forget(self, plan: LogFilePlan) -> None:
        self.plans.remove(plan)
        self._stuck.pop(plan.key, None)

    async def _put(self, plan: LogFilePlan, file: LogFile) -> None:
        trail = Trail.from_json(plan.trail)
        store = self._context.object_stores.bucket(plan.bucket)
        try:
            await store.put_if_absent(
                plan.key,
                file.body,
                content_type=CONTENT_TYPE,
                content_encoding=CONTENT_ENCODING,
                encryption_context=encryption_context(trail),
                kms_key_id=trail.kms_key_id,
            )
        except AlreadyExists:
            if not await holds_content(store, plan.key, plan.sha256):
                raise ForeignObject(f"{plan.bucket}/{plan.key} holds another file") from None

    async def _rebuild(self, plan: LogFilePlan) -> LogFile:
        selection = TrailSelection(Trail.from_json(plan.trail))
        events = []
        async for page in self._context.journal.read(plan.first_position, until=plan.last_position):
            for _, entry in page:
                choice = selection.choose(entry)
                if choice is not None and choice.place == plan.place:
                    events.append(choice.data)
            await asyncio.sleep(0)
        file = await asyncio.to_thread(close_log_file, events)
        if file.sha256 != plan.sha256:
            raise PlanBroken(f"{plan.key} was planned as {plan.sha256} and is now {file.sha256}")
        return file

    async def _give_up(self, now: datetime) -> None:
        for plan in list(self.plans):
            if now - plan.stamp > GIVE_UP_AFTER:
                await self._abandon(plan, now, UNDELIVERABLE)

    async def _abandon(self, plan: LogFilePlan, now: datetime, reason: str) -> None:
        _log.error("log file given up", trail=plan.trail_arn, key=plan.key, reason=reason)
        self._context.counts.given_up[LOG_FILE] += 1
        if self._context.report_gap is not None:
            event = self._context.report_gap(plan.account_id, plan.region, plan.stamp, now, plan.event_count, reason)
            await self._context.journal.append([EventEntry(orjson.dumps(event))])
        await self._context.delivery_log.confirm(plan.trail_arn, plan.key, GIVEN_UP_AT)
        self._forget(plan)


def notices_of(plan: LogFilePlan, delivered_at: datetime, receivers: Sequence[str]) -> Sequence[Notice]:
    """Return the notices that a delivered log file makes due: to its trail's topic, and to ``receivers``."""
    topic_arn = Trail.from_json(plan.trail).sns_topic_arn
    return [
        Notice(
            notice_id=str(uuid5(NAMESPACE_URL, "\n".join((plan.trail_arn, plan.bucket, plan.key, receiver)))),
            receiver=receiver,
            trail_arn=plan.trail_arn,
            region=plan.region,
            bucket=plan.bucket,
            key=plan.key,
            delivered_at=delivered_at,
        )
        for receiver in ([topic_arn] if topic_arn else []) + list(receivers)
    ]


async def holds_content(store: ObjectStore, key: str, sha256: str) -> bool:
    """Say whether the gzip object at ``key`` inflates to bytes of that hash."""
    try:
        inflated = inflate((await store.get(key)).body)
    except (NotGzip, ObjectNotFound):
        return False
    return inflated.is_whole and not inflated.has_trailing_data and sha256_hex(inflated.raw) == sha256
