"""The rules' reader: which events invoke which targets, from which position on, and through which failures."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from opentrail.pipeline import rules
from opentrail.pipeline.rules import RulesReader, is_withheld
from opentrail.ports import Unavailable
from opentrail.ports.invocations import Invocation, InvocationBatch
from opentrail.ports.journal import START, EventEntry, EventsEntry, JournalEntry, Position, SettingsEntry
from opentrail.resource.event_bus import event_bus_arn
from opentrail.resource.event_rule import EventRule, RuleState, event_rule_arn
from tests.builders import ACCOUNT, REGION, World, an_event
from tests.memory.invocations import InMemoryInvocations

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
ALL = '{"source":[{"exists":true}]}'


def a_rule(name: str = "r", pattern: str = ALL, bus: str = "default", **changes: Any) -> SettingsEntry:
    arn = event_rule_arn(REGION, ACCOUNT, bus, name)
    targets = changes.pop("targets", ({"Id": "1", "Arn": QUEUE},))
    rule = EventRule(arn, name, bus, ACCOUNT, REGION, ACCOUNT, pattern, targets=targets, **changes)
    return SettingsEntry(arn, rule.to_json())


def a_call(name: str = "CreateBucket", **changes: Any) -> EventEntry:
    return EventEntry(orjson.dumps(an_event(eventName=name, eventSource="s3.amazonaws.com", **changes)))


class Reading:
    """A reader over in-memory ports, opened again as often as a test likes."""

    def __init__(self) -> None:
        self.world = World()
        self.invocations = InMemoryInvocations()
        self.woken: list[str] = []
        self.waiting: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.prepared: list[str] = []

    def reader(self, freeze: Callable[[], None] = lambda: None) -> RulesReader:
        return RulesReader(
            self.world.journal,
            self.invocations,
            self.world.event_rules,
            self.world.clock,
            self.waiting,
            self.woken.extend,
            is_failing=self.failing.__contains__,
            freeze=freeze,
            prepare=self.prepared.append,
        )

    async def read(self, *entries: JournalEntry) -> Sequence[tuple[str, str, str]]:
        """Append entries, match them, and return (rule, target, event) of all that waits."""
        if entries:
            await self.world.journal.append(entries)
        await self.reader().catch_up()
        kept = self.invocations.kept.values()
        said = [(each.rule_arn.rpartition("/")[2], each.target_id, orjson.loads(each.event)) for each in kept]
        return sorted((rule, target, event["detail"].get("eventName", "")) for rule, target, event in said)


async def test_journal_is_not_held_for_the_events_of_event_data_stores() -> None:
    reading = Reading()
    reader = reading.reader()
    await reader.catch_up()
    store = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:eventdatastore/11111111-1111-4111-8111-111111111111"

    for _ in range(rules.IDLE_ENTRIES // 100):
        await reading.world.journal.append([EventsEntry(b"{}\n" * (1024 * 1024 // 3), store)])
    before = reader.position
    await reader.catch_up()

    assert before == START
    assert reader.position == reading.world.journal.head()


async def test_an_event_invokes_every_target_of_every_rule_that_it_matches() -> None:
    reading = Reading()
    two = ({"Id": "1", "Arn": QUEUE}, {"Id": "2", "Arn": TOPIC})

    found = await reading.read(
        a_rule("two", '{"source":["aws.s3"]}', targets=two),
        a_rule("one", '{"detail":{"eventName":["CreateBucket"]}}'),
        a_rule("other", '{"source":["aws.ec2"]}'),
        a_call(),
    )

    assert found == [("one", "1", "CreateBucket"), ("two", "1", "CreateBucket"), ("two", "2", "CreateBucket")]
    assert reading.woken == sorted([QUEUE, TOPIC])
    assert reading.waiting == {QUEUE: 2, TOPIC: 1}


async def test_the_targets_of_rules_in_force_are_told_before_they_are_invoked_and_after_a_restart() -> None:
    reading = Reading()

    await reading.read(a_rule(), a_rule("off", state=RuleState.DISABLED, targets=({"Id": "1", "Arn": TOPIC},)))
    before = list(reading.prepared)
    await reading.read()

    assert before == [QUEUE]
    assert reading.prepared == [QUEUE, QUEUE]


async def test_a_rule_sees_what_is_recorded_while_it_is_in_force() -> None:
    reading = Reading()

    found = await reading.read(
        a_call("Before"),
        a_rule(),
        a_call("During"),
        a_rule(state=RuleState.DISABLED),
        a_call("Disabled"),
        a_rule(),
        SettingsEntry(event_rule_arn(REGION, ACCOUNT, "default", "r"), None),
        a_call("After"),
    )

    assert [event for _, _, event in found] == ["During"]


async def test_loaded_objects_are_frozen_after_every_so_many_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES_PER_FREEZE", 3)
    reading = Reading()
    frozen: list[int] = []
    entries = [a_rule(f"r{number}") for number in range(6)] + [a_rule("off", state=RuleState.DISABLED)]
    await reading.world.journal.append([*entries[:4], entries[6], entries[4], entries[5]])

    await reading.reader(lambda: frozen.append(1)).catch_up()

    assert frozen == [1, 1]


async def test_a_reader_that_starts_again_goes_on_with_the_rules_in_force_at_its_cursor() -> None:
    reading = Reading()
    await reading.read(a_rule(), a_call("First"))

    found = await reading.read(a_call("Second"))
    again = await reading.read()

    assert [event for _, _, event in found] == ["First", "Second"]
    assert again == found


async def test_a_store_that_failed_gets_the_same_invocations_later() -> None:
    reading = Reading()
    reading.invocations.is_unavailable = True
    with pytest.raises(Unavailable):
        await reading.read(a_rule(), a_call())

    reading.invocations.is_unavailable = False

    assert len(await reading.read()) == 1


async def test_what_a_failed_write_stored_all_the_same_is_counted_as_waiting() -> None:
    reading = Reading()
    await reading.world.journal.append([a_rule(), a_call()])
    reader, advance = reading.reader(), reading.invocations.advance

    async def advance_and_fail(*arguments: Any) -> None:
        await advance(*arguments)
        raise Unavailable("the answer was lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.invocations, "advance", advance_and_fail)
        with pytest.raises(Unavailable):
            await reader.catch_up()
    await reader.catch_up()

    assert len(reading.invocations.kept) == 1
    assert reading.waiting == {QUEUE: 1}
    assert reading.woken == [QUEUE]


async def test_an_event_is_seen_on_the_bus_of_its_account_and_region_alone() -> None:
    reading = Reading()

    found = await reading.read(
        a_rule(),
        a_rule("custom", bus="orders"),
        a_call("Far", awsRegion="eu-west-1"),
        a_call("Foreign", recipientAccountId="999999999999"),
        a_call("Here"),
    )

    assert found == [("r", "1", "Here")]


async def test_an_event_of_a_bus_is_for_rules_of_that_bus() -> None:
    reading = Reading()
    event = {"id": "e", "source": "shop", "detail-type": "order", "detail": {"eventName": "GetOrder"}}
    bus, store = event_bus_arn(REGION, ACCOUNT, "orders"), f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:eventdatastore/x"

    found = await reading.read(
        a_rule(),
        a_rule("custom", bus="orders"),
        EventEntry(orjson.dumps(event), bus),
        EventEntry(orjson.dumps(event), store),
    )

    assert found == [("custom", "1", "GetOrder")]


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        (RuleState.ENABLED, ["Head", "GetSessionToken"]),
        (RuleState.WITH_ALL_MANAGEMENT_EVENTS, ["DescribeX", "GetSessionToken", "GetX", "Head", "ListX"]),
    ],
)
async def test_events_that_only_read_are_seen_in_the_state_that_asks_for_them(
    state: RuleState, seen: list[str]
) -> None:
    reading = Reading()
    token = an_event(eventName="GetSessionToken", eventSource="sts.amazonaws.com")

    found = await reading.read(
        a_rule(state=state),
        *[a_call(name, readOnly=True) for name in ("ListX", "GetX", "DescribeX", "Head")],
        EventEntry(orjson.dumps(token)),
    )

    assert [event for _, _, event in found] == sorted(seen)


def test_data_events_and_an_applications_own_are_withheld_from_nobody() -> None:
    record = {"eventCategory": "Data", "eventName": "GetObject"}

    assert not is_withheld({"detail-type": "AWS API Call via CloudTrail", "detail": record})
    assert not is_withheld({"detail-type": "order", "detail": record | {"eventCategory": "Management"}})
    assert not is_withheld({"detail-type": "order", "detail": "text"})


async def test_calls_of_putevents_and_events_over_the_bound_invoke_nothing() -> None:
    reading = Reading()
    put = an_event(eventName="PutEvents", eventSource="events.amazonaws.com")

    found = await reading.read(
        a_rule(), EventEntry(orjson.dumps(put)), a_call(requestParameters={"x": "y" * rules.MAX_EVENT_BYTES})
    )

    assert found == []


async def test_what_cannot_be_read_holds_up_nothing() -> None:
    reading = Reading()

    found = await reading.read(a_rule(), EventEntry(b"no JSON"), EventEntry(b"{}"), EventEntry(b"[]"), a_call())

    assert len(found) == 1


async def test_more_than_the_bound_does_not_wait_for_one_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_WAITING_PER_DESTINATION", 2)
    reading = Reading()
    reading.waiting[QUEUE] = 2

    found = await reading.read(a_rule(targets=({"Id": "1", "Arn": QUEUE}, {"Id": "2", "Arn": TOPIC})), a_call())

    assert found == [("r", "2", "CreateBucket")]


async def test_a_burst_is_not_counted_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_WAITING_PER_DESTINATION", 3)
    reading = Reading()

    found = await reading.read(a_rule(), *[a_call(f"Call{number}") for number in range(10)])

    assert len(found) == 3


class Counting(InMemoryInvocations):
    """Keeps how many invocations each transaction stored."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []
        self.has_written, self.has_refused = asyncio.Event(), asyncio.Event()

    async def advance(
        self,
        cursor: Position,
        settings: Sequence[SettingsEntry],
        invocations: Sequence[Invocation],
        batches: Sequence[InvocationBatch] = (),
    ) -> None:
        try:
            await super().advance(cursor, settings, invocations, batches)
        except Unavailable:
            self.has_refused.set()
            raise
        self.writes.append(len(invocations) + sum(map(len, batches)))
        self.has_written.set()


