"""Replays of archives: which rules see which events in which order, restarts, slow targets and ends."""

from collections import Counter
from datetime import timedelta
from typing import Any

import orjson
import pytest

from opentrail.pipeline import event_replays
from opentrail.pipeline.event_replays import MAX_WAITING, ReplayWorker
from opentrail.pipeline.own_event_archives import EventArchiveUpkeep, OwnEventArchives
from opentrail.ports.event_archives import ArchivedEvent
from opentrail.ports.invocations import Invocation
from opentrail.ports.journal import SettingsEntry
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.event_archive import EventReplay, ReplayState
from opentrail.resource.event_rule import EventRule, RuleState, event_rule_arn
from tests.builders import ACCOUNT, NOON, REGION, HandClock
from tests.conformance.ports.test_event_archives import a_replay, an_archive
from tests.memory.event_archives import InMemoryEventArchives, InMemoryEventReplays
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.invocations import InMemoryInvocations

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
FIRST = int((NOON - timedelta(minutes=30)).timestamp())


class Replaying:
    """A bus ``orders`` with an archive of it, and a worker that can be started anew."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.rules, self.replays = InMemoryEventRules(), InMemoryEventReplays()
        self.store, self.invocations = InMemoryEventArchives(), InMemoryInvocations()
        self.put(an_archive())
        self.put(an_archive().rule)
        self.woken: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin as a new process does, a moment later."""
        self.clock.advance(1)
        self.waiting: Counter[str] = Counter()
        self.worker = ReplayWorker(
            self.replays, self.store, self.rules, self.invocations, self.clock, self.waiting, self.woken.extend
        )

    def put(self, resource: Any) -> None:
        self.rules.apply(SettingsEntry(resource.arn, resource.to_json()))

    def a_rule(self, name: str = "r", pattern: str = '{"source":["shop"]}', **changes: Any) -> str:
        arn = event_rule_arn(REGION, ACCOUNT, "orders", name)
        targets = ({"Id": "1", "Arn": QUEUE},)
        given = {"state": RuleState.ENABLED, "targets": targets} | changes
        self.put(EventRule(arn, name, "orders", ACCOUNT, REGION, ACCOUNT, pattern, **given))
        return arn

    async def keep(self, *seconds: int) -> None:
        for number, second in enumerate(seconds):
            event = {"source": "shop", "detail": {"n": number}}
            await self.store.keep("id-a", ArchivedEvent(f"e{number}", FIRST + second, 0, orjson.dumps(event)))

    def made(self) -> list[Invocation]:
        return sorted((kept for kept in self.invocations.kept.values()), key=lambda each: each.matched_at)

    def numbers(self) -> list[int]:
        return [orjson.loads(each.event)["detail"]["n"] for each in self.made()]

    async def replay(self, **changes: Any) -> EventReplay:
        """Replay everything; return the replay at its end."""
        await self.replays.put(a_replay(**changes))
        while await self.worker.tick():
            self.clock.advance(1)
        found = await self.replays.get(a_replay().arn)
        assert found is not None
        return found


async def test_events_reach_the_buss_rules_by_time_with_the_replays_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_replays, "PAGE", 2)
    replaying = Replaying()
    replaying.a_rule()
    await replaying.keep(3, 1, 2, 0, 1)

    replay = await replaying.replay()

    assert replaying.numbers() == [3, 1, 4, 2, 0]
    assert orjson.loads(replaying.made()[0].event)["replay-name"] == "r"
    assert (replay.state, replay.ended_at is not None) == (ReplayState.COMPLETED, True)
    assert replay.through is not None
    assert replay.through[0] == FIRST + 3
    assert replaying.waiting == Counter({QUEUE: 5})
    assert set(replaying.woken) == {QUEUE}


async def test_only_events_of_the_span_and_rules_that_want_them_take_part() -> None:
    replaying = Replaying()
    chosen = replaying.a_rule("chosen", '{"source":["shop"],"detail":{"n":[0,1]}}')
    replaying.a_rule("other")
    replaying.a_rule("off", state=RuleState.DISABLED)
    await replaying.keep(0, 10, 20)

    until = NOON - timedelta(minutes=29, seconds=49, milliseconds=500)
    await replaying.replay(rules=(chosen,), events_until=until)

    assert {(each.rule_arn, each.target_id) for each in replaying.made()} == {(chosen, "1")}
    assert replaying.numbers() == [0, 1]


