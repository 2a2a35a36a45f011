"""Putting trails right: what is put back, in whose name, how often, and what ends it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opentrail.admin.guarding.remediating import TrailGuarding
from opentrail.pipeline.remediation import STOPPED, Remediation, calls_for
from opentrail.ports import Unavailable
from opentrail.ports.aws_api import CallRefused
from opentrail.ports.journal import Position, SettingsEntry
from opentrail.resource.trail import Trail
from opentrail.resource.trail_guard import MAX_A_DAY, MAX_AN_HOUR, TrailGuard
from tests.builders import NOON, HandClock, World, a_trail
from tests.memory.trail_guards import InMemoryTrailGuards

ROLE = "arn:aws:iam::123456789012:role/keeper"
LOGGING = a_trail(is_logging=True)
HOUR = 3600
READS_ALONE = ({"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True},)
EVERYTHING = (
    {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
    {
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        ]
    },
)
WIDE = replace(LOGGING, event_selectors=(), advanced_event_selectors=EVERYTHING)


class Guarding:
    """One guarded trail; the API in a role's name does what it is told, or what ``error`` says."""

    def __init__(self, trail: Trail = LOGGING) -> None:
        self.world = World()
        self.clock: HandClock = self.world.clock
        self.guards = InMemoryTrailGuards()
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.recorded: list[tuple[str, Mapping[str, Any]]] = []
        self.error: Exception | None = None
        self.before_call: Callable[[], asyncio.Future[Any]] | None = None
        self.removal: asyncio.Future[Any] | None = None
        self._applied = 0
        self.guards.kept[trail.arn] = TrailGuard(trail.arn, ROLE, NOON).with_selectors_of(trail)
        self.remediation = self.restarted()

    def restarted(self) -> Remediation:
        return Remediation(self.guards, self.world.trails, self, self.clock, self.record)

    async def record(self, name: str, trail_arn: str, details: dict[str, Any]) -> None:
        self.recorded.append((name, {"trailARN": trail_arn, **details}))

    async def change(self, trail: Trail | None) -> None:
        self._applied += 1
        settings = trail.to_json() if trail else None
        await self.world.trails.apply(Position(f"{self._applied:03d}"), SettingsEntry(LOGGING.arn, settings))

    async def call(self, role_arn: str, region: str, operation: str, parameters: Mapping[str, Any]) -> None:
        assert (role_arn, region) == (ROLE, LOGGING.home_region)
        self.calls.append((operation, parameters))
        if self.before_call is not None:
            self.removal = self.before_call()
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        trail = await self.world.trails.trail(LOGGING.arn)
        assert trail is not None
        if operation == "StartLogging":
            await self.change(replace(trail, is_logging=True))
        else:
            basic, advanced = (tuple(parameters.get(f"{kind}EventSelectors", ())) for kind in ("", "Advanced"))
            await self.change(replace(trail, event_selectors=basic, advanced_event_selectors=advanced))

    @property
    def guard(self) -> TrailGuard:
        return self.guards.kept[LOGGING.arn]


async def test_a_stopped_trail_logs_again() -> None:
    guarding = Guarding()
    await guarding.change(replace(LOGGING, is_logging=False))

    await guarding.remediation.look()
    await guarding.remediation.look()

    assert guarding.calls == [("StartLogging", {"Name": LOGGING.arn})]
    assert guarding.guard.attempts == (guarding.clock.now(),)


async def test_narrowed_selectors_are_put_back_in_the_form_they_had() -> None:
    guarding = Guarding(WIDE)
    await guarding.change(replace(WIDE, is_logging=False, advanced_event_selectors=(), event_selectors=READS_ALONE))

    await guarding.remediation.look()

    put_back = ("PutEventSelectors", {"TrailName": LOGGING.arn, "AdvancedEventSelectors": list(EVERYTHING)})
    assert guarding.calls == [("StartLogging", {"Name": LOGGING.arn}), put_back]
    assert calls_for(guarding.guard, (await guarding.world.trails.all_trails())[0]) == {}


