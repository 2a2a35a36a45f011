"""The doctor: looks at one installation, with a server or without, and tells every fault that it knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from opentrail.admin.doctor.destinations import Destinations
from opentrail.admin.doctor.event_data_stores import StoreChecks
from opentrail.admin.doctor.findings import Finding
from opentrail.admin.doctor.machine import check_disk, check_endpoints
from opentrail.admin.doctor.progress import Progress
from opentrail.admin.doctor.targets import TargetChecks
from opentrail.admin.doctor.trails import check_settings, check_trails
from opentrail.clock import Clock
from opentrail.ports.host import Host
from opentrail.ports.trail_store import TrailStore
from opentrail.resource.trail import Trail


@dataclass(frozen=True)
class Doctor:
    """One installation's doctor. ``endpoints`` are the URLs that settings name, by setting."""

    account_id: str
    region: str
    trails: TrailStore
    destinations: Destinations
    progress: Progress
    stores: StoreChecks
    host: Host
    clock: Clock
    endpoints: Mapping[str, str]
    targets: TargetChecks = field(default_factory=TargetChecks)

    async def diagnose(self) -> dict[str, Any]:
        """Return the findings as JSON-ready values: the machine first, then each trail by name."""
        return {"findings": [finding.to_json() for finding in await self.findings()]}

    async def findings(self) -> list[Finding]:
        """Look at everything. Takes up to a few seconds for each bucket and endpoint that does not answer."""
        now = self.clock.now()
        found = [finding async for finding in check_disk(self.host)]
        found += [finding async for finding in check_endpoints(self.host, self.clock, self.endpoints)]
        journal = self.progress.check_journal()
        found += [journal] if journal else []
        trails = sorted(await self.trails.all_trails(), key=lambda trail: (trail.name, trail.arn))
        set_back = await self.progress.check_clock(trails, now)
        found += [set_back] if set_back else []
        regions = sorted({self.region, *await self.trails.enabled_regions()})
        found += check_trails([trail for trail in trails if self.account_id in trail.account_ids], regions)
        for trail in trails:
            found += [_placed(finding, trail, self.account_id) for finding in await self._of_trail(trail, regions, now)]
        found += [finding async for finding in self.progress.check_witnesses(now)]
        found += [finding async for finding in self.stores.check()]
        found += self.targets.check(now)
        return found

    async def _of_trail(self, trail: Trail, regions: list[str], now: datetime) -> list[Finding]:
        found = [] if self.account_id in trail.account_ids else list(check_settings(trail))
        found += [finding async for finding in self.destinations.check(trail)]
        covered = [region for region in regions if trail.covers_region(region)]
        return found + [finding async for finding in self.progress.check_trail(trail, covered, now)]


def _placed(finding: Finding, trail: Trail, account_id: str) -> Finding:
    """Return a finding about a trail as ``account_id`` is told it."""
    if trail.account_id == account_id:
        return finding
    return replace(finding, where=trail.arn, account_id=trail.account_id)