class Running:
    """A reader that follows the journal, with a rule for each target, of which the queue fails."""

    def __init__(self) -> None:
        self.reading = Reading()
        self.reading.invocations = self.store = Counting()
        self.reading.failing.add(QUEUE)
        self.reader = self.reading.reader()

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(self.reader.run())
        for name, target in (("ForQueue", QUEUE), ("ForTopic", TOPIC)):
            pattern = f'{{"detail":{{"eventName":["{name}"]}}}}'
            await self.reading.world.journal.append([a_rule(name, pattern, targets=({"Id": "1", "Arn": target},))])
            await self.store.has_written.wait()
            self.store.has_written.clear()
        self.store.writes.clear()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def call(self, name: str) -> None:
        """Record a call, and let the reader see it: it takes a page each time it is asked for one."""
        position = await self.reading.world.journal.append([a_call(name)])
        async with asyncio.timeout(30):
            while self.reader.matched_through < position:  # noqa: ASYNC110 - a reader tells nobody what it matched
                await asyncio.sleep(0)


async def test_what_waits_for_a_failing_target_is_stored_when_nothing_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "HELD_SECONDS", 0.01)
    async with Running() as running:
        await running.call("ForQueue")
        await running.store.has_written.wait()

    assert running.store.writes == [1]
    assert running.reader.position == running.reading.world.journal.head()
    assert running.reading.woken == [QUEUE]


