"""Metric filters at work: values, defaults, dimensions; each event once, whatever breaks in between."""

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Any

import pytest

from opentrail.aws import logs
from opentrail.metric.key import MetricKey
from opentrail.pattern.filter_pattern import parse_filter_pattern
from opentrail.pattern.text_index import MemoBudget
from opentrail.pipeline import metric_filters
from opentrail.pipeline.metric_filters import FilterSet, MetricFilters
from opentrail.ports import Unavailable
from opentrail.ports.log_store import LogEvent, LogKeyUnusable, LogRange, Place, StoredEvent
from opentrail.ports.metric_store import MetricRange
from opentrail.resource.log_group import METRIC_FILTER, LogFilter, LogGroup
from tests.builders import ACCOUNT, NOON, REGION, World
from tests.memory.log_store import InMemoryLogStore
from tests.support.corpus import real_events, shared
from tests.support.waiting import eventually, running

AT = int(NOON.timestamp())


async def do(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    outcome = await logs.SERVICE.handlers[operation].run(world.ports, world.call(operation, parameters, service="logs"))
    await world.carry_out(outcome)
    return dict(outcome.output)


async def a_world(pattern: str = "{ $.a = 1 }", **transformation: Any) -> World:
    world = World()
    await do(world, "CreateLogGroup", logGroupName="app")
    await do(world, "CreateLogStream", logGroupName="app", logStreamName="one")
    await put_filter(world, pattern, **transformation)
    return world


async def put_filter(world: World, pattern: str, name: str = "f", **transformation: Any) -> None:
    given = {"metricName": "Hits", "metricNamespace": "Audit", "metricValue": "1"} | transformation
    await do(
        world,
        "PutMetricFilter",
        logGroupName="app",
        filterName=name,
        filterPattern=pattern,
        metricTransformations=[given],
    )


async def put(world: World, *messages: Any, publish: bool = True) -> None:
    now = int(world.clock.now().timestamp() * 1000)
    texts = [each if isinstance(each, str) else json.dumps(each) for each in messages]
    events = [{"timestamp": now, "message": text} for text in texts]
    await do(world, "PutLogEvents", logGroupName="app", logStreamName="one", logEvents=events)
    if publish:
        await world.metric_filters.publish()


async def samples(world: World, *dimensions: tuple[str, str], unit: str = "None") -> dict[float, float]:
    key = MetricKey(ACCOUNT, REGION, "Audit", "Hits", dimensions)
    found = await world.metrics.read(MetricRange(key, AT, AT + 60, 60, unit=unit))
    spread = found[AT][unit].spread if found else {}
    return dict(spread or {})


async def has_changed(world: World, before: dict[float, float]) -> bool:
    return await samples(world) != before


async def test_each_match_adds_a_sample_and_nothing_else_does() -> None:
    world = await a_world()

    await put(world, {"a": 1}, {"a": 2}, {"a": 1}, "no json")

    assert await samples(world) == {1.0: 2.0}


async def test_what_is_stored_is_published_without_being_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_filters, "LOOK_AGAIN_SECONDS", 3600)
    world = await a_world()

    async with running(world.metric_filters.run()):
        for _ in range(3):
            before = await samples(world)
            await put(world, {"a": 1}, publish=False)
            await eventually(partial(has_changed, world, before))

    assert await samples(world) == {1.0: 3.0}


async def test_what_does_not_match_adds_the_default() -> None:
    world = await a_world(metricValue="$.bytes", defaultValue=0.5, unit="Bytes")

    await put(world, {"a": 1, "bytes": 7}, {"a": 2}, {"a": 1}, {"a": 1, "bytes": "none"}, {"a": 1, "bytes": "8"})

    assert await samples(world, unit="Bytes") == {7.0: 1.0, 8.0: 1.0, 0.5: 2.0}


