"""A trail's digest chains, one a Region: starts them, plans digests when they are due, puts and confirms them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from opentrail.clock import format_time
from opentrail.deliver.digest_files import chain_link, close_digest_file, digest_metadata
from opentrail.deliver.log_files import CONTENT_ENCODING, CONTENT_TYPE, gzip_bytes
from opentrail.digest.chain import SECOND, digest_due, final_end, floor_second
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
from opentrail.ports.object_store import AlreadyExists
from opentrail.resource.trail import Trail

_INSTANT = timedelta(microseconds=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Chain:
    """Where a chain stands: everything delivered through ``boundary`` is digested or never will be, and the next digest
    starts there. ``previous`` is None before the first digest. A closed chain had its final digest, or never began."""

    boundary: datetime | None
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
        self._chains: dict[str, _Chain] = {}
        self._open: list[DigestPlan] = []
        self._stuck: dict[str, Backoff] = {}
        self._buckets: dict[str, Backoff] = {}
        self._signing = Backoff()

    async def load(self, regions: Collection[str]) -> None:
        """Take up the chains and the open digests that an earlier process left."""
        digests = await self._context.delivery_log.open_digests(self._trail_arn)
        self._open = [plan for plan in digests if not is_chain_start(plan)]
        for region in {*regions, *(plan.region for plan in self._open)}:
            await self._chain(region)

    async def _chain(self, region: str) -> _Chain:
        if region not in self._chains:
            self._chains[region] = _resume(await self._context.delivery_log.last_digest(self._trail_arn, region))
        return self._chains[region]

    def not_before(self) -> dict[str, datetime]:
        """Return, for each Region with digests, the first moment that no digest planned so far answers for."""
        return {
            region: chain.boundary + _INSTANT for region, chain in self._chains.items() if chain.boundary is not None
        }

    @property
    def has_open(self) -> bool:
        """Whether a digest is planned and not delivered."""
        return bool(self._open)

    @property
    def is_failing(self) -> bool:
        """Whether the signer, or the bucket of a planned digest, did not do its part when it was last asked."""
        buckets = (self._buckets.get(plan.bucket) for plan in self._open)
        return self._signing.is_failing or any(backoff is not None and backoff.is_failing for backoff in buckets)

    @property
    def has_open_chain(self) -> bool:
        """Whether a chain still waits for its final digest."""
        return any(chain.is_open for chain in self._chains.values())

    def undigested_since(self) -> datetime | None:
        """Return the moment up to which every open chain is covered by delivered digests, None without such a chain."""
        boundaries = {region: chain.boundary for region, chain in self._chains.items() if chain.is_open}
        boundaries |= {plan.region: plan.start_time for plan in self._open}
        return min((boundary for boundary in boundaries.values() if boundary is not None), default=None)

    async def start(self, regions: Iterable[str], since: datetime) -> None:
        """Begin a chain in each Region that has none open: files delivered from now on are digested."""
        for region in regions:
            chain = await self._chain(region)
            if not chain.is_open:
                boundary = floor_second(since)
                if chain.boundary is not None:
                    boundary = max(boundary, chain.boundary + SECOND)
                await self._context.delivery_log.plan_digest(_chain_start(self._trail_arn, region, boundary))
                self._chains[region] = _Chain(boundary, is_open=True)

    async def plan_due(self, trail: Trail, now: datetime) -> None:
        """Plan the digests that are due in the open chains of the Regions that ``trail`` covers."""
        for region, chain in sorted(self._chains.items()):
            if chain.is_open and chain.boundary and trail.covers_region(region) and not self._is_waiting(region, now):
                end = digest_due(chain.boundary, self._context.digest_interval, now)
                if end is not None:
                    await self._plan(trail, region, end, now, is_final=False)

    async def close_chains(self, trail: Trail | None, now: datetime, *, keep: Trail | None) -> None:
        """Plan the final digest of every open chain that ``keep`` does not go on with, once its files are delivered.

        ``trail`` says where to; when it is None (a deleted trail after a restart) the last file's settings do, and a
        chain that has delivered nothing since its last digest ends with that.
        """
        for region, chain in sorted(self._chains.items()):
            if not chain.is_open or chain.boundary is None or (keep is not None and keep.covers_region(region)):
                continue
            if self._is_waiting(region, now) or self._files.has_open(region):
                continue
            end = final_end(chain.boundary, now)
            settings = trail or await self._settings_of_last_file(region, chain.boundary, end)
            if settings is None:
                self._chains[region] = _Chain(chain.boundary, is_open=False, previous=chain.previous)
            else:
                await self._plan(settings, region, end, now, is_final=True)

    def _is_waiting(self, region: str, now: datetime) -> bool:
        return self._signing.must_wait(now) or any(plan.region == region for plan in self._open)

    async def _settings_of_last_file(self, region: str, after: datetime, through: datetime) -> Trail | None:
        files = await self._context.delivery_log.delivered(self._trail_arn, region, after, through)
        return Trail.from_json(files[-1].trail) if files else None

    async def _plan(self, trail: Trail, region: str, end: datetime, now: datetime, *, is_final: bool) -> None:
        chain = self._chains[region]
        assert chain.boundary is not None
        assert end > chain.boundary
        files = await self._context.delivery_log.delivered(self._trail_arn, region, chain.boundary, end)
        try:
            key = await self._context.signer.current_key(region, end)
            span = (chain.boundary, end)
            unsigned = close_digest_file(trail, region, span, files, chain.previous, key.fingerprint, is_final=is_final)
            signature = await self._context.signer.sign(region, key.fingerprint, unsigned.text)
        except (Unavailable, OperatorError) as error:
            self._context.counts.failed[DIGEST_FILE] += 1
            _log.error("digest not signed", trail=self._trail_arn, region=region, error=str(error))
            self._signing.fail(now)
            return
        self._signing.succeed()
        plan = unsigned.signed(signature)
        await self._context.delivery_log.plan_digest(plan)
        self._chains[region] = _Chain(end, is_open=not is_final, previous=chain_link(plan))
        self._open.append(plan)

    async def deliver(self, trail: Trail | None, now: datetime) -> None:
        """Put and confirm the planned digests that may be tried now, each chain in order.

        ``trail`` says how to encrypt. Raises what the delivery log raises; a failing bucket ends in its back-off and
        the trail's status.
        """
        for plan in list(self._open):
            own, bucket = self._stuck.get(plan.key), self._buckets.setdefault(plan.bucket, Backoff())
            if not bucket.must_wait(now) and (own is None or not own.must_wait(now)):
                await self._deliver_one(plan, bucket, trail, now)

    async def _deliver_one(self, plan: DigestPlan, bucket: Backoff, trail: Trail | None, now: datetime) -> None:
        log = self._context.delivery_log
        try:
            await self._put(plan, trail)
        except ForeignObject as error:
            self._stuck.setdefault(plan.key, Backoff()).fail(now)
            await self._note_failure([plan], error)
        except DESTINATION_FAILURES as error:
            bucket.fail(now)
            await self._note_failure([held for held in self._open if held.bucket == plan.bucket], error)
        else:
            bucket.succeed()
            await log.confirm_digest(plan.trail_arn, plan.region, plan.end_time, now)
            self._open.remove(plan)
            self._context.counts.delivered[DIGEST_FILE] += 1
            self._stuck.pop(plan.key, None)
            members = {"LatestDigestDeliveryTime": format_time(now), "LatestDigestDeliveryError": ""}
            await log.set_status(plan.trail_arn, plan.region, members)

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


def _chain_start(trail_arn: str, region: str, at: datetime) -> DigestPlan:
    return DigestPlan(trail_arn, region, "", "", at, at, b"", "", "", "", delivered_at=at)


def is_chain_start(plan: DigestPlan) -> bool:
    """Say whether a plan only marks where a chain starts; such a one is never put."""
    return not plan.key


def _resume(last: DigestPlan | None) -> _Chain:
    if last is None:
        return _Chain(None, is_open=False)
    return _Chain(last.end_time, not last.is_final, None if is_chain_start(last) else chain_link(last))
