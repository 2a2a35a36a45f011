"""Seeded runs of everything that reacts to a call, whose ports refuse, or take the process with them, at any call.

A call's event goes to a rule's queue; by a trail into a log group, whose subscription filter sends it to a queue and
whose metric filter counts it; the alarm on that count tells a topic, which tells a queue, and the default event bus,
where another rule tells another queue. Whatever the seed: nothing that matched is lost, an invocation has one id, and
what is to be there once (the log event, the sample, the change of state) is there once. ``OPENTRAIL_SIMULATION_SEEDS``
sets how many seeds run (default 100).
"""

import base64
import gzip
import json
import os
import random
from collections import Counter
from typing import Any

import orjson
import pytest
import structlog

from opentrail.metric.key import MetricKey
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.log_delivery import LogDelivery
from opentrail.pipeline.log_reader import LogDeliveryContext
from opentrail.pipeline.log_subscriptions import SubscribedLogStore
from opentrail.pipeline.metric_filters import MetricFilters
from opentrail.pipeline.own_buses import OwnBuses
from opentrail.pipeline.own_topics import OwnTopics
from opentrail.pipeline.rules import RulesReader
from opentrail.pipeline.sealed_messages import SealedMessages
from opentrail.ports import Unavailable
from opentrail.ports.alarms import HistoryQuery
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.ports.log_keys import LogDataKeys
from opentrail.ports.log_store import LogRange
from opentrail.ports.metric_store import MetricRange
from opentrail.ports.targets import Dispatch, Targets
from opentrail.resource.alarm import FIRST_REASON, METRIC_ALARM, Alarm, AlarmState, alarm_arn
from opentrail.resource.event_rule import EventRule, event_rule_arn
from opentrail.resource.log_group import METRIC_FILTER, SUBSCRIPTION_FILTER, LogFilter
from opentrail.resource.topic import Subscription, Topic, topic_arn
from tests.builders import ACCOUNT, NOON, REGION, World, an_event
from tests.memory.alarms import InMemoryAlarms
from tests.memory.invocations import InMemoryInvocations
from tests.simulation.fail_points import Power, PowerCut, failing
from tests.unit.pipeline.test_log_delivery import a_group, gap, logging_trail

SEEDS = int(os.environ.get("OPENTRAIL_SIMULATION_SEEDS", "100"))
SEEDS_PER_TEST = 10
STEPS = 30
ROUNDS = 200
"""After the last fault: steps in which all that waits must be done."""

QUIET_ROUNDS = 10
"""Without anything that waits: more than the stages between a call and the last queue."""

CALLS, SUBSCRIBED, CHANGES = (f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("calls", "subscribed", "changes"))
TOPIC = topic_arn(REGION, ACCOUNT, "alarms")
SUBSCRIPTION = f"{TOPIC}:s1"
WATCHED = '{"detail":{"eventName":[{"prefix":"Delete"}]}}'
ALARM_CHANGES = '{"detail-type":["CloudWatch Alarm State Change"]}'
METRIC = MetricKey(ACCOUNT, REGION, "Audit", "Deletions", ())


class Taking:
    """Every queue, function and web server outside: takes all, and keeps it."""

    def __init__(self) -> None:
        self.taken: list[Dispatch] = []

    async def send(self, dispatch: Dispatch) -> None:
        self.taken.append(dispatch)

    def of(self, destination: str) -> list[Dispatch]:
        return [dispatch for dispatch in self.taken if dispatch.destination == destination]


class Senders:
    """The kinds of targets, those of this installation with it."""

    def __init__(self, outside: Targets, buses: OwnBuses, topics: OwnTopics) -> None:
        self._outside, self._buses, self._topics = outside, buses, topics

    async def send(self, dispatch: Dispatch) -> None:
        services: dict[str, Targets] = {"events": self._buses, "sns": self._topics}
        await services.get(dispatch.destination.split(":")[2], self._outside).send(dispatch)


def a_rule(name: str, pattern: str, queue: str) -> SettingsEntry:
    arn, targets = event_rule_arn(REGION, ACCOUNT, "default", name), ({"Id": "1", "Arn": queue},)
    return SettingsEntry(
        arn, EventRule(arn, name, "default", ACCOUNT, REGION, ACCOUNT, pattern, targets=targets).to_json()
    )


