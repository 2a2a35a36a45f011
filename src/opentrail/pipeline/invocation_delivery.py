"""Delivers the stored invocations of rules' targets, at least once each, every destination in its own time.

An invocation is struck out after its target took it. What fails is tried again with back-off until its age or its
attempts reach the target's retry policy; then it goes to the target's dead-letter queue, or is given up.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from opentrail.clock import Clock, format_time
from opentrail.deliver.target_input import InvalidInput, Occasion, shape
from opentrail.ports import PortError, Unavailable
from opentrail.ports.invocations import Invocation, Invocations, Settlement
from opentrail.ports.log_store import LogKeyUnusable
from opentrail.ports.targets import Dispatch, TargetBusy, TargetRefused, Targets
from opentrail.waiting import is_set_within

IN_FLIGHT = 8
"""Deliveries to one destination on their way at a time; one while it fails."""

PAGE = 60
"""Invocations of one destination in memory at a time."""

QUEUED_IN_FLIGHT = PAGE
"""The same where the destination is a queue, which takes ten in a call."""

FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)
"""Between two attempts at one invocation: doubled each time, and half of it drawn by lot."""

LONGEST_PAUSE = timedelta(seconds=30)
"""Between two attempts at a destination that takes nothing."""

MAX_AGE = timedelta(hours=24)
MAX_ATTEMPTS = 185
"""EventBridge's own patience where the target names no retry policy. Attempts beyond the first."""

DEAD_LETTER_AGE = timedelta(days=4)
"""How old an invocation may be while its dead-letter queue does not take it."""

MAX_HEALTH = 10_000
"""Destinations whose health is kept; of more, one for which nothing waits goes first."""

LINGER_SECONDS = 0.02
"""After a destination was served: what comes in quick succession is then delivered together, not one by one."""

LOOK_SECONDS = 1.0
"""How often destinations are looked at that nothing woke."""

_BY_CONDITION = {True: "MaximumEventAgeInSeconds", False: "MaximumRetryAttempts"}

_log = structlog.get_logger(__name__)


@dataclass
class TargetHealth:
    """How a destination has fared since the start. ``failing_since`` is None while it takes deliveries."""

    delivered: int = 0
    failed: int = 0
    dead_lettered: int = 0
    given_up: int = 0
    last_error: str = ""
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    failures_in_row: int = 0


@dataclass(frozen=True)
class _Result:
    invocation: Invocation
    error: PortError | None