async def test_what_waits_for_a_failing_target_is_stored_with_what_another_target_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "HELD_SECONDS", 3600)
    async with Running() as running:
        await running.call("ForQueue")
        await running.call("ForQueue")
        kept_back = list(running.store.writes)
        await running.call("ForTopic")
        await running.store.has_written.wait()

    assert kept_back == []
    assert running.store.writes == [3]


async def test_an_invocation_is_the_same_whether_its_target_was_failing_or_not() -> None:
    in_a_batch, by_itself = Reading(), Reading()
    in_a_batch.failing.add(QUEUE)

    for reading in (in_a_batch, by_itself):
        await reading.read(a_rule(), a_call("First"), a_call("Second"))

    assert in_a_batch.invocations.batches == [2]
    assert by_itself.invocations.batches == []
    assert in_a_batch.invocations.kept == by_itself.invocations.kept
    assert in_a_batch.waiting == by_itself.waiting == {QUEUE: 2}


async def test_a_transaction_stores_no_more_than_its_bound_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_BYTES_PER_WRITE", 1)
    monkeypatch.setattr(rules, "HELD_SECONDS", 3600)
    async with Running() as running:
        await running.call("ForQueue")
        await running.call("ForQueue")

    assert running.store.writes == [1, 1]


async def test_what_was_kept_back_when_the_process_died_is_matched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HELD_SECONDS", 3600)
    async with Running() as running:
        await running.call("ForQueue")

    assert running.store.kept == {}
    assert await running.reading.read() == [("ForQueue", "1", "ForQueue")]


async def test_what_is_kept_back_outlives_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HELD_SECONDS", 0.01)
    monkeypatch.setattr(rules, "FIRST_RETRY_SECONDS", 0.01)
    async with Running() as running:
        running.store.is_unavailable = True
        await running.call("ForQueue")
        await running.store.has_refused.wait()
        running.store.is_unavailable = False
        await running.store.has_written.wait()

    assert running.store.writes == [1]


async def test_a_reader_that_was_cut_loose_goes_on_with_the_rules_that_the_api_shows() -> None:
    reading = Reading()
    entry = a_rule()
    position = await reading.world.journal.append([entry])
    await reading.world.trails.apply(position, entry)
    await reading.world.journal.trim(position)

    assert len(await reading.read(a_call())) == 1
