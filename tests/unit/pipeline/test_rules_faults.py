"""Seeded faults between an event and its target: whatever fails or is killed where, no match is lost."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from opentrail.pipeline.invocation_delivery import InvocationDelivery
from opentrail.pipeline.rules import RulesReader
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry
from opentrail.ports.targets import Dispatch
from tests.builders import HandClock, an_event
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.invocations import InMemoryInvocations
from tests.memory.journal import InMemoryJournal
from tests.unit.pipeline.test_rules import QUEUE, TOPIC, a_rule

FAULTS = 0.15
EVENTS, ROUNDS = 12, 400


class Killed(Exception):
    """The process ended here."""


class Fault:
    """Fails by lot before or after what it stands in front of, as an outage or as the end of the process."""

    def __init__(self, lot: random.Random) -> None:
        self._lot = lot
        self.rate = FAULTS

    def draw(self) -> None:
        if self._lot.random() < self.rate:
            raise Killed if self._lot.random() < 0.5 else Unavailable("by lot")


class Faulty:
    """Another object whose methods fail by lot, before or after they did their part."""

    def __init__(self, inner: Any, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        async def call(*arguments: Any) -> Any:
            self._fault.draw()
            answer = await method(*arguments)
            self._fault.draw()
            return answer

        return call


class Taking:
    """Two targets that take everything."""

    def __init__(self) -> None:
        self.taken: set[tuple[str, str, str]] = set()

    async def send(self, dispatch: Dispatch) -> None:
        name = orjson.loads(dispatch.event)["detail"]["eventName"]
        self.taken.add((dispatch.destination, name, dispatch.invocation_id))


@pytest.mark.parametrize("seed", range(100))
async def test_every_match_reaches_every_target_under_one_id(seed: int) -> None:
    lot = random.Random(seed)
    fault, clock, journal, taking = Fault(lot), HandClock(), InMemoryJournal(), Taking()
    store = InMemoryInvocations()
    invocations: Any = Faulty(store, fault)
    targets: Any = Faulty(taking, fault)
    await journal.append([a_rule(targets=({"Id": "1", "Arn": QUEUE}, {"Id": "2", "Arn": TOPIC}))])
    names = [f"Call{number}" for number in range(EVENTS)]
    waiting_events = [EventEntry(orjson.dumps(an_event(eventName=name))) for name in names]

    for _ in range(ROUNDS):
        waiting: Counter[str] = Counter()
        delivery = InvocationDelivery(invocations, targets, clock, waiting, lot.random)
        reader = RulesReader(
            journal, invocations, InMemoryEventRules(), clock, waiting, delivery.wake, is_failing=delivery.is_failing
        )
        try:
            await delivery.open()
            while not is_done(waiting_events, store, journal):
                if waiting_events and lot.random() < 0.5:
                    await journal.append([waiting_events.pop(0)])
                await step(reader, delivery)
                clock.advance(lot.uniform(0, 60))
            break
        except (Killed, Unavailable):
            clock.advance(lot.uniform(0, 5))

    assert is_done(waiting_events, store, journal)
    assert {(destination, name) for destination, name, _ in taking.taken} == {
        (destination, name) for destination in (QUEUE, TOPIC) for name in names
    }
    assert len({invocation_id for _, _, invocation_id in taking.taken}) == len(taking.taken) == 2 * EVENTS


def is_done(waiting_events: list[EventEntry], store: InMemoryInvocations, journal: InMemoryJournal) -> bool:
    return not waiting_events and not store.kept and store.cursor == journal.head()


async def step(reader: RulesReader, delivery: InvocationDelivery) -> None:
    """Match, then deliver; an outage of the store ends either part alone."""
    for part in (reader.catch_up, delivery.tick):
        try:
            await part()
        except Unavailable:
            continue
