"""A trail's digest chains, one for each account and Region: starts them, plans, puts and confirms due digests."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from opentrail.clock import format_time
from opentrail.deliver.digest_files import chain_link, close_digest_file, digest_metadata
from opentrail.deliver.log_files import CONTENT_ENCODING, CONTENT_TYPE, gzip_bytes
from opentrail.digest.chain import SECOND, ceil_second, digest_due, final_end, floor_second
from opentrail.digest.document import ChainLink, sha256_hex
from opentrail.errors import OperatorError
from opentrail.pipeline.delivery_context import DIGEST_FILE, Backoff, DeliveryContext
from opentrail.pipeline.file_delivery import (
    DESTINATION_FAILURES,
    FileDelivery,
    ForeignObject,
    encryption_context,
    error_code,
    holds_content,
)
from opentrail.ports import PortError, Unavailable
from opentrail.ports.delivery_log import DigestPlan
from opentrail.ports.object_store import AccessRefused, AlreadyExists
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.trail import Trail

_INSTANT = timedelta(microseconds=1)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Chain:
    """Where a chain stands: everything delivered through ``boundary`` is digested or never will be, and the next digest
    starts there. ``previous`` is None before the first digest. A closed chain had its final digest, or never began."""

    boundary: datetime
    is_open: bool
    previous: ChainLink | None = None


class DigestDelivery:
    """The chains of one trail.

    A digest lists the files whose delivery was confirmed in its span. Once one is planned, no file is confirmed at or
    before its end (``not_before``), so every file is in exactly one digest. A chain has at most one digest that is
    planned and not delivered, so one digest covers an outage of its bucket.
    """

    def __init__(self, context: DeliveryContext, trail_arn: str, files: FileDelivery) -> None:
        self._context = context
        self._trail_arn = trail_arn
        self._files = files
        self._chains: dict[AccountRegion, _Chain] = {}
        self._waits: dict[AccountRegion, datetime] = {}
        self._open: dict[AccountRegion, DigestPlan] = {}
        self._stuck: dict[str, Backoff] = {}
        self._buckets: dict[str, Backoff] = {}
        self._signing = Backoff()

    async def load(self) -> None:
        """Take up the chains and the open digests that an earlier process left; to be awaited before anything else."""
        log = self._context.delivery_log
        self._open = {plan.place: plan for plan in await log.open_digests(self._trail_arn)}
        self._chains = {plan.place: _resume(plan) for plan in await log.last_digests(self._trail_arn)}

    def not_before(self) -> dict[AccountRegion, datetime]:
        """Return, for each chain, the first moment that no digest planned so far answers for."""
        return {place: chain.boundary + _INSTANT for place, chain in self._chains.items()}

    @property
    def has_open(self) -> bool:
        """Whether a digest is planned and not delivered."""
        return bool(self._open)

    @property
    def is_failing(self) -> bool:
        """Whether the signer, or the bucket of a planned digest, did not do its part when it was last asked."""
        backoffs = (
            own for plan in self._open.values() for own in (self._buckets.get(plan.bucket), self._stuck.get(plan.key))
        )
        return self._signing.is_failing or any(backoff is not None and backoff.is_failing for backoff in backoffs)

    @property
    def has_open_chain(self) -> bool:
        """Whether a chain still waits for its final digest."""
        return any(chain.is_open for chain in self._chains.values())

    def undigested_since(self) -> datetime | None:
        """Return the moment up to which every open chain is covered by delivered digests, None without such a chain."""
        boundaries = {place: chain.boundary for place, chain in self._chains.items() if chain.is_open}
        boundaries |= {place: plan.start_time for place, plan in self._open.items()}
        return min(boundaries.values(), default=None)

    async def start(self, places: Iterable[AccountRegion], since: datetime) -> None:
        """Begin a chain in each place that has none open: files delivered from now on are digested."""
        for place in places:
            chain = self._chains.get(place)
            if chain is not None and chain.is_open:
                continue
            boundary = floor_second(since) if chain is None else max(floor_second(since), chain.boundary + SECOND)
            await self._context.delivery_log.plan_digest(_chain_start(self._trail_arn, place, boundary))
            self._chains[place] = _Chain(boundary, is_open=True)
            self._waits.pop(place, None)

    async def plan_due(self, covered: Iterable[AccountRegion], trail: Trail, now: datetime) -> None:
        """Plan the digests that are due in the open chains of ``covered``; ``trail`` says where to."""
        for place in covered:
            chain = self._chains.get(place)
            if chain is None or not chain.is_open or self._is_waiting(place, now):
                continue
            end = digest_due(chain.boundary, self._context.digest_interval, now, self._waited(place, now))
            if end is not None and end > now:
                end = max(end, ceil_second(await self._last_delivery(place, chain.boundary)))
            if end is not None:
                await self._plan(trail, place, end, now, is_final=False)

    async def _last_delivery(self, place: AccountRegion, after: datetime) -> datetime:
        """Return when the last file after ``after`` was confirmed, which is in the future of a clock that was set back;
        ``after`` when none was."""
        files = await self._context.delivery_log.delivered(self._trail_arn, place, after, _END_OF_TIME)
        return max((file.delivered_at for file in files if file.delivered_at is not None), default=after)

    def _waited(self, place: AccountRegion, now: datetime) -> timedelta:
        """Return how long this process has seen a chain wait for its next digest, on a clock that may step back."""
        since = min(now, self._waits.get(place, now))
        self._waits[place] = since
        return now - since

    async def close_chains(self, trail: Trail | None, now: datetime, *, keep: Container[AccountRegion]) -> None:
        """Plan the final digest of every open chain that ``keep`` does not go on with, once its files are delivered.

        ``trail`` says where to. When it is None (a deleted trail after a restart), or no longer an organization's and
        the chain another account's, the last file's settings do, and a chain that has delivered nothing since its last
        digest ends with that.
        """
        held_up = self._files.open_places()
        for place, chain in sorted(self._chains.items()):
            if not chain.is_open or place in keep or place in held_up or self._is_waiting(place, now):
                continue
            end = final_end(chain.boundary, max(now, await self._last_delivery(place, chain.boundary)))
            is_known = trail is not None and (trail.is_organization or place.account_id == trail.account_id)
            settings = trail if is_known else await self._settings_of_last_file(place, chain.boundary, end)
            if settings is None:
                self._chains[place] = _Chain(chain.boundary, is_open=False, previous=chain.previous)
            else:
                await self._plan(settings, place, end, now, is_final=True)

    def _is_waiting(self, place: AccountRegion, now: datetime) -> bool:
        return self._signing.must_wait(now) or place in self._open

    async def _settings_of_last_file(self, place: AccountRegion, after: datetime, through: datetime) -> Trail | None:
        files = await self._context.delivery_log.delivered(self._trail_arn, place, after, through)
        return Trail.from_json(files[-1].trail) if files else None

    async def _plan(self, trail: Trail, place: AccountRegion, end: datetime, now: datetime, *, is_final: bool) -> None:
        chain, region = self._chains[place], place.region
        assert end > chain.boundary
        files = await self._context.delivery_log.delivered(self._trail_arn, place, chain.boundary, end)
        try:
            key = await self._context.signer.current_key(region, end)
            span = (chain.boundary, end)
            unsigned = close_digest_file(trail, place, span, files, chain.previous, key.fingerprint, is_final=is_final)
            signature = await self._context.signer.sign(region, key.fingerprint, unsigned.text)
        except (Unavailable, OperatorError) as error:
            self._context.counts.failed[DIGEST_FILE] += 1
            _log.error(
                "digest not signed", trail=self._trail_arn, account=place.account_id, region=region, error=str(error)
            )
            self._signing.fail(now)
            return
        self._signing.succeed()
        plan = unsigned.signed(signature)
        await self._context.delivery_log.plan_digest(plan)
        self._chains[place] = _Chain(end, is_open=not is_final, previous=chain_link(plan))
        self._waits[place] = now
        self._open[place] = plan

    async def deliver(self, trail: Trail | None, now: datetime) -> None:
        """Put and confirm the planned digests that may be tried now, each chain in order.

        ``trail`` says how to encrypt. Raises what the delivery log raises; a failing bucket ends in its back-off and
        the trail's status.
        """
        for bucket in {plan.bucket: None for plan in self._open.values()}:
            if not self._buckets.setdefault(bucket, Backoff()).must_wait(now):
                await self._deliver_to(bucket, trail, now)

    async def _deliver_to(self, bucket: str, trail: Trail | None, now: datetime) -> None:
        """Try the digests for one bucket, the oldest and the newest first, those that were set aside before last.

        A bucket that refuses the first two is left alone for a while, as is one that does not answer. One that takes
        either has something against single keys (a member account's folder that its policy leaves out, say): those are
        set aside.
        """
        plans = [plan for plan in self._open.values() if plan.bucket == bucket and not self._must_wait(plan, now)]
        fresh = [plan for plan in plans if plan.key not in self._stuck]
        refused: list[tuple[DigestPlan, PortError]] = []
        has_taken = False
        for plan in [*fresh[:1], *fresh[:0:-1], *(plan for plan in plans if plan.key in self._stuck)]:
            error = await self._try(plan, trail, now)
            if error is not None:
                refused.append((plan, error))
            has_taken = has_taken or error is None or isinstance(error, ForeignObject)
            is_answer = error is None or isinstance(error, (ForeignObject, AccessRefused))
            if not is_answer or (fresh and not has_taken and len(refused) == min(2, len(fresh))):
                await self._leave_alone(bucket, refused[-1][1], now)
                return
        if has_taken:
            self._buckets[bucket].succeed()
        for plan, error in refused:
            self._stuck.setdefault(plan.key, Backoff()).fail(now)
            await self._note_failure([plan], error)

    async def _leave_alone(self, bucket: str, error: PortError, now: datetime) -> None:
        self._buckets[bucket].fail(now)
        await self._note_failure([held for held in self._open.values() if held.bucket == bucket], error)

    def _must_wait(self, plan: DigestPlan, now: datetime) -> bool:
        return plan.key in self._stuck and self._stuck[plan.key].must_wait(now)

    async def _try(self, plan: DigestPlan, trail: Trail | None, now: datetime) -> PortError | None:
        """Put and confirm one digest; return what kept it from its place."""
        try:
            await self._put(plan, trail)
        except (*DESTINATION_FAILURES, ForeignObject) as error:
            return error
        log = self._context.delivery_log
        await log.confirm_digest(plan.trail_arn, plan.place, plan.end_time, now)
        del self._open[plan.place]
        self._stuck.pop(plan.key, None)
        self._context.counts.delivered[DIGEST_FILE] += 1
        members = {"LatestDigestDeliveryTime": format_time(now)}
        if not any(held.region == plan.region and held.key in self._stuck for held in self._open.values()):
            members["LatestDigestDeliveryError"] = ""
        await log.set_status(plan.trail_arn, plan.region, members)
        return None

    async def _note_failure(self, plans: Sequence[DigestPlan], error: PortError) -> None:
        self._context.counts.failed[DIGEST_FILE] += 1
        _log.warning("digest not delivered", trail=self._trail_arn, key=plans[0].key, error=repr(error))
        members = {"LatestDigestDeliveryError": error_code(error)}
        for plan in plans:
            await self._context.delivery_log.set_status(plan.trail_arn, plan.region, members)

    async def _put(self, plan: DigestPlan, trail: Trail | None) -> None:
        store = self._context.object_stores.bucket(plan.bucket)
        try:
            await store.put_if_absent(
                plan.key,
                gzip_bytes(plan.body),
                content_type=CONTENT_TYPE,
                content_encoding=CONTENT_ENCODING,
                metadata=digest_metadata(plan),
                encryption_context=encryption_context(trail) if trail else None,
                kms_key_id=trail.kms_key_id if trail else "",
            )
        except AlreadyExists:
            if not await holds_content(store, plan.key, sha256_hex(plan.body)):
                raise ForeignObject(f"{plan.bucket}/{plan.key} holds another digest") from None


def _chain_start(trail_arn: str, place: AccountRegion, at: datetime) -> DigestPlan:
    return DigestPlan(trail_arn, place.account_id, place.region, "", "", at, at, b"", "", "", "", delivered_at=at)


def is_chain_start(plan: DigestPlan) -> bool:
    """Say whether a plan only marks where a chain starts; such a one is never put."""
    return not plan.key


def _resume(last: DigestPlan) -> _Chain:
    return _Chain(last.end_time, not last.is_final, None if is_chain_start(last) else chain_link(last))
