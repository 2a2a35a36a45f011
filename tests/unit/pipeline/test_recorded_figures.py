"""Results and gaps are read off the events; what a caller chose cannot pass for either."""

from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from opentrail.event.encoding import encode_event
from opentrail.event.fields import add_own_members, in_order
from opentrail.pipeline.delivery_context import CUT_LOOSE
from opentrail.pipeline.recorded_figures import RESULTS, RecordedFigures, result_of
from opentrail.ports.journal import CallId
from opentrail.record.service_events import gap_event
from tests.builders import NOON, an_event


def recorded(**changes: Any) -> bytes:
    return encode_event(in_order(an_event(**changes)))


def a_gap(reason: str, count: int | None) -> bytes:
    event = gap_event("123456789012", "us-east-1", NOON, NOON, count, reason, event_id="e")
    return encode_event(event)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("AccessDenied", "denied"),
        ("AccessDeniedException", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("ThrottlingException", "throttled"),
        ("SlowDown", "throttled"),
        ("InternalFailure", "fault"),
        ("ServiceUnavailable", "fault"),
        ("NoSuchBucket", "error"),
    ],
)
def test_an_error_is_classed_by_its_code(code: str, result: str) -> None:
    assert result in RESULTS
    assert result_of(recorded(errorCode=code, errorMessage="no")) == result


def test_a_call_without_an_error_is_ok_whatever_its_parameters_say() -> None:
    hostile = {"errorCode": "AccessDenied", "opentrail": {"outcome": "unknown"}, "text": '"errorCode":"AccessDenied"'}

    assert result_of(recorded(requestParameters=hostile, responseElements=hostile)) == "ok"


def test_a_call_whose_answer_nobody_saw_is_unknown() -> None:
    event = an_event()
    add_own_members(event, outcome="unknown", reason="gateway-stopped")

    assert result_of(encode_event(in_order(event))) == "unknown"


def test_calls_are_counted_by_result() -> None:
    registry = CollectorRegistry()
    figures = RecordedFigures(registry)

    for event in (recorded(), recorded(), recorded(errorCode="AccessDenied"), a_gap("queue-full", 7)):
        figures.recorded(event)

    counted = {
        result: registry.get_sample_value("opentrail_calls_recorded_total", {"result": result}) for result in RESULTS
    }
    assert counted == {"ok": 2, "denied": 1, "throttled": 0, "fault": 0, "error": 0, "unknown": 0}


def test_gaps_are_counted_by_reason_with_the_calls_they_miss() -> None:
    registry = CollectorRegistry()
    figures = RecordedFigures(registry)

    for event in (a_gap("queue-full", 7), a_gap("queue-full", 2), a_gap("unclean-stop", None)):
        figures.recorded(event)

    assert registry.get_sample_value("opentrail_recording_gaps_total", {"reason": "queue-full"}) == 2
    assert registry.get_sample_value("opentrail_recording_gaps_total", {"reason": "unclean-stop"}) == 1
    assert registry.get_sample_value("opentrail_calls_unrecorded_total") == 9


def test_an_event_that_only_mentions_a_gap_is_none() -> None:
    registry = CollectorRegistry()
    figures = RecordedFigures(registry)
    nested = {"eventName": "RecordingGap", "serviceEventDetails": {"unrecordedCalls": 5}}

    figures.recorded(recorded(eventType="AwsServiceEvent", requestParameters=nested))

    assert registry.get_sample_value("opentrail_calls_unrecorded_total") == 0


def test_reasons_are_there_before_the_first_gap_and_bounded() -> None:
    registry = CollectorRegistry()
    figures = RecordedFigures(registry)
    assert registry.get_sample_value("opentrail_recording_gaps_total", {"reason": "cut-loose"}) == 0

    for number in range(5):
        figures.recorded(a_gap(f"reason-{number}", 1))
    figures.recorded(a_gap(CUT_LOOSE, None))

    assert registry.get_sample_value("opentrail_recording_gaps_total", {"reason": "other"}) == 5
    assert registry.get_sample_value("opentrail_recording_gaps_total", {"reason": "cut-loose"}) == 1


def test_pending_calls_are_counted_and_timed_until_they_are_settled() -> None:
    registry = CollectorRegistry()
    figures = RecordedFigures(registry)
    first, second = CallId("1"), CallId("2")

    figures.opened(first)
    figures.opened(second)
    assert registry.get_sample_value("opentrail_calls_pending") == 2
    assert (registry.get_sample_value("opentrail_oldest_pending_call_seconds") or 0) > 0

    figures.settled(first)
    figures.settled(second)
    figures.settled(CallId("of an earlier process"))
    assert registry.get_sample_value("opentrail_calls_pending") == 0
    assert registry.get_sample_value("opentrail_oldest_pending_call_seconds") == 0
    assert registry.get_sample_value("opentrail_gateway_call_seconds_count") == 2


def test_an_event_that_is_no_call_is_not_counted_as_one() -> None:
    registry = CollectorRegistry()

    RecordedFigures(registry).recorded(orjson.dumps({"eventType": "AwsServiceEvent", "eventName": "CreateUser"}))

    assert registry.get_sample_value("opentrail_calls_recorded_total", {"result": "ok"}) == 0