class InvocationDelivery:
    """Either ``run``, or ``tick`` by hand. ``waiting`` counts stored invocations by destination. ``on_ended`` hears of
    those that their target took ("" as failure) and of those that it never will. ``opened`` makes of a stored
    invocation the one to send; while a KMS key keeps it from that (LogKeyUnusable), the invocation alone waits."""

    def __init__(
        self,
        invocations: Invocations,
        targets: Targets,
        clock: Clock,
        waiting: Counter[str],
        draw: Callable[[], float] = random.random,
        opened: Callable[[Invocation], Awaitable[Invocation]] | None = None,
    ) -> None:
        self._opened = opened or _as_stored
        self._invocations = invocations
        self._targets = targets
        self._clock = clock
        self._waiting = waiting
        self._draw = draw
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._next_look: dict[str, datetime] = {}
        self._fresh: set[str] = set()
        self._woken = asyncio.Event()
        self.health: dict[str, TargetHealth] = {}
        self.totals = TargetHealth()
        self.on_ended: Callable[[Invocation, str], None] = lambda invocation, failure: None

    def wake(self, destinations: Sequence[str]) -> None:
        """Look at destinations at once, but for those that pause: new invocations are stored for them."""
        for destination in set(destinations):
            if not self._is_pausing(self.health.get(destination)):
                self._next_look.pop(destination, None)
        self._fresh.update(destinations)
        self._waiting.update(dict.fromkeys(destinations, 0))
        self._woken.set()

    def waiting(self) -> Mapping[str, int]:
        """Return how many invocations wait, by destination."""
        return self._waiting

    def is_failing(self, destination: str) -> bool:
        """Say whether a destination takes nothing, as far as the last try showed."""
        health = self.health.get(destination)
        return health is not None and health.failing_since is not None

    async def open(self) -> None:
        """Count what an earlier process left. Raises Unavailable."""
        self._waiting.update(await self._invocations.waiting())

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then stays stored."""
        try:
            while True:
                self._woken.clear()
                self._start_tasks()
                await is_set_within(self._woken, LOOK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _start_tasks(self) -> None:
        now = self._clock.now()
        self._tasks = {destination: task for destination, task in self._tasks.items() if not task.done()}
        for destination, number in list(self._waiting.items()):
            if number <= 0 and destination not in self._fresh:
                del self._waiting[destination]
                self._next_look.pop(destination, None)
            elif destination not in self._tasks and self._next_look.get(destination, now) <= now:
                self._tasks[destination] = asyncio.create_task(self._serve_safely(destination))

    async def _serve_safely(self, destination: str) -> None:
        try:
            await self.serve(destination)
            await asyncio.sleep(LINGER_SECONDS)
        except Unavailable as error:
            _log.warning("invocations wait for their store", target=destination, error=str(error))
            self._next_look[destination] = self._clock.now() + FIRST_RETRY
        except Exception:  # the edge of a worker: what waits stays stored
            _log.exception("invocations failed", target=destination)
            self._next_look[destination] = self._clock.now() + LONGEST_PAUSE
        self._woken.set()

    async def tick(self) -> None:
        """Deliver what may be delivered now, one destination after the other. Raises Unavailable."""
        for destination in list(self._waiting):
            await self.serve(destination)

    async def serve(self, destination: str) -> None:
        """Deliver to one destination until nothing is due or it takes nothing. Raises Unavailable."""
        health = self._health_of(destination)
        while not self._is_pausing(health):
            self._next_look.pop(destination, None)
            self._fresh.discard(destination)
            due = await self._invocations.due(destination, self._clock.now(), PAGE)
            self._know_of(destination, len(due))
            if not due:
                await self._sleep_until_due(destination)
                return
            if health.failing_since is not None and await self._drop_expired(destination, health, due):
                continue
            sending, at_a_time = due if health.failing_since is None else due[:1], _in_flight(destination)
            for start in range(0, len(sending), at_a_time):
                results = await asyncio.gather(*map(self._send, sending[start : start + at_a_time]))
                await self._settle(destination, health, results)
                await self._judge(destination, health, results)
                if health.failing_since is not None:
                    break
            if len(due) < PAGE and not self._waiting[destination]:
                return
        if health.retry_at is not None:
            self._next_look[destination] = health.retry_at

    def _is_pausing(self, health: TargetHealth | None) -> bool:
        return health is not None and health.retry_at is not None and self._clock.now() < health.retry_at

    def _know_of(self, destination: str, number: int) -> None:
        """Count at least what was seen: of a write that failed and was done all the same, nobody told us."""
        self._waiting[destination] = max(self._waiting[destination], number)

    async def _drop_expired(self, destination: str, health: TargetHealth, due: Sequence[Invocation]) -> bool:
        """End what grew too old for a destination that takes nothing, without a further try; say whether any did.

        While a destination takes deliveries nothing is too old for a first try: it may have been us who were away.
        """
        now = self._clock.now()
        expired = [_Result(each, Unavailable(health.last_error)) for each in due if _is_too_old(each, now)]
        if expired:
            await self._settle(destination, health, expired)
        return bool(expired)

    def _health_of(self, destination: str) -> TargetHealth:
        if destination not in self.health and len(self.health) >= MAX_HEALTH:
            idle = (known for known in self.health if not self._waiting[known])
            del self.health[next(idle, next(iter(self.health)))]
        return self.health.setdefault(destination, TargetHealth())

    async def _sleep_until_due(self, destination: str) -> None:
        moment = await self._invocations.next_due(destination)
        self._know_of(destination, moment is not None)
        if moment is not None and destination not in self._fresh:
            self._next_look[destination] = moment

    async def _send(self, invocation: Invocation) -> _Result:
        try:
            opened = await self._opened(invocation)
        except LogKeyUnusable as error:  # which says nothing of the destination
            return _Result(invocation, PortError(str(error)))
        except Unavailable as error:
            return _Result(invocation, error)
        try:
            await self._targets.send(_dispatch(opened))
        except InvalidInput as error:
            return _Result(invocation, TargetRefused("INVALID_PARAMETER", str(error)))
        except (TargetRefused, Unavailable) as error:
            return _Result(invocation, error)
        return _Result(invocation, None)

    async def _settle(self, destination: str, health: TargetHealth, results: Sequence[_Result]) -> None:
        now = self._clock.now()
        finished = [result.invocation.invocation_id for result in results if result.error is None]
        postponed: dict[str, datetime] = {}
        dead: list[Invocation] = []
        for result in results:
            if result.error is None:
                continue
            invocation, ended = result.invocation, _ended(result.invocation, result.error, now)
            if ended is None:
                postponed[invocation.invocation_id] = now + max(self._wait(invocation), _asked_wait(result.error))
                continue
            letter = None if invocation.failure else _dead_letter(invocation, result.error, ended)
            if letter is not None:
                dead.append(letter)
            else:
                finished.append(invocation.invocation_id)
                health.given_up += 1
                self.totals.given_up += 1
                said = "invocation given up"
                _log.error(said, rule=invocation.rule_arn, target=destination, invocation=invocation.invocation_id)
        await self._invocations.settle(Settlement(finished, postponed, dead))
        self._count(destination, health, results, finished, dead)
        for result in results:
            if result.invocation.invocation_id not in postponed:
                self.on_ended(result.invocation, str(result.error or ""))

    def _count(
        self,
        destination: str,
        health: TargetHealth,
        results: Sequence[_Result],
        finished: Sequence[str],
        dead: Sequence[Invocation],
    ) -> None:
        self._waiting[destination] -= len(finished) + len(dead)
        self._waiting.update(letter.destination for letter in dead)
        self.wake([letter.destination for letter in dead])
        failed = [result.error for result in results if result.error is not None]
        for counted in (health, self.totals):
            counted.delivered += len(results) - len(failed)
            counted.failed += len(failed)
            counted.dead_lettered += len(dead)
        if failed:
            health.last_error = str(failed[-1])

    async def _judge(self, destination: str, health: TargetHealth, results: Sequence[_Result]) -> None:
        """Pause a destination that took nothing because it did not answer; let what waits go when it is back."""
        now = self._clock.now()
        if all(isinstance(result.error, Unavailable) for result in results):
            if health.failing_since is None:
                _log.warning("a target does not answer", target=destination, error=health.last_error)
                health.failing_since = now
            doublings = min(health.failures_in_row, 10)
            pause = min(FIRST_RETRY * (1 << doublings), LONGEST_PAUSE)
            health.retry_at = now + max(pause, *(_asked_wait(result.error) for result in results))
            health.failures_in_row += 1
            return
        if health.failing_since is not None:
            await self._invocations.hasten(destination, now)
            _log.info("a target answers again", target=destination)
        health.failing_since, health.retry_at, health.failures_in_row = None, None, 0

    def _wait(self, invocation: Invocation) -> timedelta:
        """Return how long an invocation waits: what its target's delivery policy says, else the back-off."""
        delays = [] if invocation.failure else orjson.loads(invocation.target).get("RetryDelays", [])
        if invocation.attempts < len(delays):
            return timedelta(seconds=delays[invocation.attempts])
        longest = min(FIRST_RETRY * (1 << min(invocation.attempts, 16)), LONGEST_RETRY)
        return longest * (0.5 + 0.5 * self._draw())


