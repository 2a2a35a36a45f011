"""Which trails are put right by themselves: the operator's commands, carried out by the server.

No API call switches it on or off, so that nobody whom it concerns can.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.clock import Clock, format_time
from opentrail.errors import OperatorError
from opentrail.pipeline.log_destination import role_of, trusts_cloudtrail
from opentrail.pipeline.remediation import Record
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.trail_guards import TrailGuards
from opentrail.ports.trail_store import TrailStore
from opentrail.record.service_events import OWN_SOURCE
from opentrail.resource.trail_guard import TrailGuard

Answer = dict[str, Any]


class TrailGuarding:
    """Each change is on record before it takes effect, and made while nothing is put right. Methods raise
    OperatorError and Unavailable."""

    def __init__(
        self,
        guards: TrailGuards,
        trails: TrailStore,
        identities: IdentityStore,
        clock: Clock,
        record: Record,
        wake: Callable[[], None],
        changing: asyncio.Lock,
    ) -> None:
        self._guards = guards
        self._trails = trails
        self._identities = identities
        self._clock = clock
        self._record = record
        self._wake = wake
        self._changing = changing

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command for command in (self.list_guarded_trails, self.guard_trail, self.unguard_trail)
        }

    async def list_guarded_trails(self) -> Answer:
        """Return every trail that is put right."""
        return {"trails": [_row(guard) for guard in await self._guards.all()]}

    async def guard_trail(self, trail: str, role: str) -> Answer:
        """Have a trail (ARN) put right in the name of a role of its account, from how it records now.

        Of a trail that is put right already the selectors to put back stay, and attempts are counted anew.
        """
        found = await self._trails.trail(trail)
        if found is None:
            raise OperatorError(f"there is no trail {trail}")
        role_arn = f"arn:aws:iam::{found.account_id}:role/{role}"
        known = await role_of(self._identities, role_arn)
        if known is None:
            raise OperatorError(f"there is no role {role} in the account {found.account_id}: opentrail roles create")
        if not trusts_cloudtrail(known):
            raise OperatorError(f"the role {role} does not trust {OWN_SOURCE}")
        async with self._changing:
            guard = TrailGuard(trail, role_arn, self._clock.now()).with_selectors_of(found)
            for old in await self._guards.all():
                if old.trail_arn == trail:
                    kept = {name: getattr(old, name) for name in ("event_selectors", "advanced_event_selectors")}
                    guard = TrailGuard(trail, role_arn, old.since, **kept)
            await self._record("TrailRemediationEnabled", trail, {"roleArn": role_arn})
            await self._guards.put(guard)
        self._wake()
        return _row(guard)

    async def unguard_trail(self, trail: str) -> Answer:
        """Have a trail (ARN) put right no more."""
        async with self._changing:
            if all(guard.trail_arn != trail for guard in await self._guards.all()):
                raise OperatorError(f"the trail {trail} is not put right by itself")
            await self._record("TrailRemediationDisabled", trail, {})
            await self._guards.remove(trail)
        return {"trail": trail}


def _row(guard: TrailGuard) -> Answer:
    return {
        "trail": guard.trail_arn,
        "role": guard.role_arn.rpartition("/")[2],
        "since": format_time(guard.since),
        "attempts": [format_time(moment) for moment in guard.attempts],
        "ended_at": format_time(guard.ended_at) if guard.ended_at else "",
        "last_error": guard.last_error,
    }
