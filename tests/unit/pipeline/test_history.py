"""The feeder between journal and Event history."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from opentrail.pipeline import history as feeding
from opentrail.pipeline.history import HistoryFeeder, history_event
from opentrail.ports import Unavailable
from opentrail.ports.event_history import EventHistory, LookupKey, LookupQuery
from opentrail.ports.journal import EventEntry, Position, Positioned, PositionLost, SettingsEntry
from tests.memory.event_history import InMemoryEventHistory
from tests.memory.journal import InMemoryJournal
from tests.support.waiting import eventually, running

NOW = datetime(2024, 5, 10, 12, tzinfo=UTC)
QUERY = LookupQuery("123456789012", "eu-west-1")


class FixedClock:
    def now(self) -> datetime:
        return NOW


def an_event(event_id: str, **members: Any) -> bytes:
    event = {
        "eventTime": "2024-05-10T11:59:00Z",
        "eventName": "CreateUser",
        "awsRegion": "eu-west-1",
        "eventID": event_id,
        "eventCategory": "Management",
        "recipientAccountId": "123456789012",
    }
    return orjson.dumps(event | members)


async def ids(history: EventHistory) -> list[str]:
    return [orjson.loads(event)["eventID"] for event in (await history.lookup(QUERY)).events]


async def history_holds(history: EventHistory, expected: list[str]) -> bool:
    return await ids(history) == expected


async def stands_at(feeder: HistoryFeeder, position: Position) -> bool:
    return feeder.position == position


async def test_only_live_management_events_reach_the_history() -> None:
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    feeder = HistoryFeeder(journal, history, FixedClock())
    last = await journal.append(
        [
            EventEntry(an_event("1")),
            EventEntry(an_event("2", eventCategory="Data")),
            EventEntry(an_event("3"), audience="arn:aws:cloudtrail:eu-west-1:123456789012:eventdatastore/e"),
            SettingsEntry("regions", b"[]"),
            EventEntry(an_event("5", eventCategory="Insight")),
            EventEntry(an_event("6")),
            SettingsEntry("regions", b"[]"),
        ]
    )

    await feeder.catch_up()

    assert await ids(history) == ["1", "6"]
    assert (feeder.position, await history.cursor()) == (last, last)


async def test_an_event_is_visible_within_a_second_of_its_recording() -> None:
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    feeder = HistoryFeeder(journal, history, FixedClock())
    async with running(feeder.run()):
        await journal.append([EventEntry(an_event("1"))])
        await eventually(lambda: history_holds(history, ["1"]), seconds=1)


async def test_what_comes_in_quick_succession_is_stored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 3_600)
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    async with running(HistoryFeeder(journal, history, FixedClock()).run()):
        await journal.append([EventEntry(an_event("1"))])
        await eventually(lambda: history_holds(history, ["1"]))
        await journal.append([EventEntry(an_event("2"))])
        for _ in range(50):
            await asyncio.sleep(0)
        assert await ids(history) == ["1"]


async def test_catching_up_does_not_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "LINGER_SECONDS", 3_600)
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    for number in range(250):  # some pages
        await journal.append([EventEntry(an_event(f"{number:03d}"))])

    async with asyncio.timeout(60):
        await HistoryFeeder(journal, history, FixedClock()).catch_up()

    assert len(history.events) == 250


async def test_a_feeder_goes_on_from_the_historys_cursor() -> None:
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    first = await journal.append([EventEntry(an_event("1"))])
    await history.store((), first)
    await journal.append([EventEntry(an_event("2"))])

    await HistoryFeeder(journal, history, FixedClock()).catch_up()

    assert await ids(history) == ["2"]


@pytest.mark.parametrize(
    "event",
    [
        b"[]",
        b'{"eventCategory":"Management"}',
        an_event("x", eventTime="yesterday"),
        an_event("x", eventTime=None),
        an_event("x", awsRegion=1),
        an_event("x", eventTime=(NOW - timedelta(days=91)).strftime("%Y-%m-%dT%H:%M:%SZ")),
        an_event("x", eventTime=(NOW + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")),
    ],
)
async def test_an_event_that_cannot_be_looked_up_holds_up_nothing(event: bytes) -> None:
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    last = await journal.append([EventEntry(event), EventEntry(an_event("2"))])

    await HistoryFeeder(journal, history, FixedClock()).catch_up()

    assert await ids(history) == ["2"]
    assert await history.cursor() == last


async def test_a_history_that_does_not_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "FIRST_RETRY_SECONDS", 0.001)
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    feeder = HistoryFeeder(journal, history, FixedClock())
    history.failure = Unavailable("no space left")
    last = await journal.append([EventEntry(an_event("1"))])

    async with running(feeder.run()):
        await eventually(lambda: stands_at(feeder, last))

    assert await ids(history) == ["1"]


class ForgetfulJournal(InMemoryJournal):
    """Has lost what was before ``resume_after``."""

    resume_after: Position

    async def read(self, after: Position, *, until: Position | None = None) -> AsyncIterator[Sequence[Positioned]]:
        if after < self.resume_after:
            raise PositionLost(self.resume_after)
        async for page in super().read(after, until=until):
            yield page


async def test_after_lost_entries_the_feeder_goes_on_where_the_journal_begins() -> None:
    journal, history = ForgetfulJournal(), InMemoryEventHistory()
    journal.resume_after = await journal.append([EventEntry(an_event("1"))])
    last = await journal.append([EventEntry(an_event("2"))])

    await HistoryFeeder(journal, history, FixedClock()).catch_up()

    assert await ids(history) == ["2"]
    assert await history.cursor() == last


async def test_days_past_the_retention_expire_while_the_feeder_runs() -> None:
    journal, history = InMemoryJournal(), InMemoryEventHistory()
    old = orjson.loads(an_event("old", eventTime=(NOW - timedelta(days=92)).strftime("%Y-%m-%dT%H:%M:%SZ")))
    await history.store([history_event(old)], Position(""))

    async with running(HistoryFeeder(journal, history, FixedClock()).run()):
        await eventually(lambda: history_holds(history, []))


def test_a_history_event_carries_what_it_is_looked_up_by() -> None:
    made = history_event(orjson.loads(an_event("1", readOnly=False)))

    assert (made.account_id, made.region, made.event_id) == ("123456789012", "eu-west-1", "1")
    assert made.event_time == NOW - timedelta(minutes=1)
    assert set(made.attributes) == {
        (LookupKey.EVENT_ID, "1"),
        (LookupKey.EVENT_NAME, "CreateUser"),
        (LookupKey.READ_ONLY, "false"),
    }
