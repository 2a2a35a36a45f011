"""The delivery log: what was planned, put and confirmed for each trail, and how far its reader got.

Plan, put, confirm: a plan is stored in the transaction that moves the cursor; then the object is put; then the plan is
confirmed. After a crash, open plans are built again from the journal, to the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opentrail.ports.journal import Position
from opentrail.ports.notices import Notice
from opentrail.resource.account_region import AccountRegion


@dataclass(frozen=True, slots=True)
class ReaderState:
    """Where a trail's reader is and which settings are in force there.

    ``trail`` is the Trail snapshot at ``cursor`` (None: deleted, the reader is finishing); ``regions`` the enabled
    Regions at ``cursor``.
    """

    trail_arn: str
    cursor: Position
    trail: bytes | None
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogFilePlan:
    """One log file before it is put: everything needed to build it again.

    It holds the events of ``account_id`` in ``region`` that the settings ``trail`` select among the journal entries
    after ``first_position``, where the reader stood, up to and including ``last_position``. ``sha256`` is the hex hash
    of the uncompressed file. ``stamp`` is the time in its name. ``delivered_at`` is None while the plan is open, and
    1970 once it was given up. ``tree_hash`` is the hex root of the Merkle tree over its events, empty in plans of
    releases that made none.
    """

    trail_arn: str
    region: str
    account_id: str
    bucket: str
    key: str
    first_position: Position
    last_position: Position
    stamp: datetime
    sha256: str
    event_count: int
    oldest_event_time: str
    newest_event_time: str
    trail: bytes
    delivered_at: datetime | None = None
    tree_hash: str = ""

    @property
    def place(self) -> AccountRegion:
        """Whose events the file holds; also the chain that digests it."""
        return AccountRegion(self.account_id, self.region)


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """One digest file before it is put: its exact bytes (uncompressed) and signature. A chain is the digests of a
    trail, account and Region by ``end_time``; ``previous_key`` is empty in a starting digest.

    One with an empty ``key`` and ``start_time`` = ``end_time`` is no digest: it marks where a chain starts."""

    trail_arn: str
    account_id: str
    region: str
    bucket: str
    key: str
    start_time: datetime
    end_time: datetime
    body: bytes
    signature: str
    fingerprint: str
    previous_key: str
    is_final: bool = False
    delivered_at: datetime | None = None

    @property
    def place(self) -> AccountRegion:
        """Which of the trail's chains the digest belongs to."""
        return AccountRegion(self.account_id, self.region)


@dataclass(frozen=True, slots=True)
class DigestSpan:
    """A delivered digest without its content: where it is and the time it answers for."""

    bucket: str
    key: str
    start_time: datetime
    end_time: datetime


class DeliveryLog(Protocol):
    """Every method is durable on return and raises Unavailable."""

    async def readers(self) -> Sequence[ReaderState]:
        """Return the state of every trail's reader, also of deleted trails whose reader has not caught up."""
        ...

    async def plan(self, state: ReaderState, plans: Sequence[LogFilePlan]) -> None:
        """Store new plans and move the reader to ``state``, in one transaction. A plan already there is kept."""
        ...

    async def finish(self, trail_arn: str) -> None:
        """Remove the reader of a deleted trail. Its plans and digests stay. Does nothing when a trail of that ARN is
        there (again): its reader goes on."""
        ...

    async def open_plans(self, trail_arn: str) -> Sequence[LogFilePlan]:
        """Return the plans not yet delivered, in order of their first position."""
        ...

    async def confirm(self, trail_arn: str, key: str, delivered_at: datetime, notices: Sequence[Notice] = ()) -> None:
        """Mark one plan delivered and make its notices pending, in one transaction; a second time changes nothing.

        Raises KeyError for a plan that is not there."""
        ...

    async def delivered(
        self, trail_arn: str, place: AccountRegion, after: datetime, through: datetime
    ) -> Sequence[LogFilePlan]:
        """Return the plans of ``place`` with ``after`` < delivered_at <= ``through``, by delivery time."""
        ...

    async def last_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        """Return the newest digest of each of the trail's chains, open or delivered, by account and Region."""
        ...

    async def delivered_digests(
        self, trail_arn: str, place: AccountRegion, start: datetime, end: datetime, limit: int
    ) -> Sequence[DigestSpan]:
        """Return the confirmed digests of a chain that end in [``start``, ``end``], newest first, at most ``limit``.

        What marks a chain's start is none."""
        ...

    async def plan_digest(self, plan: DigestPlan) -> None:
        """Store a digest before it is put. Its (trail, place, end_time) is unique; a second one is kept out."""
        ...

    async def open_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        """Return the digests not yet delivered, by end time."""
        ...

    async def confirm_digest(
        self, trail_arn: str, place: AccountRegion, end_time: datetime, delivered_at: datetime
    ) -> None:
        """Mark one digest delivered; a second time changes nothing. Raises KeyError for one that is not there."""
        ...

    async def set_status(self, trail_arn: str, region: str, values: Mapping[str, str]) -> None:
        """Merge GetTrailStatus members (wire names; times as ISO 8601 text) into the trail's status in a Region."""
        ...

    async def status(self, trail_arn: str, region: str) -> Mapping[str, str]:
        """Return the members set so far."""
        ...
