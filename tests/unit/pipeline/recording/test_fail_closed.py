"""fail-closed: what is durable when, and what happens to calls whose steps come too late."""

import asyncio

import pytest

from opentrail.capture import RecordingUnavailable
from opentrail.pipeline.recording import FailClosedRecorder
from tests.memory.journal import InMemoryJournal
from tests.unit.pipeline.recording.support import (
    DELETE_BUCKET,
    OK,
    HandClock,
    SlowJournal,
    a_builder,
    a_request,
    a_resolver,
    a_scope,
    events_of,
    own_members,
    settings_of,
    some_regions,
)


def a_recorder(journal: InMemoryJournal) -> FailClosedRecorder:
    clock = HandClock()
    return FailClosedRecorder(
        journal, a_builder(), a_resolver(clock), some_regions(journal), clock, durable_within_s=0.05
    )


async def test_a_call_is_pending_once_begun_and_an_event_once_finished() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    pending = len(journal.pending_calls())
    await call.finish(OK)

    assert pending == 1
    assert journal.pending_calls() == []
    [event] = events_of(journal)
    assert (event["eventName"], event["eventTime"]) == ("DeleteBucket", "2026-01-01T12:00:00Z")


async def test_an_abandoned_call_is_an_event_with_outcome_unknown() -> None:
    journal = InMemoryJournal()

    call = await a_recorder(journal).begin(a_request(), DELETE_BUCKET, a_scope())
    await call.abandon("upstream-timeout")

    [event] = events_of(journal)
    assert own_members(event)["outcome"] == "unknown"
    assert own_members(event)["reason"] == "upstream-timeout"
    assert journal.pending_calls() == []


async def test_a_new_region_is_enabled_before_its_first_event_and_once() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)

    for _ in range(2):
        call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope("eu-west-1"))
        await call.finish(OK)

    assert settings_of(journal) == [["eu-west-1", "us-east-1"]]
    assert journal.entries()[0] not in journal.entries()[1:]
    assert [event["awsRegion"] for event in events_of(journal)] == ["eu-west-1", "eu-west-1"]


async def test_an_unavailable_journal_refuses_the_call() -> None:
    journal = InMemoryJournal()
    journal.is_unavailable = True

    with pytest.raises(RecordingUnavailable):
        await a_recorder(journal).begin(a_request(), DELETE_BUCKET, a_scope())


async def test_a_slow_journal_refuses_the_call_and_closes_it_once_it_answers() -> None:
    journal = SlowJournal()
    journal.is_open.clear()
    recorder = a_recorder(journal)

    with pytest.raises(RecordingUnavailable):
        await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    journal.is_open.set()
    assert await recorder.stop()

    assert journal.pending_calls() == []
    [event] = events_of(journal)
    assert event["errorCode"]


async def test_a_result_that_is_durable_too_late_is_refused_but_kept() -> None:
    journal = SlowJournal()
    recorder = a_recorder(journal)
    call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    journal.is_open.clear()

    with pytest.raises(RecordingUnavailable):
        await call.finish(OK)
    journal.is_open.set()
    assert await recorder.stop()

    [event] = events_of(journal)
    assert "errorCode" not in event
    assert journal.pending_calls() == []


async def test_a_result_that_the_journal_refused_is_stored_once_it_can_be() -> None:
    journal = InMemoryJournal()
    clock = HandClock()
    recorder = FailClosedRecorder(journal, a_builder(), a_resolver(clock), some_regions(journal), clock)
    call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    journal.is_unavailable = True

    with pytest.raises(RecordingUnavailable):
        await call.finish(OK)
    journal.is_unavailable = False
    assert await recorder.stop()

    assert len(events_of(journal)) == 1


async def test_an_abandoned_call_never_raises() -> None:
    journal = InMemoryJournal()
    recorder = a_recorder(journal)
    call = await recorder.begin(a_request(), DELETE_BUCKET, a_scope())
    journal.is_unavailable = True

    await call.abandon("upstream-closed")
    assert await recorder.stop()

    assert len(journal.pending_calls()) == 1


async def test_a_cancelled_beginning_leaves_no_pending_call_behind() -> None:
    journal = SlowJournal()
    journal.is_open.clear()
    recorder = a_recorder(journal)
    beginning = asyncio.create_task(recorder.begin(a_request(), DELETE_BUCKET, a_scope()))
    await asyncio.sleep(0.01)

    beginning.cancel()
    await asyncio.gather(beginning, return_exceptions=True)
    journal.is_open.set()
    assert await recorder.stop()

    assert journal.pending_calls() == []
