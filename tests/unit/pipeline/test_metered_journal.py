"""The figures of /metrics count what became durable, and what did not."""

import pytest
from prometheus_client import CollectorRegistry

from opentrail.pipeline.metered_journal import MeteredJournal
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, SettingsEntry
from tests.memory.journal import InMemoryJournal


async def test_events_are_counted_once_durable_and_settings_are_not() -> None:
    registry = CollectorRegistry()
    journal = MeteredJournal(InMemoryJournal(), registry)

    await journal.append([EventEntry(b"{}"), SettingsEntry("regions", b"[]")])
    call = await journal.open_call(b"{}")
    await journal.close_call(call, [EventEntry(b"{}")])

    assert registry.get_sample_value("opentrail_events_recorded_total") == 2
    assert registry.get_sample_value("opentrail_journal_failures_total") == 0
    assert registry.get_sample_value("opentrail_journal_write_seconds_count") == 3


async def test_a_batch_that_was_not_taken_is_a_failure() -> None:
    registry = CollectorRegistry()
    full = InMemoryJournal()
    full.is_unavailable = True
    journal = MeteredJournal(full, registry)

    with pytest.raises(Unavailable):
        await journal.append([EventEntry(b"{}")])

    assert registry.get_sample_value("opentrail_events_recorded_total") == 0
    assert registry.get_sample_value("opentrail_journal_failures_total") == 1


async def test_a_call_is_pending_from_its_opening_to_its_settling_and_counted_by_its_result() -> None:
    registry = CollectorRegistry()
    journal = MeteredJournal(InMemoryJournal(), registry)
    denied = b'{"errorCode":"AccessDenied","requestParameters":null,"eventType":"AwsApiCall"}'

    call = await journal.open_call(b"{}")
    assert registry.get_sample_value("opentrail_calls_pending") == 1

    await journal.close_call(call, [EventEntry(denied)])
    assert registry.get_sample_value("opentrail_calls_pending") == 0
    assert registry.get_sample_value("opentrail_gateway_call_seconds_count") == 1
    assert registry.get_sample_value("opentrail_calls_recorded_total", {"result": "denied"}) == 1


async def test_a_call_whose_settling_failed_stays_pending() -> None:
    registry = CollectorRegistry()
    full = InMemoryJournal()
    journal = MeteredJournal(full, registry)
    call = await journal.open_call(b"{}")

    full.is_unavailable = True
    with pytest.raises(Unavailable):
        await journal.close_call(call, [EventEntry(b"{}")])

    assert registry.get_sample_value("opentrail_calls_pending") == 1


async def test_a_reader_is_behind_by_what_was_appended_past_its_position() -> None:
    journal = MeteredJournal(InMemoryJournal(), CollectorRegistry())
    first = await journal.append([EventEntry(b"{}")])
    assert journal.marks.lag(first).entries == 0

    await journal.append([EventEntry(b"{}"), SettingsEntry("regions", b"[]")])

    assert journal.marks.lag(first).entries >= 2