async def test_wider_selectors_are_those_to_put_back_from_then_on() -> None:
    guarding = Guarding()
    await guarding.change(WIDE)
    await guarding.remediation.look()
    await guarding.change(LOGGING)
    await guarding.remediation.look()

    assert [operation for operation, _ in guarding.calls] == ["PutEventSelectors"]
    assert (await guarding.world.trails.all_trails())[0].advanced_event_selectors == EVERYTHING


async def test_who_insists_has_the_last_word_until_somebody_else_puts_it_right() -> None:
    guarding = Guarding()
    stopped = replace(LOGGING, is_logging=False)
    for _ in range(MAX_AN_HOUR + 3):
        await guarding.change(stopped)
        await guarding.remediation.look()
        guarding.remediation = guarding.restarted()

    guarding.clock.advance(2 * HOUR)
    await guarding.remediation.look()
    assert len(guarding.calls) == MAX_AN_HOUR
    assert [(name, said["trailARN"]) for name, said in guarding.recorded] == [(STOPPED, LOGGING.arn)]
    assert guarding.guard.ended_at is not None

    await guarding.change(LOGGING)
    await guarding.remediation.look()
    await guarding.change(stopped)
    await guarding.remediation.look()
    assert len(guarding.calls) == MAX_AN_HOUR + 1


async def test_a_slow_quarrel_ends_within_a_day() -> None:
    guarding = Guarding()
    for _ in range(MAX_A_DAY + 2):
        await guarding.change(replace(LOGGING, is_logging=False))
        await guarding.remediation.look()
        guarding.clock.advance(HOUR)

    assert len(guarding.calls) == MAX_A_DAY
    assert [name for name, _ in guarding.recorded] == [STOPPED]


async def test_a_refusal_is_tried_again_later_and_not_for_ever() -> None:
    guarding = Guarding()
    guarding.error = error = CallRefused("StartLogging", "AccessDenied", "no")
    await guarding.change(replace(LOGGING, is_logging=False))

    await guarding.remediation.look()
    await guarding.remediation.look()
    assert len(guarding.calls) == 1
    assert guarding.guard.last_error == str(error)

    for _ in range(MAX_AN_HOUR):
        guarding.clock.advance(31)
        await guarding.remediation.look()
    assert len(guarding.calls) == MAX_AN_HOUR
    assert guarding.recorded == [(STOPPED, {"trailARN": LOGGING.arn, "roleArn": ROLE, "reason": str(error)})]


async def test_a_store_that_is_away_does_not_end_it() -> None:
    guarding = Guarding()
    guarding.error = Unavailable("the disk is full")
    await guarding.change(replace(LOGGING, is_logging=False))
    for _ in range(MAX_A_DAY):
        await guarding.remediation.look()
        guarding.clock.advance(31)

    guarding.error = None
    await guarding.remediation.look()
    await guarding.remediation.look()

    assert len(guarding.calls) == MAX_A_DAY + 1
    assert (guarding.guard.last_error, guarding.guard.ended_at, guarding.recorded) == ("", None, [])


async def test_a_guard_that_is_removed_meanwhile_does_not_come_back() -> None:
    guarding = Guarding()
    await guarding.change(replace(LOGGING, is_logging=False))
    commands = TrailGuarding(
        guarding.guards,
        guarding.world.trails,
        guarding.world.identities,
        guarding.clock,
        guarding.record,
        guarding.remediation.wake,
        guarding.remediation.changing,
    )
    guarding.before_call = lambda: asyncio.ensure_future(commands.unguard_trail(LOGGING.arn))

    await guarding.remediation.look()
    assert guarding.removal is not None
    await guarding.removal

    assert (len(guarding.calls), guarding.guards.kept) == (1, {})


async def test_the_guard_of_a_deleted_trail_ends_with_it() -> None:
    guarding = Guarding()
    await guarding.change(LOGGING)
    await guarding.change(None)

    await guarding.remediation.look()

    assert (guarding.guards.kept, guarding.calls) == ({}, [])
    assert guarding.recorded[0][1]["reason"] == "the trail was deleted"
