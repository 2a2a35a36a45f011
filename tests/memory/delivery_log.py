"""The delivery log in memory, for tests of what stands on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.ports.delivery_log import DigestPlan, DigestSpan, LogFilePlan, ReaderState
from opentrail.ports.notices import Notice
from opentrail.resource.account_region import AccountRegion


class InMemoryDeliveryLog:
    """Behaves as the port says and forgets everything with the process.

    ``live_trails`` are the ARNs that the trail store over it knows; their readers cannot be finished.
    """

    def __init__(self) -> None:
        self.live_trails: set[str] = set()
        self.notices: dict[str, Notice] = {}
        self.postponed_notices: dict[str, datetime] = {}
        self._readers: dict[str, ReaderState] = {}
        self._plans: dict[tuple[str, str], LogFilePlan] = {}
        self._digests: dict[tuple[str, AccountRegion, datetime], DigestPlan] = {}
        self._status: dict[tuple[str, str], dict[str, str]] = {}

    def start_reader(self, state: ReaderState) -> None:
        """Give a new trail its reader, unless an earlier trail of that ARN still has one, and an empty status."""
        self._readers.setdefault(state.trail_arn, state)
        self._status = {key: value for key, value in self._status.items() if key[0] != state.trail_arn}

    async def readers(self) -> Sequence[ReaderState]:
        return [state for _, state in sorted(self._readers.items())]

    async def plan(self, state: ReaderState, plans: Sequence[LogFilePlan]) -> None:
        self._readers[state.trail_arn] = state
        for plan in plans:
            self._plans.setdefault((plan.trail_arn, plan.key), plan)

    async def finish(self, trail_arn: str) -> None:
        if trail_arn not in self.live_trails:
            self._readers.pop(trail_arn, None)

    async def open_plans(self, trail_arn: str) -> Sequence[LogFilePlan]:
        plans = [plan for plan in self._plans.values() if plan.trail_arn == trail_arn and plan.delivered_at is None]
        return sorted(plans, key=lambda plan: (plan.first_position, plan.key))

    async def confirm(self, trail_arn: str, key: str, delivered_at: datetime, notices: Sequence[Notice] = ()) -> None:
        plan = self._plans[trail_arn, key]
        if plan.delivered_at is None:
            self._plans[trail_arn, key] = replace(plan, delivered_at=delivered_at)
            self.notices |= {notice.notice_id: notice for notice in notices}

    async def delivered(
        self, trail_arn: str, place: AccountRegion, after: datetime, through: datetime
    ) -> Sequence[LogFilePlan]:
        found = [
            (plan.delivered_at, plan.key, plan)
            for plan in self._plans.values()
            if plan.trail_arn == trail_arn
            and plan.place == place
            and plan.delivered_at is not None
            and after < plan.delivered_at <= through
        ]
        return [plan for _, _, plan in sorted(found, key=lambda item: item[:2])]

    async def last_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        newest: dict[AccountRegion, DigestPlan] = {}
        for (arn, place, end_time), plan in self._digests.items():
            if arn == trail_arn and (place not in newest or newest[place].end_time < end_time):
                newest[place] = plan
        return [plan for _, plan in sorted(newest.items())]

    def digests(self) -> list[DigestPlan]:
        """Return every digest ever planned, chain starts too."""
        return list(self._digests.values())

    async def delivered_digests(
        self, trail_arn: str, place: AccountRegion, start: datetime, end: datetime, limit: int
    ) -> Sequence[DigestSpan]:
        found = [
            DigestSpan(plan.bucket, plan.key, plan.start_time, plan.end_time)
            for (arn, of, end_time), plan in self._digests.items()
            if (arn, of) == (trail_arn, place) and plan.key and plan.delivered_at and start <= end_time <= end
        ]
        return sorted(found, key=lambda span: span.end_time, reverse=True)[:limit]

    async def plan_digest(self, plan: DigestPlan) -> None:
        self._digests.setdefault((plan.trail_arn, plan.place, plan.end_time), plan)

    async def open_digests(self, trail_arn: str) -> Sequence[DigestPlan]:
        plans = [plan for plan in self._digests.values() if plan.trail_arn == trail_arn and plan.delivered_at is None]
        return sorted(plans, key=lambda plan: (plan.end_time, plan.place))

    async def confirm_digest(
        self, trail_arn: str, place: AccountRegion, end_time: datetime, delivered_at: datetime
    ) -> None:
        plan = self._digests[trail_arn, place, end_time]
        if plan.delivered_at is None:
            self._digests[trail_arn, place, end_time] = replace(plan, delivered_at=delivered_at)

    async def set_status(self, trail_arn: str, region: str, values: Mapping[str, str]) -> None:
        self._status.setdefault((trail_arn, region), {}).update(values)

    async def status(self, trail_arn: str, region: str) -> Mapping[str, str]:
        return dict(sorted(self._status.get((trail_arn, region), {}).items()))
