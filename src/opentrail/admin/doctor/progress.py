"""Whether what was recorded gets where it should in time: log files, digests, witnesses, and room in the journal."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opentrail.admin.doctor.findings import Fault, Finding
from opentrail.clock import format_time
from opentrail.ports.delivery_log import DeliveryLog
from opentrail.ports.journal import Journal, Position
from opentrail.ports.witness import AttestationLog
from opentrail.resource.trail import Trail

INTERVALS = 3
"""After how many intervals a log file or a digest counts as late."""

LEEWAY = timedelta(minutes=1)
"""And never sooner than that past them, however short they are."""

JOURNAL_SHARE = 0.8
"""From which share of ``journal_max_bytes`` on the slowest reader is about to be cut loose."""


_ERRORS = tuple(
    f"Latest{kind}Error" for kind in ("Delivery", "DigestDelivery", "Notification", "CloudWatchLogsDelivery")
)
"""Members of a trail's status that tell what fails."""


@dataclass(frozen=True)
class Progress:
    """The ports that tell how far everything got, and the intervals that say how far it should be."""

    journal: Journal
    delivery_log: DeliveryLog
    attestations: AttestationLog
    log_file_interval: timedelta
    digest_interval: timedelta
    journal_max_bytes: int
    witnesses: Mapping[str, timedelta]
    """How late each may be told, by name."""
    lag_seconds: Callable[[Position], float] = field(default=lambda _: 0.0)
    """Age of the oldest journal entry past a position, as far as this process knows: without a server, nothing."""

    async def check_trail(self, trail: Trail, regions: Sequence[str], now: datetime) -> AsyncIterator[Finding]:
        """Yield what is late or fails for one trail."""
        failing = await self._failing(trail, regions)
        if failing:
            yield failing
        late = await self._late(trail, now)
        if late:
            yield late
        behind = await self._behind(trail, now)
        if behind:
            yield behind

    async def _failing(self, trail: Trail, regions: Sequence[str]) -> Finding | None:
        for region in regions:
            status = await self.delivery_log.status(trail.arn, region)
            for member in _ERRORS:
                if status.get(member):
                    mend = f"aws cloudtrail get-trail-status --name {trail.name} says since when; the server's log why"
                    return Finding(
                        Fault.DELIVERY_FAILING, trail.name, f"{member} in {region} is {status[member]}", mend
                    )
        return None

    async def _late(self, trail: Trail, now: datetime) -> Finding | None:
        patience = INTERVALS * self.log_file_interval + LEEWAY
        waiting = [plan for plan in await self.delivery_log.open_plans(trail.arn) if plan.stamp < now - patience]
        if waiting:
            oldest = min(plan.stamp for plan in waiting)
            problem = f"{len(waiting)} log files wait to be delivered, the oldest since {format_time(oldest)}"
            return Finding(Fault.DELIVERY_LATE, trail.name, problem, _SERVE)
        cursors = [state.cursor for state in await self.delivery_log.readers() if state.trail_arn == trail.arn]
        lag = max(map(self.lag_seconds, cursors), default=0.0)
        if lag > patience.total_seconds():
            problem = f"it has not read the journal for {lag:.0f} s: what was recorded since is in no log file"
            return Finding(Fault.DELIVERY_LATE, trail.name, problem, _SERVE)
        return None

    async def _behind(self, trail: Trail, now: datetime) -> Finding | None:
        bound = now - INTERVALS * self.digest_interval - LEEWAY
        waiting = {plan.place: plan for plan in await self.delivery_log.open_digests(trail.arn)}
        newest = [
            waiting[plan.place].start_time if plan.place in waiting else plan.end_time
            for plan in await self.delivery_log.last_digests(trail.arn)
            if plan.place in waiting or (trail.is_logging and not plan.is_final)
        ]
        if not newest or min(newest) >= bound:
            return None
        problem = f"its deliveries since {format_time(min(newest))} are in no delivered digest"
        return Finding(Fault.DIGEST_BEHIND, trail.name, problem, _SERVE)

    async def check_clock(self, trails: Sequence[Trail], now: datetime) -> Finding | None:
        """Return whether the clock stands before the end of a digest that was made already."""
        ends = [plan.end_time for trail in trails for plan in await self.delivery_log.last_digests(trail.arn)]
        ahead = max(ends, default=now) - now
        if ahead <= LEEWAY:
            return None
        problem = (
            f"this machine's clock stands {ahead.total_seconds():.0f} s before the end of the newest digest: it was "
            "set back, or was ahead when that was made"
        )
        return Finding(Fault.CLOCK, "clock", problem, "timedatectl set-ntp true; digests go on once it has caught up")

    async def check_witnesses(self, now: datetime) -> AsyncIterator[Finding]:
        """Yield the witnesses that were not told for half the time that they may be late."""
        for name, late_after in self.witnesses.items():
            state = await self.attestations.state(name)
            if state.oldest is not None and now - state.oldest > late_after / 2:
                problem = f"{state.pending} digests were not told to it, the oldest ended {format_time(state.oldest)}"
                mend = f"see that the witness answers (witness.{name} in opentrail settings; the server's log says why)"
                yield Finding(Fault.WITNESS_BEHIND, name, problem, mend)

    def check_journal(self) -> Finding | None:
        """Return whether the journal nears the size at which the slowest reader loses events."""
        size, most = self.journal.size_bytes(), self.journal_max_bytes
        if size < JOURNAL_SHARE * most:
            return None
        problem = f"it holds {size / 1e6:.0f} MB of at most {most / 1e6:.0f} MB: the slowest trail will be cut loose"
        return Finding(
            Fault.JOURNAL_FULL, "journal", problem, "mend what holds deliveries up, or raise journal_max_bytes"
        )


_SERVE = "opentrail serve delivers; while it runs, its log and opentrail status say what holds it up"
