"""Puts guarded trails right: a trail that was stopped logs again, selectors that were narrowed are put back.

What counts is how a trail stands, not which call brought it there: so nothing is missed across restarts, and nothing is
done twice. Each attempt is stored before it is made. Too many of them (``resource.trail_guard``) and the trail is left
as it is, which is on record, until somebody else put it right.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from opentrail.clock import Clock
from opentrail.pattern.narrowing import Narrowing, Selectors, narrowing
from opentrail.ports import Unavailable
from opentrail.ports.aws_api import CallRefused
from opentrail.ports.trail_guards import TrailGuards
from opentrail.ports.trail_store import TrailStore
from opentrail.resource.trail import Trail
from opentrail.resource.trail_guard import TrailGuard
from opentrail.waiting import is_set_within

RETRY_AFTER = timedelta(seconds=30)
"""Between a failed attempt and the next."""

STOPPED = "TrailRemediationStopped"
"""The event that says that a trail is no longer put right."""

Record = Callable[[str, str, dict[str, Any]], Awaitable[None]]
"""Puts an event (its name, the trail's ARN, details) of the installation's own on record. Raises Unavailable."""

_log = structlog.get_logger(__name__)


class RoleApi(Protocol):
    """CloudTrail's API in a role's name."""

    async def call(self, role_arn: str, region: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Assume the role and call an operation of CloudTrail; both are on record. Raises CallRefused (also when the
        role is not there or does not trust CloudTrail) and Unavailable."""
        ...


class Remediation:
    """Either ``run``, woken by ``wake`` when a trail changed, or ``look`` by hand. Who else changes guards holds
    ``changing`` meanwhile."""

    def __init__(self, guards: TrailGuards, trails: TrailStore, api: RoleApi, clock: Clock, record: Record) -> None:
        self.changing = asyncio.Lock()
        self._guards = guards
        self._trails = trails
        self._api = api
        self._clock = clock
        self._record = record
        self._woken = asyncio.Event()
        self._retry_at: dict[str, datetime] = {}

    def wake(self) -> None:
        """Look at once: a trail or a guard changed."""
        self._woken.set()

    async def run(self) -> None:
        """Look at the start and whenever woken, until cancelled; what fails is looked at again later."""
        while True:
            self._woken.clear()
            try:
                await self.look()
            except Unavailable as error:
                _log.warning("guarded trails wait for their store", error=str(error))
                self._retry_at[""] = self._clock.now() + RETRY_AFTER
            except Exception:  # the edge of a worker: what it does not understand must not end the server
                _log.exception("guarded trails were not looked at")
                self._retry_at[""] = self._clock.now() + RETRY_AFTER
            await is_set_within(self._woken, self._seconds_to_wait())

    def _seconds_to_wait(self) -> float | None:
        moments = self._retry_at.values()
        return max(0.05, (min(moments) - self._clock.now()).total_seconds()) if moments else None

    async def look(self) -> None:
        """Put right what may be put right now. Raises Unavailable."""
        async with self.changing:
            await self._look()

    async def _look(self) -> None:
        self._retry_at.pop("", None)
        guards = await self._guards.all()
        for arn in self._retry_at.keys() - {guard.trail_arn for guard in guards}:
            del self._retry_at[arn]
        for guard in guards:
            trail = await self._trails.trail(guard.trail_arn)
            if trail is None:
                await self._guards.remove(guard.trail_arn)
                await self._note_end(guard, "the trail was deleted")
            else:
                await self._look_at(guard, trail)

    async def _look_at(self, guard: TrailGuard, trail: Trail) -> None:
        calls = await asyncio.to_thread(calls_for, guard, trail)
        now = self._clock.now()
        if not calls:
            self._retry_at.pop(guard.trail_arn, None)
            right = replace(guard.with_selectors_of(trail), ended_at=None, last_error="")
            if right != guard:
                await self._guards.put(right)
            return
        if guard.ended_at is not None or now < self._retry_at.get(guard.trail_arn, now):
            return
        if not guard.may_try(now):
            self._retry_at.pop(guard.trail_arn, None)
            await self._guards.put(replace(guard, ended_at=now))
            await self._note_end(guard, guard.last_error or "it was changed again too often")
            return
        await self._try(guard, trail, calls)

    async def _try(self, guard: TrailGuard, trail: Trail, calls: Mapping[str, Mapping[str, Any]]) -> None:
        tried = guard.with_attempt(self._clock.now())
        await self._guards.put(tried)
        try:
            for operation, parameters in calls.items():
                await self._api.call(guard.role_arn, trail.home_region, operation, parameters)
                _log.warning("a guarded trail was put right", trail=trail.arn, operation=operation)
        except (CallRefused, Unavailable) as error:
            _log.exception("a guarded trail could not be put right", trail=trail.arn, role=guard.role_arn)
            self._retry_at[trail.arn] = self._clock.now() + RETRY_AFTER
            # A store of ours that does not answer is no reason to give the trail up.
            counted = tried if isinstance(error, CallRefused) else guard
            await self._guards.put(replace(counted, last_error=str(error)[:500]))
            return
        self.wake()

    async def _note_end(self, guard: TrailGuard, reason: str) -> None:
        _log.error("a guarded trail is put right no more", trail=guard.trail_arn, reason=reason)
        await self._record(STOPPED, guard.trail_arn, {"roleArn": guard.role_arn, "reason": reason[:256]})


def calls_for(guard: TrailGuard, trail: Trail) -> dict[str, dict[str, Any]]:
    """Return the calls, by operation, that put a trail right; none when it is.

    Selectors of which nobody can tell whether they are narrower count as narrower.
    """
    calls: dict[str, dict[str, Any]] = {}
    if not trail.is_logging:
        calls["StartLogging"] = {"Name": trail.arn}
    wanted = Selectors(guard.event_selectors, guard.advanced_event_selectors)
    if narrowing(wanted, Selectors(trail.event_selectors, trail.advanced_event_selectors)) is not Narrowing.NONE:
        is_advanced = bool(guard.advanced_event_selectors)
        member = "AdvancedEventSelectors" if is_advanced else "EventSelectors"
        put_back = guard.advanced_event_selectors if is_advanced else guard.event_selectors
        calls["PutEventSelectors"] = {"TrailName": trail.arn, member: list(put_back)}
    return calls
