"""fail-open: callers never wait, what fits is recorded, what does not is counted and said."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from opentrail.capture.callers import CallerResolver
from opentrail.clock import RandomIdentifiers
from opentrail.http_message import HttpResponse
from opentrail.identity import Credential
from opentrail.pipeline.recording import FailOpenRecorder, fail_open
from opentrail.ports import Unavailable
from opentrail.ports.journal import START, EventEntry, JournalEntry, Position, SettingsEntry
from opentrail.record.events import EventBuilder
from tests.memory.identity_store import InMemoryIdentityStore
from tests.memory.journal import InMemoryJournal
from tests.unit.pipeline.recording.support import (
    ACCOUNT,
    DELETE_BUCKET,
    OK,
    REGION,
    HandClock,
    a_builder,
    a_request,
    a_resolver,
    a_scope,
    events_of,
    own_members,
    settings_of,
    some_regions,
)


def a_recorder(
    journal: InMemoryJournal, clock: HandClock | None = None, builder: EventBuilder | None = None, **bounds: Any
) -> FailOpenRecorder:
    clock = clock or HandClock()
    return FailOpenRecorder(
        journal,
        builder or a_builder(),
        a_resolver(clock),
        some_regions(journal),
        clock,
        default_account_id=ACCOUNT,
        default_region=REGION,
        commit_interval_s=0.001,
        **bounds,
    )


def gaps_of(journal: InMemoryJournal) -> list[dict[str, Any]]:
    return [event["serviceEventDetails"] for event in events_of(journal) if event["eventType"] == "AwsServiceEvent"]


def calls_of(journal: InMemoryJournal) -> list[dict[str, Any]]:
    return [event for event in events_of(journal) if event["eventType"] == "AwsApiCall"]


async def test_calls_are_recorded_in_the_order_they_ended() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    calls = [await recorder.begin(a_request(f"bucket-{n}"), DELETE_BUCKET, a_scope()) for n in range(300)]
    for call in reversed(calls):
        await call.finish(OK)
    await recorder.stop()

    names = [event["requestParameters"]["bucketName"] for event in calls_of(journal)]
    assert names == [f"bucket-{n}" for n in reversed(range(300))]
    assert gaps_of(journal) == []


async def test_an_event_says_when_the_call_ended_not_when_it_was_stored() -> None:
    journal, clock = InMemoryJournal(), HandClock()
    recorder = a_recorder(journal, clock)

    call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    clock.turn(2)
    await call.finish(OK)
    clock.turn(60)
    await recorder.stop()

    assert calls_of(journal)[0]["eventTime"] == "2026-01-01T12:00:02Z"


async def test_an_abandoned_call_is_an_event_with_outcome_unknown() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).abandon("upstream-reset")
    await recorder.stop()

    assert own_members(calls_of(journal)[0])["reason"] == "upstream-reset"


async def test_what_overflows_the_queue_is_counted_in_a_gap_event() -> None:
    journal, clock = InMemoryJournal(), HandClock()
    recorder = a_recorder(journal, clock, max_calls=10)

    for _ in range(25):
        await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
        clock.turn(1)
    await recorder.stop()

    assert len(calls_of(journal)) == 10
    assert gaps_of(journal) == [
        {
            "startTime": "2026-01-01T12:00:10Z",
            "endTime": "2026-01-01T12:00:24Z",
            "unrecordedCalls": 15,
            "reason": "queue-full",
        }
    ]


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal, max_bytes=1_000_000)

    for _ in range(5):
        call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
        await call.finish(HttpResponse(200, (), b"x" * 300_000))
    await recorder.stop()

    assert len(calls_of(journal)) == 3
    assert gaps_of(journal)[0]["unrecordedCalls"] == 2


async def test_a_journal_that_is_away_for_a_while_loses_nothing_that_fits() -> None:
    journal = InMemoryJournal()
    journal.is_unavailable = True
    recorder = a_recorder(journal, max_calls=50)

    for _ in range(40):
        await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
    await asyncio.sleep(0.05)
    journal.is_unavailable = False
    await recorder.stop()

    assert len(calls_of(journal)) == 40
    assert gaps_of(journal) == []


async def test_a_stop_says_whether_everything_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fail_open, "DRAIN_SECONDS", 0.05)
    for is_unavailable in (False, True):
        journal = InMemoryJournal()
        recorder = a_recorder(journal)
        journal.is_unavailable = is_unavailable
        call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
        await call.finish(OK)

        is_whole = await recorder.stop()

        assert is_whole is not is_unavailable
        assert len(calls_of(journal)) == is_whole


async def test_a_call_that_no_event_can_be_made_of_is_a_gap_and_stops_nothing() -> None:
    class BreaksOnce:
        has_broken = False

        def uuid(self) -> str:
            if not self.has_broken:
                self.has_broken = True
                raise RuntimeError("broken")
            return RandomIdentifiers().uuid()

        def token(self, length: int, alphabet: str) -> str:
            return RandomIdentifiers().token(length, alphabet)

    journal, clock = InMemoryJournal(), HandClock()
    builder = EventBuilder(
        default_account_id=ACCOUNT, default_region=REGION, regions=lambda: (), identifiers=BreaksOnce()
    )
    recorder = a_recorder(journal, clock, builder=builder)

    for name in ("bad", "good"):
        await (await recorder.begin(a_request(name), DELETE_BUCKET, a_scope())).finish(OK)
    await recorder.stop()

    assert [event["requestParameters"]["bucketName"] for event in calls_of(journal)] == ["good"]
    assert [(gap["reason"], gap["unrecordedCalls"]) for gap in gaps_of(journal)] == [("record-failed", 1)]


async def test_a_caller_that_cannot_be_looked_up_is_a_claim() -> None:
    class Away(InMemoryIdentityStore):
        async def credential(self, access_key_id: str) -> Credential | None:
            raise Unavailable("away")

    journal, clock = InMemoryJournal(), HandClock()
    recorder = FailOpenRecorder(
        journal,
        a_builder(),
        CallerResolver(Away(clock), clock, learns=False),
        some_regions(journal),
        clock,
        default_account_id=ACCOUNT,
        default_region=REGION,
    )

    await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
    await recorder.stop()

    [event] = calls_of(journal)
    assert own_members(event)["identity"] == "claimed"
    assert event["userIdentity"]["accessKeyId"] == "AKIAUPSTREAM00000001"


async def test_a_new_region_is_enabled_before_its_first_event() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    for region in ("us-east-1", "eu-west-1", "eu-west-1"):
        await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope(region))).finish(OK)
    await recorder.stop()

    assert settings_of(journal) == [["eu-west-1", "us-east-1"]]
    settings = [number for number, entry in enumerate(journal.entries()) if isinstance(entry, SettingsEntry)]
    events = [
        number
        for number, entry in enumerate(journal.entries())
        if isinstance(entry, EventEntry) and orjson.loads(entry.event)["awsRegion"] == "eu-west-1"
    ]
    assert settings[0] < min(events)


async def test_an_event_is_on_record_without_a_further_call() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
    async with asyncio.timeout(5):
        page = await anext(aiter(journal.read(START)))

    assert len(page) == len(calls_of(journal)) == 1
    await recorder.stop()


async def test_a_batch_that_the_journal_rejects_for_good_is_counted_and_stops_nothing() -> None:
    class Picky(InMemoryJournal):
        is_picky = True

        async def append(self, entries: Sequence[JournalEntry]) -> Position:
            if self.is_picky:
                self.is_picky = False
                raise ValueError("too large")
            return await super().append(entries)

    journal = Picky()
    recorder = a_recorder(journal)

    for _ in range(3):
        await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
    await asyncio.sleep(0.05)
    await (await recorder.begin(a_request(), DELETE_BUCKET, a_scope())).finish(OK)
    await recorder.stop()

    assert len(calls_of(journal)) == 1
    assert [(gap["reason"], gap["unrecordedCalls"]) for gap in gaps_of(journal)] == [("record-failed", 3)]