async def test_dimensions_come_from_the_event_and_all_are_left_out_when_one_is_missing() -> None:
    world = await a_world(dimensions={"User": "$.user.name", "Ok": "$.ok"})

    await put(world, {"a": 1, "user": {"name": "anaya"}, "ok": True}, {"a": 1, "user": {"name": "bo"}})

    assert await samples(world, ("Ok", "true"), ("User", "anaya")) == {1.0: 1.0}
    assert await samples(world) == {1.0: 1.0}


async def test_fields_of_a_spaced_pattern_are_values_and_dimensions() -> None:
    world = await a_world("[ip, status=4*, bytes]", metricValue="$bytes", dimensions={"Status": "$status"})

    await put(world, "10.0.0.1 404 12", "10.0.0.1 200 50")

    assert await samples(world, ("Status", "404")) == {12.0: 1.0}


async def test_filters_of_every_kind_read_the_same_events_each_in_its_way() -> None:
    world = await a_world(metricValue="$.bytes")
    await put_filter(world, "error", "terms", metricValue="3")
    await put_filter(world, "[ip, status=4*, bytes]", "fields", metricValue="$bytes")

    await put(world, {"a": 1, "bytes": 7}, "an error", "10.0.0.1 404 12", {"a": 2, "text": "error"})

    assert await samples(world) == {7.0: 1.0, 3.0: 2.0, 12.0: 1.0}


def test_many_filters_at_once_count_what_each_alone_does() -> None:
    cases = json.loads(shared("corpus", "conformance", "metric-filters", "cis-patterns.json").read_text())
    patterns = [*(case["pattern"] for case in cases), "{ $.['a.b'] NOT EXISTS }", "Console", "[first, ...]"]
    counted = {"metricNamespace": "Audit", "metricValue": "1"}
    filters = [
        LogFilter(METRIC_FILTER, f"f{n}", NOON, {"filterPattern": pattern, "metricTransformations": [transformation]})
        for n, pattern in enumerate(patterns)
        for transformation in [counted | {"metricName": f"m{n}"} | ({"defaultValue": 0.0} if n % 3 == 0 else {})]
    ]
    messages = [json.dumps(event) for _, event in real_events("invictus-ir", "stratus-red-team", "traildiscover")]
    messages += ['{"a":{"b":1}}', '{"a.b":1}', "[]"]
    now = AT * 1000
    events = [StoredEvent(Place(now, n), "s", now, message) for n, message in enumerate(messages)]

    found = FilterSet(LogGroup("g", ACCOUNT, REGION, "app", NOON), filters, MemoBudget()).measured(events)

    spreads = {each.key.name: each.aggregate.spread for each in found}
    for number, pattern in enumerate(patterns):
        reading = parse_filter_pattern(pattern)
        hits = sum(reading.match(message) is not None for message in messages)
        rest = len(messages) - hits if number % 3 == 0 else 0
        told = {value: float(count) for value, count in ((1.0, hits), (0.0, rest)) if count}
        assert spreads.get(f"m{number}", {}) == told, pattern
    assert sum(1.0 in (spread or {}) for spread in spreads.values()) > 15


async def test_a_filter_that_is_changed_counts_by_its_new_pattern() -> None:
    world = await a_world("{ $.a = 7 }")
    await put(world, {"a": 1}, {"a": 7})
    await put_filter(world, "{ $.a = 1 }")

    await put(world, {"a": 1}, {"a": 1}, {"a": 7})

    assert await samples(world) == {1.0: 3.0}


async def test_a_filter_sees_what_came_after_it_was_made() -> None:
    world = await a_world("{ $.a = 7 }")
    await put(world, {"a": 1})
    world.clock.advance(1)
    await put_filter(world, "{ $.a = 1 }", "later")

    await put(world, {"a": 1})

    assert await samples(world) == {1.0: 1.0}


async def test_another_process_goes_on_where_the_last_one_was_killed() -> None:
    world = await a_world()
    await put(world, {"a": 1})
    await put(world, {"a": 1}, publish=False)

    for _ in range(2):
        again = MetricFilters(world.log_groups, world.log_store, world.metrics, world.clock)
        await again.look_everywhere()
        await again.publish()

    assert await samples(world) == {1.0: 2.0}


