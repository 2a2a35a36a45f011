"""What a start makes good after a crash."""

from opentrail.pipeline.recording import FailClosedRecorder, record_unclean_stop, recover_abandoned_calls
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


async def a_crashed_journal(region: str = REGION) -> InMemoryJournal:
    journal, clock = InMemoryJournal(), HandClock()
    recorder = FailClosedRecorder(journal, a_builder(), a_resolver(clock), some_regions(journal), clock)
    done = await recorder.begin(a_request("done"), DELETE_BUCKET, a_scope(region))
    await done.finish(OK)
    for name in ("first", "second"):
        await recorder.begin(a_request(name), DELETE_BUCKET, a_scope(region))
    return journal.restarted()


async def test_pending_calls_of_an_earlier_process_become_events_with_outcome_unknown() -> None:
    journal = await a_crashed_journal()

    count = await recover_abandoned_calls(journal, a_builder(), some_regions(journal))

    assert count == 2
    _, first, second = events_of(journal)
    assert [first["requestParameters"]["bucketName"], second["requestParameters"]["bucketName"]] == ["first", "second"]
    assert own_members(first)["outcome"] == own_members(second)["outcome"] == "unknown"
    assert journal.pending_calls() == []


async def test_recovering_twice_records_nothing_twice() -> None:
    journal = await a_crashed_journal()

    await recover_abandoned_calls(journal, a_builder(), some_regions(journal))
    count = await recover_abandoned_calls(journal.restarted(), a_builder(), some_regions(journal))

    assert count == 0


async def test_a_recovered_call_enables_its_region() -> None:
    journal = await a_crashed_journal("eu-west-1")

    await recover_abandoned_calls(journal, a_builder(), some_regions(journal))

    assert ["eu-west-1", "us-east-1"] in settings_of(journal)


async def test_an_unclean_stop_is_a_gap_without_a_count() -> None:
    journal = await a_crashed_journal()
    clock = HandClock()

    assert await record_unclean_stop(
        journal, a_builder(), some_regions(journal), clock, account_id=ACCOUNT, region=REGION
    )

    details = events_of(journal)[-1]["serviceEventDetails"]
    assert details["unrecordedCalls"] is None
    assert details["reason"] == "unclean-stop"


async def test_a_clean_stop_leaves_no_gap() -> None:
    journal = InMemoryJournal()
    await journal.close()
    later = journal.restarted()

    assert not await record_unclean_stop(
        later, a_builder(), some_regions(later), HandClock(), account_id=ACCOUNT, region=REGION
    )
    assert later.entries() == []
