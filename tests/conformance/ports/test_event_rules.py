"""What every store of event buses, rules and their invocations promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opentrail.ports.invocations import Invocation, InvocationBatch, Settlement
from opentrail.ports.journal import START, Position, SettingsEntry
from opentrail.resource.event_bus import EventBus, event_bus_arn
from opentrail.resource.event_rule import EventRule, event_rule_arn
from tests.conformance.ports.test_delivery_log import NOON
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
LETTERS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_bus(name: str = "orders", region: str = REGION) -> EventBus:
    return EventBus(event_bus_arn(region, ACCOUNT, name), name, ACCOUNT, region, NOON, NOON, {"Description": "d"})


def a_rule(name: str = "r", bus: str = "default") -> EventRule:
    arn = event_rule_arn(REGION, ACCOUNT, bus, name)
    return EventRule(arn, name, bus, ACCOUNT, REGION, ACCOUNT, '{"source":["a"]}', targets=({"Id": "1", "Arn": QUEUE},))


def an_invocation(number: int, **changes: object) -> Invocation:
    matched_at = NOON + timedelta(seconds=number)
    made = Invocation(f"id-{number}", QUEUE, a_rule().arn, "1", b'{"Id":"1"}', b'{"id":"e"}', matched_at)
    return replace(made, **changes)  # type: ignore[arg-type]


def entry(resource: EventBus | EventRule) -> SettingsEntry:
    return SettingsEntry(resource.arn, resource.to_json())


async def test_applied_buses_and_rules_show_by_name_and_bus(stores: MetadataStores) -> None:
    shown: list[EventBus | EventRule] = [
        a_bus("b"),
        a_bus("a"),
        a_bus("far", "eu-west-1"),
        a_rule("z"),
        a_rule("y"),
        a_rule("x", "a"),
    ]
    for number, resource in enumerate(shown):
        await stores.trails.apply(Position(f"{number}"), entry(resource))

    default = event_bus_arn(REGION, ACCOUNT, "default")
    assert await stores.event_rules.event_buses(ACCOUNT, REGION) == [a_bus("a"), a_bus("b")]
    assert await stores.event_rules.event_bus(a_bus("b").arn) == a_bus("b")
    assert await stores.event_rules.rules(default) == [a_rule("y"), a_rule("z")]
    assert await stores.event_rules.rule(a_rule("x", "a").arn) == a_rule("x", "a")
    assert await stores.event_rules.count_rules(default) == 2
    assert [rule.name for rule in await stores.event_rules.all_rules()] == ["x", "y", "z"]
    assert await stores.trails.all_trails() == []


async def test_a_rule_that_is_gone_has_lost_its_tags(stores: MetadataStores) -> None:
    await stores.trails.set_tags(a_rule().arn, {"team": "red"})
    await stores.trails.apply(Position("1"), entry(a_rule()))

    await stores.trails.apply(Position("2"), SettingsEntry(a_rule().arn, None))

    assert await stores.event_rules.rule(a_rule().arn) is None
    assert await stores.trails.tags(a_rule().arn) == {}


async def test_a_new_store_has_no_rules_in_force_and_starts_at_the_journals_start(stores: MetadataStores) -> None:
    kept = await stores.invocations.in_force()

    assert (kept.cursor, dict(kept.rules)) == (START, {})


async def test_advancing_keeps_cursor_rules_and_invocations_together(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("5"), [entry(a_rule())], [an_invocation(1), an_invocation(2)])

    kept = await stores.invocations.in_force()
    assert (kept.cursor, dict(kept.rules)) == ("5", {a_rule().arn: a_rule().to_json()})
    assert await stores.invocations.waiting() == {QUEUE: 2}
    assert await stores.invocations.due(QUEUE, NOON, 9) == [an_invocation(1), an_invocation(2)]


async def test_a_page_that_is_stored_again_changes_nothing(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("5"), [entry(a_rule())], [an_invocation(1)])
    await stores.invocations.settle(Settlement(finished=["id-1"]))

    await stores.invocations.advance(Position("5"), [SettingsEntry(a_rule().arn, None)], [an_invocation(1)])

    assert await stores.invocations.waiting() == {}
    assert len((await stores.invocations.in_force()).rules) == 1


async def test_a_cursor_never_goes_back(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("5"), [], [])

    await stores.invocations.advance(Position("4"), [entry(a_rule())], [an_invocation(1)])

    assert (await stores.invocations.in_force()).cursor == "5"
    assert await stores.invocations.waiting() == {}


@pytest.mark.parametrize("number", [49, 50, 51, 120])
async def test_many_invocations_are_stored_whole_and_each_once(stores: MetadataStores, number: int) -> None:
    made = [an_invocation(each, event=f"[{each}]".encode(), failure="{}") for each in range(number)]
    await stores.invocations.advance(Position("1"), [], made[10:20])

    await stores.invocations.advance(Position("2"), [], made)

    assert await stores.invocations.due(QUEUE, NOON, number + 1) == made


def a_batch(first: int, number: int, destination: str = QUEUE) -> InvocationBatch:
    batch = InvocationBatch(destination)
    for each in range(first, first + number):
        target, moment = {"Id": destination, "Arn": destination}, NOON + timedelta(seconds=each)
        batch.add(Position(f"{each:04}"), a_rule().arn, target, b"[%d]" % each, moment)
    return batch


def in_batch(first: int, number: int) -> list[Invocation]:
    return InvocationBatch.unpacked(QUEUE, a_batch(first, number).to_bytes())


async def test_what_is_in_batches_waits_too_and_is_unpacked_oldest_first(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [an_invocation(1)], [a_batch(2, 3), a_batch(2, 7, LETTERS)])
    await stores.invocations.advance(Position("2"), [], [an_invocation(9)], [a_batch(5, 2)])

    assert await stores.invocations.waiting() == {QUEUE: 7, LETTERS: 7}
    assert await stores.invocations.due(QUEUE, NOON, 1) == [an_invocation(1)]
    assert await stores.invocations.due(QUEUE, NOON, 3) == [an_invocation(1), *in_batch(2, 2)]
    everything = [an_invocation(1), *in_batch(2, 5), an_invocation(9)]
    assert await stores.invocations.due(QUEUE, NOON, 7) == everything
    assert await stores.invocations.due(QUEUE, NOON, 99) == everything
    assert await stores.invocations.waiting() == {QUEUE: 7, LETTERS: 7}


async def test_what_came_since_does_not_pass_what_is_in_batches(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [], [a_batch(1, 2)])
    await stores.invocations.advance(Position("2"), [], [an_invocation(5), an_invocation(6)])

    assert await stores.invocations.due(QUEUE, NOON, 2) == in_batch(1, 2)


async def test_what_was_unpacked_of_a_batch_is_settled_like_any_other(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [], [a_batch(1, 2)])
    first, second = await stores.invocations.due(QUEUE, NOON, 9)

    await stores.invocations.settle(Settlement([first.invocation_id], {second.invocation_id: NOON}))

    assert await stores.invocations.due(QUEUE, NOON, 9) == [replace(second, attempts=1)]
    assert await stores.invocations.waiting() == {QUEUE: 1}


async def test_a_page_is_filled_from_as_many_batches_as_it_takes(stores: MetadataStores) -> None:
    for number in range(1, 8):
        await stores.invocations.advance(Position(f"{number}"), [], [], [a_batch(number, 1)])

    assert await stores.invocations.due(QUEUE, NOON, 5) == in_batch(1, 5)
    assert await stores.invocations.due(QUEUE, NOON, 9) == in_batch(1, 7)


async def test_a_cursor_that_is_not_ahead_stores_no_batch(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("5"), [], [], [a_batch(1, 2)])

    await stores.invocations.advance(Position("5"), [], [], [a_batch(1, 2)])

    assert await stores.invocations.waiting() == {QUEUE: 2}


async def test_a_rule_that_ends_is_in_force_no_more(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [entry(a_rule())], [])

    await stores.invocations.advance(Position("2"), [SettingsEntry(a_rule().arn, None)], [])

    assert (await stores.invocations.in_force()).rules == {}


async def test_what_is_postponed_waits_counts_attempts_and_comes_after_what_never_was(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [an_invocation(1), an_invocation(2), an_invocation(3)])
    later, latest = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)

    await stores.invocations.settle(Settlement(postponed={"id-1": latest, "id-2": later, "gone": later}))

    assert await stores.invocations.due(QUEUE, NOON, 9) == [an_invocation(3)]
    again = [an_invocation(3), an_invocation(2, attempts=1), an_invocation(1, attempts=1)]
    assert await stores.invocations.due(QUEUE, latest, 9) == again
    assert await stores.invocations.due(QUEUE, latest, 2) == again[:2]
    assert await stores.invocations.next_due(QUEUE) == later


async def test_nothing_waits_beyond_the_moment_that_a_destination_is_back(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [an_invocation(1)])
    await stores.invocations.settle(Settlement(postponed={"id-1": NOON + timedelta(hours=1)}))

    await stores.invocations.hasten(QUEUE, NOON)

    assert await stores.invocations.due(QUEUE, NOON, 9) == [an_invocation(1, attempts=1)]


async def test_a_dead_letter_takes_the_place_of_its_invocation(stores: MetadataStores) -> None:
    await stores.invocations.advance(Position("1"), [], [an_invocation(1)])
    await stores.invocations.settle(Settlement(postponed={"id-1": NOON + timedelta(hours=1)}))
    letter = an_invocation(1, destination=LETTERS, failure='{"ERROR_CODE":"NO_RESOURCE"}')

    await stores.invocations.settle(Settlement(dead=[letter]))

    assert await stores.invocations.waiting() == {LETTERS: 1}
    assert await stores.invocations.due(LETTERS, NOON, 9) == [letter]
    assert await stores.invocations.next_due(QUEUE) is None


async def test_invocations_of_no_entry_are_added_once(stores: MetadataStores) -> None:
    assert await stores.invocations.add([an_invocation(1), an_invocation(2)]) == [an_invocation(1), an_invocation(2)]

    assert await stores.invocations.add([an_invocation(2), an_invocation(3)]) == [an_invocation(3)]

    assert await stores.invocations.waiting() == {QUEUE: 3}
    assert (await stores.invocations.in_force()).cursor == START
