"""Guarded trails at work: what puts them right, and the operator's commands on it."""

from typing import Any

from opentrail.admin.guarding.remediating import TrailGuarding
from opentrail.arn import Arn
from opentrail.aws.role_calls import RoleCalls
from opentrail.aws.server import ApiServer
from opentrail.event.encoding import encode_event
from opentrail.pipeline.remediation import Remediation
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.record.service_events import OWN_SOURCE, service_event
from opentrail.wiring.installation import Installation


class TrailRemediation:
    """``worker`` must be running; ``guarding`` are the operator's commands."""

    def __init__(self, installation: Installation, api: ApiServer) -> None:
        self._installation = installation
        guards, trails, clock = installation.trail_guards, installation.trails, installation.clock
        calls = RoleCalls(api.ports, installation.journal, api.handle)
        self.worker = Remediation(guards, trails, calls, clock, self._record)
        self.guarding = TrailGuarding(
            guards, trails, installation.identities, clock, self._record, self.worker.wake, self.worker.changing
        )
        installation.settings_view.on_applied = self._note

    def _note(self, entry: SettingsEntry) -> None:
        if ":trail/" in entry.scope:
            self.worker.wake()

    async def _record(self, name: str, trail_arn: str, details: dict[str, Any]) -> None:
        trail = Arn.parse(trail_arn)
        event = service_event(
            OWN_SOURCE,
            name,
            {"trailARN": trail_arn, **details},
            trail.account_id,
            trail.region,
            self._installation.clock.now(),
            event_id=self._installation.identifiers.uuid(),
            resources=[("AWS::CloudTrail::Trail", trail_arn)],
        )
        await self._installation.journal.append([EventEntry(encode_event(event))])
