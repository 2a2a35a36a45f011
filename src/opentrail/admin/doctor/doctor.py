"""The doctor: looks at one installation, with a server or without, and tells every fault that it knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentrail.admin.doctor.destinations import Destinations
from opentrail.admin.doctor.findings import Finding
from opentrail.admin.doctor.machine import check_disk, check_endpoints
from opentrail.admin.doctor.progress import Progress
from opentrail.admin.doctor.trails import check_trails
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
    host: Host
    clock: Clock
    endpoints: Mapping[str, str]

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
        trails = sorted(await self.trails.trails(self.account_id), key=lambda trail: trail.name)
        regions = sorted({self.region, *await self.trails.enabled_regions()})
        found += check_trails(trails, regions)
        for trail in trails:
            found += [finding async for finding in self.destinations.check(trail)]
            covered = _covered(trail, regions)
            found += [finding async for finding in self.progress.check_trail(trail, covered, now)]
        found += [finding async for finding in self.progress.check_witnesses(now)]
        return found


def _covered(trail: Trail, regions: list[str]) -> list[str]:
    return [region for region in regions if trail.covers_region(region)]