async def _as_stored(invocation: Invocation) -> Invocation:
    return invocation


def _in_flight(destination: str) -> int:
    return QUEUED_IN_FLIGHT if destination.startswith("arn:") and ":sqs:" in destination[:20] else IN_FLIGHT


def _asked_wait(error: PortError | None) -> timedelta:
    """Return for how long the target itself asked to be left alone."""
    return error.retry_after if isinstance(error, TargetBusy) else timedelta()


def _dispatch(invocation: Invocation) -> Dispatch:
    target = orjson.loads(invocation.target)
    if invocation.failure:
        attributes: Mapping[str, str] = orjson.loads(invocation.failure)
        text = invocation.event.decode()
        return Dispatch(invocation.invocation_id, invocation.destination, text, invocation.event, {}, attributes)
    occasion = Occasion(invocation.rule_arn, _rule_name(invocation.rule_arn), format_time(invocation.matched_at))
    text = shape(target, invocation.event, occasion)
    cause = invocation.rule_arn
    return Dispatch(invocation.invocation_id, invocation.destination, text, invocation.event, target, cause=cause)


def _rule_name(rule_arn: str) -> str:
    return rule_arn.rpartition("/")[2]


def _ended(invocation: Invocation, error: PortError, now: datetime) -> str | None:
    """Return why an invocation is tried no more ("" when its target refused it), None while it is."""
    if isinstance(error, TargetRefused):
        return ""
    if _is_too_old(invocation, now):
        return _BY_CONDITION[True]
    if invocation.failure:
        return None
    policy = _retry_policy(invocation)
    if invocation.attempts >= policy.get("MaximumRetryAttempts", MAX_ATTEMPTS):
        return _BY_CONDITION[False]
    return None


def _is_too_old(invocation: Invocation, now: datetime) -> bool:
    longest = DEAD_LETTER_AGE
    if not invocation.failure:
        longest = timedelta(seconds=_retry_policy(invocation).get("MaximumEventAgeInSeconds", MAX_AGE.total_seconds()))
    return now - invocation.matched_at > longest


def _retry_policy(invocation: Invocation) -> Mapping[str, Any]:
    return orjson.loads(invocation.target).get("RetryPolicy") or {}


def _dead_letter(invocation: Invocation, error: PortError, condition: str) -> Invocation | None:
    """Return an invocation as it goes to its dead-letter queue, None when the target has none."""
    queue = (orjson.loads(invocation.target).get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return None
    attributes = {
        "RULE_ARN": invocation.rule_arn,
        "TARGET_ARN": invocation.destination,
        "ERROR_CODE": error.code if isinstance(error, TargetRefused) else "SERVICE_UNAVAILABLE",
        "ERROR_MESSAGE": str(error)[:1000],
        "RETRY_ATTEMPTS": str(invocation.attempts),
    }
    if condition:
        attributes["EXHAUSTED_RETRY_CONDITION"] = condition
    return replace(invocation, destination=queue, attempts=0, failure=orjson.dumps(attributes).decode())