async def test_a_replay_goes_on_where_it_was_and_repeats_only_under_the_same_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_replays, "PAGE", 2)
    replaying = Replaying()
    replaying.a_rule()
    await replaying.keep(0, 1, 2, 3, 4)
    await replaying.replays.put(a_replay())
    await replaying.worker.tick()
    between = await replaying.replays.get(a_replay().arn)
    assert between is not None
    await replaying.worker.tick()
    ids = {each.invocation_id for each in replaying.made()}

    await replaying.replays.put(between)  # killed before it moved past the second page
    replaying.start()
    while await replaying.worker.tick():
        pass

    assert replaying.numbers() == [0, 1, 2, 3, 4]
    assert ids < {each.invocation_id for each in replaying.made()}
    assert replaying.waiting == Counter({QUEUE: 1})  # those of the second page were there already


async def test_a_target_that_is_behind_keeps_the_replay_waiting() -> None:
    replaying = Replaying()
    replaying.a_rule()
    await replaying.keep(0)
    await replaying.replays.put(a_replay())
    replaying.waiting[QUEUE] = MAX_WAITING

    assert not await replaying.worker.tick()
    replaying.waiting[QUEUE] = 0

    assert await replaying.worker.tick()
    assert replaying.numbers() == [0]


async def test_a_cancelled_replay_ends_and_one_without_its_archive_fails() -> None:
    replaying = Replaying()
    replaying.a_rule()
    await replaying.keep(0)

    assert (await replaying.replay(state=ReplayState.CANCELLING)).state is ReplayState.CANCELLED
    replaying.put(an_archive(archive_id="another"))
    failed = await replaying.replay()

    assert (failed.state, failed.state_reason) == (ReplayState.FAILED, "The archive was deleted.")
    assert replaying.numbers() == []


async def test_an_archives_rule_keeps_each_event_once_and_sees_no_replay() -> None:
    replaying = Replaying()
    archives = OwnEventArchives(replaying.rules, replaying.store, replaying.clock)
    timed, untimed = b'{"time":"2026-11-20T11:30:00Z"}', b'{"time":"soon"}'

    for number, event in enumerate((timed, timed, untimed)):
        await archives.send(Dispatch(f"id-{min(number, 1) + number // 2}", an_archive().arn, "", event, {}))
    with pytest.raises(TargetRefused):
        await archives.send(Dispatch("id-9", an_archive("gone").arn, "", timed, {}))

    held = [event for _, event in replaying.store.held["id-a"].values()]
    assert [(each.at, each.event) for each in held] == [
        (FIRST, timed),
        (FIRST, timed),
        (int(NOON.timestamp()) + 1, untimed),
    ]
    assert orjson.loads(an_archive(pattern='{"source":["a"]}').rule.pattern) == {
        "source": ["a"],
        "replay-name": [{"exists": False}],
    }


async def test_upkeep_drops_old_events_abandoned_archives_and_old_replays() -> None:
    replaying = Replaying()
    replaying.put(an_archive("short", retention_days=1))
    now = int(NOON.timestamp())
    for archive, kept_at in (("id-short", now - 90_000), ("id-short", now - 1), ("id-a", 0), ("gone", 0), ("new", now)):
        await replaying.store.keep(archive, ArchivedEvent(f"{archive}{kept_at}", 0, kept_at, b"{}"))
    await replaying.replays.put(a_replay(state=ReplayState.COMPLETED, ended_at=NOON - timedelta(days=91)))

    await EventArchiveUpkeep(replaying.rules, replaying.store, replaying.replays, replaying.clock).tick()

    assert {name: len(held) for name, held in replaying.store.held.items()} == {"id-short": 1, "id-a": 1, "new": 1}
    assert await replaying.replays.get(a_replay().arn) is None