def an_alarm() -> Alarm:
    settings: dict[str, Any] = {
        "Namespace": "Audit",
        "MetricName": "Deletions",
        "Statistic": "Sum",
        "Period": 3600,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
        "InsufficientDataActions": [TOPIC],
        "ActionsEnabled": True,
    }
    state = AlarmState("INSUFFICIENT_DATA", FIRST_REASON, NOON, NOON)
    arn = alarm_arn(REGION, ACCOUNT, "deletions")
    return Alarm(arn, "deletions", ACCOUNT, REGION, METRIC_ALARM, NOON, settings, state)


class Run:
    """One seed: calls at random, in a process that keeps dying."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.world = World()
        self.outbox, self.outside = InMemoryInvocations(), Taking()
        self.alarm_store = InMemoryAlarms(self.outbox)
        self.power = Power(self.chance, cut_after=None)
        self.recorded: list[str] = []
        self.cuts = 0

    async def set_up(self) -> None:
        world = self.world
        topic = Topic(TOPIC, "alarms", ACCOUNT, REGION, NOON)
        told = Subscription(SUBSCRIPTION, TOPIC, "sqs", CHANGES, ACCOUNT, "p", is_confirmed=True)
        settings = [SettingsEntry(topic.arn, topic.to_json()), SettingsEntry(told.arn, told.to_json())]
        settings += [a_rule("calls", WATCHED, CALLS), a_rule("changes", ALARM_CHANGES, CHANGES)]
        trail = logging_trail()
        for entry in [*settings, SettingsEntry(trail.arn, trail.to_json())]:
            await world.trails.apply(await world.journal.append([entry]), entry)
        await world.log_groups.create(a_group())
        counted = {"metricNamespace": "Audit", "metricName": "Deletions", "metricValue": "1"}
        pattern = '{ $.eventName = "Delete*" }'
        for kind, more in (
            (METRIC_FILTER, {"metricTransformations": [counted]}),
            (SUBSCRIPTION_FILTER, {"destinationArn": SUBSCRIBED, "distribution": "ByLogStream"}),
        ):
            log_filter = LogFilter(kind, "deletions", NOON, {"filterPattern": pattern, **more})
            await world.log_groups.put_filter("g1", log_filter)
        await self.alarm_store.put([an_alarm()], [], [])

    def start_process(self, *, is_safe: bool = False) -> None:
        """Join the ports as a new process does, under a power of its own."""
        cut_after = None if is_safe else self.chance.randint(1, 200)
        refusal = 0.0 if is_safe else self.chance.choice((0.0, 0.02, 0.15))
        self.power = power = Power(self.chance, cut_after=cut_after, refusal=refusal)
        world, waiting = self.world, Counter[str]()
        journal, invocations = failing(world.journal, power), failing(self.outbox, power)
        groups, metrics = failing(world.log_groups, power), failing(world.metrics, power)
        outside = failing(self.outside, power)
        topics = OwnTopics(journal, world.topic_store, outside, outside, world.clock)
        senders = Senders(outside, OwnBuses(journal, world.event_rules), topics)
        self.delivery = InvocationDelivery(invocations, senders, world.clock, waiting, self.chance.random)
        wake = self.delivery.wake
        inner = failing(world.log_store, power)
        sealing = SealedMessages(LogDataKeys(world.key_ring))
        store = SubscribedLogStore(inner, groups, invocations, world.clock, waiting, wake, sealing)
        self.reader = RulesReader(
            journal,
            invocations,
            world.event_rules,
            world.clock,
            waiting,
            wake,
            world.topic_store,
            self.delivery.is_failing,
        )
        self.log_delivery = LogDelivery(
            LogDeliveryContext(
                journal=journal,
                readers=failing(world.trails.log_readers, power),
                groups=groups,
                store=store,
                trails=world.trails,
                identities=world.identities,
                delivery_log=failing(world.delivery_log, power),
                identifiers=world.identifiers,
                report_gap=gap,
            ),
            world.clock,
        )
        self.metric_filters = MetricFilters(groups, inner, metrics, world.clock)
        alarms = failing(self.alarm_store, power)
        self.alarms = LiveAlarms(alarms, metrics, world.clock, world.identifiers, waiting, wake)
        self.delivery.on_ended = self.alarms.note_action
        self.is_open = False

    async def _open(self) -> None:
        await self.delivery.open()
        await self.alarms.open()
        self.world.log_store.watch(self.metric_filters.wake)
        await self.metric_filters.look_everywhere()
        self.is_open = True

    async def step(self) -> None:
        """Have every part do what it can now, in any order; an outage ends that part's turn alone."""
        parts = [
            self.reader.catch_up,
            lambda: self.log_delivery.tick(self.world.clock.now()),
            self.metric_filters.publish,
            self.alarms.tick,
            self.delivery.tick,
        ]
        try:
            if not self.is_open:
                await self._open()
            for part in self.chance.sample(parts, len(parts)):
                try:
                    await part()
                except Unavailable:
                    continue
        except Unavailable:
            self.start_process()  # it cannot start without its stores, and is started again
        except PowerCut:
            self.cuts += 1
            self.start_process()

    async def record(self) -> None:
        """Put a call's event into the journal: most of them are what everything here is about."""
        name = f"{self.chance.choice(('Delete', 'Delete', 'Create'))}Thing{len(self.recorded)}"
        moment = self.world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        await self.world.journal.append([EventEntry(orjson.dumps(an_event(eventName=name, eventTime=moment)))])
        self.recorded.append(name)

    async def play(self) -> None:
        await self.set_up()
        self.start_process()
        for _ in range(STEPS):
            if self.chance.random() < 0.6:
                await self.record()
            await self.step()
            self.world.clock.advance(self.chance.choice((0.0, 0.2, 1.5, 5.0)))
        self.start_process(is_safe=True)
        quiet = 0
        for _ in range(ROUNDS):
            await self.step()
            self.world.clock.advance(20)
            is_done = not self.outbox.kept and self.outbox.cursor == self.world.journal.head()
            quiet = quiet + 1 if is_done else 0
            if quiet == QUIET_ROUNDS:
                break

    async def check(self) -> None:
        wanted = sorted(name for name in self.recorded if name.startswith("Delete"))
        assert self.outbox.kept == {}
        self._check_one_id_each()
        assert sorted({name_in(each) for each in self.outside.of(CALLS)}) == wanted
        logged = await self.world.log_store.read(LogRange("g1"), 1_000)
        assert sorted(json.loads(each.message)["eventName"] for each in logged) == sorted(self.recorded)
        sent = {name for each in self.outside.of(SUBSCRIBED) for name in names_in_data(each)}
        assert sorted(sent) == wanted
        start = int(NOON.timestamp())
        found = await self.world.metrics.read(MetricRange(METRIC, start, start + 3600, 3600, unit="None"))
        assert found[start]["None"].samples == len(wanted)
        await self._check_alarm()

    def _check_one_id_each(self) -> None:
        by_event: dict[str, set[str]] = {}
        for each in self.outside.of(CALLS):
            by_event.setdefault(name_in(each), set()).add(each.invocation_id)
        assert {name: len(ids) for name, ids in by_event.items()} == dict.fromkeys(by_event, 1)

    async def _check_alarm(self) -> None:
        query = HistoryQuery(ACCOUNT, REGION, alarm_name="deletions", kind="StateUpdate", limit=1_000)
        states = [item.data["newState"]["stateValue"] for item in await self.alarm_store.history(query)]
        notifications = [orjson.loads(each.event) for each in self.outside.of(SUBSCRIPTION)]
        told = {each["MessageId"]: json.loads(each["Message"])["NewStateValue"] for each in notifications}
        events = [orjson.loads(each.event) for each in self.outside.of(CHANGES)]
        on_bus = {each["id"]: each["detail"]["state"]["value"] for each in events}
        assert "ALARM" in states
        assert sorted(told.values()) == sorted(states)
        assert sorted(on_bus.values()) == sorted(states)


def name_in(dispatch: Dispatch) -> str:
    return str(orjson.loads(dispatch.event)["detail"]["eventName"])


def names_in_data(dispatch: Dispatch) -> list[str]:
    data = json.loads(gzip.decompress(base64.b64decode(json.loads(dispatch.text)["awslogs"]["data"])))
    return [json.loads(event["message"])["eventName"] for event in data["logEvents"]]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
async def test_no_match_is_lost_and_none_has_two_ids_whatever_fails_where(first: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    try:
        for seed in range(first, first + SEEDS_PER_TEST):
            run = Run(seed)
            await run.play()
            try:
                await run.check()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}") from error
            assert run.cuts >= 1, f"seed {seed} cuts nothing"
    finally:
        structlog.reset_defaults()
