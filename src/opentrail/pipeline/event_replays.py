"""Replays archives: hands their events, by time, to the rules of the bus they came from, or to some of them.

An event's invocations are stored before the replay moves past it, under ids that replay, event, rule and target decide;
so a replay goes on where it was after a restart, and a target may see an event twice but under one id.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import structlog

from opentrail.clock import Clock
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.rule_set import RuleSet
from opentrail.ports import Unavailable
from opentrail.ports.event_archives import EventArchiveStore, EventReplays, Place
from opentrail.ports.event_rules import EventRules
from opentrail.ports.invocations import Invocation, Invocations
from opentrail.resource.event_archive import REPLAY_NAME, EventReplay, ReplayState
from opentrail.resource.event_rule import EventRule, RuleState
from opentrail.waiting import is_set_within

PAGE = 200
"""Events of a replay that are read at a time."""

MAX_INVOCATIONS_PER_WRITE = 1_000
"""Stored in one transaction, beside the rest of what one event sets off."""

MAX_WAITING = 10_000
"""Invocations that wait for one target while a replay goes on; beyond, it waits until the target took some."""

EVENTS_PER_TURN = 32
LOOK_SECONDS = 1.0
"""How often a replay that waits for a target, and one after a store that failed, is looked at."""

_log = structlog.get_logger(__name__)


class ReplayWorker:
    """Either ``run``, or ``tick`` by hand. ``waiting`` counts stored invocations by destination, and ``wake`` hears of
    destinations that have new ones, as for what rules match."""

    def __init__(
        self,
        replays: EventReplays,
        store: EventArchiveStore,
        event_rules: EventRules,
        invocations: Invocations,
        clock: Clock,
        waiting: Counter[str],
        wake: Callable[[Sequence[str]], None],
    ) -> None:
        self._replays = replays
        self._store = store
        self._event_rules = event_rules
        self._invocations = invocations
        self._clock = clock
        self._waiting = waiting
        self._wake = wake
        self._matchers: dict[str, tuple[dict[str, str], RuleSet[str]]] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._woken = asyncio.Event()
        replays.watch(self._woken.set)

    async def run(self) -> None:
        """Replay until cancelled; what is under way then goes on with the next start."""
        while True:
            self._woken.clear()
            try:
                is_busy = await self.tick()
            except Unavailable as error:
                _log.warning("replays wait for their store", error=str(error))
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if not is_busy:
                await self._pause()

    async def _pause(self) -> None:
        """Wait for a change, or, while a replay waits for a target, a moment."""
        seconds = LOOK_SECONDS if await self._replays.under_way() else None
        await is_set_within(self._woken, seconds)

    async def tick(self) -> bool:
        """Take one page of each replay under way; say whether any got on. Raises Unavailable."""
        return any([await self._step(replay) for replay in await self._replays.under_way()])

    async def _step(self, replay: EventReplay) -> bool:
        if replay.state is ReplayState.CANCELLING:
            return await self._end(replay, replay, ReplayState.CANCELLED)
        archive = await self._event_rules.event_archive(replay.archive_arn)
        if archive is None or archive.archive_id != replay.archive_id:
            return await self._end(replay, replay, ReplayState.FAILED, "The archive was deleted.")
        rules = await self._rules(replay)
        if any(self._waiting[target["Arn"]] >= MAX_WAITING for rule in rules.values() for target in rule.targets):
            return False
        start, end = int(replay.events_from.timestamp()), _ceiling(replay.events_until)
        page = await self._store.read(replay.archive_id, start, end, replay.through, PAGE)
        await self._take(replay, rules, page)
        through = page[-1][0] if page else replay.through
        moved = replace(replay, state=ReplayState.RUNNING, through=through)
        if len(page) < PAGE:
            return await self._end(replay, moved, ReplayState.COMPLETED)
        return await self._replays.advance(replay, moved)

    async def _end(self, before: EventReplay, after: EventReplay, state: ReplayState, reason: str = "") -> bool:
        self._matchers.pop(before.arn, None)
        ended = replace(after, state=state, state_reason=reason, ended_at=self._clock.now())
        _log.info("a replay ended", replay=ended.arn, state=state.value, reason=reason)
        return await self._replays.advance(before, ended)

    async def _rules(self, replay: EventReplay) -> dict[str, EventRule]:
        """Return the rules that see a replay's events now."""
        return {
            rule.arn: rule
            for rule in await self._event_rules.rules(replay.bus_arn)
            if rule.state is not RuleState.DISABLED
            and rule.targets
            and not rule.managed_by
            and (not replay.rules or rule.arn in replay.rules)
        }

    async def _take(
        self, replay: EventReplay, rules: dict[str, EventRule], page: Sequence[tuple[Place, bytes]]
    ) -> None:
        """Store what a page's events set off."""
        matcher = await self._matcher(replay, rules)
        made: list[Invocation] = []
        for number, (place, kept) in enumerate(page, 1):
            event = orjson.loads(kept) | {REPLAY_NAME: replay.name}
            body, matched_at = orjson.dumps(event), self._next_moment()
            for arn in sorted(matcher.match(event)):
                made += [_invocation(replay, place, arn, target, body, matched_at) for target in rules[arn].targets]
            if len(made) >= MAX_INVOCATIONS_PER_WRITE:
                await self._store_invocations(made)
                made = []
            elif number % EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)
        await self._store_invocations(made)

    def _next_moment(self) -> datetime:
        """Return now, later than every moment before: invocations are delivered in the order of theirs."""
        self._latest = max(self._clock.now(), self._latest + timedelta(microseconds=1))
        return self._latest

    async def _matcher(self, replay: EventReplay, rules: dict[str, EventRule]) -> RuleSet[str]:
        """Return the rules' patterns, read once for as long as none of them changes."""
        patterns = {arn: rule.pattern for arn, rule in rules.items()}
        known = self._matchers.get(replay.arn)
        if known is not None and known[0] == patterns:
            return known[1]
        matcher: RuleSet[str] = RuleSet()
        for number, (arn, pattern) in enumerate(patterns.items(), 1):
            try:
                matcher.add(arn, parse_event_pattern(pattern))
            except InvalidPattern:
                _log.exception("a stored event pattern cannot be read; its rule sees no replay", rule=arn)
            if number % EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)
        self._matchers[replay.arn] = patterns, matcher
        return matcher

    async def _store_invocations(self, made: Sequence[Invocation]) -> None:
        if made:
            added = await self._invocations.add(made)
            self._waiting.update(each.destination for each in added)
            self._wake([each.destination for each in added])


def _invocation(
    replay: EventReplay, place: Place, rule_arn: str, target: dict[str, object], body: bytes, now: datetime
) -> Invocation:
    target_id, destination = str(target["Id"]), str(target["Arn"])
    named = "\n".join((replay.arn, replay.started_at.isoformat(), str(place[1]), rule_arn, target_id))
    digits = hashlib.sha256(named.encode()).hexdigest()
    made = f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"
    return Invocation(made, destination, rule_arn, target_id, orjson.dumps(target), body, now)


def _ceiling(moment: datetime) -> int:
    """Return the first whole second that is not before ``moment``."""
    return -int(-moment.astimezone(UTC).timestamp() // 1)