async def test_a_store_that_does_not_answer_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()

    async def fail(*_: Any) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(world.metrics, "publish", fail)
        with pytest.raises(Unavailable):
            await put(world, {"a": 1})
    await world.metric_filters.publish()

    assert await samples(world) == {1.0: 1.0}


@pytest.mark.parametrize("seed", range(20))
async def test_no_event_is_lost_or_counted_twice_wherever_a_store_fails(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that fails before or behind a commit does not know which; the next one goes on from the cursor."""
    world, chance = await a_world(), random.Random(seed)
    publish = world.metrics.publish

    async def fail_somewhere(*given: Any) -> None:
        when = chance.random()
        if when < 0.3:
            raise Unavailable("before the commit")
        await publish(*given)
        if when < 0.6:
            raise Unavailable("behind the commit")

    monkeypatch.setattr(world.metrics, "publish", fail_somewhere)
    for _ in range(10):
        await put(world, *[{"a": 1}] * chance.randint(1, 3), {"a": 2}, publish=False)
        with suppress(Unavailable):
            await world.metric_filters.publish()
        if chance.random() < 0.3:
            world.metric_filters = MetricFilters(world.log_groups, world.log_store, world.metrics, world.clock)
            world.log_store.watch(world.metric_filters.wake)
    monkeypatch.undo()
    await world.metric_filters.look_everywhere()
    await world.metric_filters.publish()

    [group] = await world.log_groups.all_groups()
    stored = await world.log_store.read(LogRange(group.group_id), 1_000)
    assert await samples(world) == {1.0: float(sum(event.message == '{"a": 1}' for event in stored))}


async def test_the_published_filters_drive_alarms() -> None:
    """Every pattern of the acceptance examples is taken and counts the event that it is about, and no other."""
    filters = json.loads((shared() / "acceptance" / "metric-filters.json").read_text())
    world = await a_world("nothing matches this")
    for each in filters:
        await put_filter(world, each["pattern"], each["name"], metricName=each["metric"])

    await put(
        world, {"eventName": "TerminateInstances", "eventType": "AwsApiCall", "userIdentity": {"type": "IAMUser"}}
    )

    known = await world.metrics.metrics(ACCOUNT, REGION, "Audit", "")
    assert [metric.key.name for metric in known] == ["TerminateInstancesCount"]


class HeldStore(InMemoryLogStore):
    """A log store whose ``held`` groups are under a key that cannot be used."""

    held: frozenset[str] = frozenset()

    async def arrived(self, group_id: str, day: date, after: int, since: int, limit: int) -> Sequence[StoredEvent]:
        if group_id in self.held:
            raise LogKeyUnusable("the key is disabled")
        return await super().arrived(group_id, day, after, since, limit)


async def test_a_group_whose_key_cannot_be_used_keeps_no_other_waiting_and_loses_nothing() -> None:
    world = await a_world()
    store = HeldStore()
    filters = MetricFilters(world.log_groups, store, world.metrics, world.clock)
    store.watch(filters.wake)
    await do(world, "CreateLogGroup", logGroupName="held")
    given = {"metricName": "Hits", "metricNamespace": "Audit", "metricValue": "10"}
    held = {"logGroupName": "held", "filterName": "f", "filterPattern": "", "metricTransformations": [given]}
    await do(world, "PutMetricFilter", **held)
    first, other = (await world.log_groups.groups(ACCOUNT, REGION, limit=2))[::-1]
    store.held = frozenset({first.group_id})
    for group in (first, other):
        await store.append(group.group_id, [LogEvent("s", AT * 1000, AT * 1000, '{"a": 1}')])

    await filters.publish()
    assert await samples(world) == {1.0: 1.0}
    store.held = frozenset()
    await filters.look_everywhere()
    await filters.publish()

    assert await samples(world) == {1.0: 1.0, 10.0: 1.0}
