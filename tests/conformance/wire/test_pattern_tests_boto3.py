"""TestEventPattern and TestMetricFilter as boto3 sees them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.api import ApiInThread, recorded

Connect = Callable[..., Any]

EVENT = dict.fromkeys(("id", "account", "source", "time", "region", "resources", "detail-type"), "x")


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_event_patterns_are_tried(connect: Connect) -> None:
    events = connect("events")

    assert events.test_event_pattern(EventPattern='{"source": ["x"]}', Event=json.dumps(EVENT))["Result"] is True
    assert events.test_event_pattern(EventPattern='{"source": ["y"]}', Event=json.dumps(EVENT))["Result"] is False
    code, message = error_of(lambda: events.test_event_pattern(EventPattern="[]", Event=json.dumps(EVENT)))
    assert code == "InvalidEventPatternException"
    assert message.startswith("Event pattern is not valid. Reason: Filter is not an object")
    code, message = error_of(lambda: events.test_event_pattern(EventPattern="{}", Event="x"))
    assert (code, message) == ("ValidationException", "Parameter Event is not valid.")
    code, message = error_of(lambda: events.test_event_pattern(EventPattern="x" * 4097, Event=json.dumps(EVENT)))
    assert code == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 4096")


def test_filter_patterns_are_tried(connect: Connect) -> None:
    logs = connect("logs")

    [match] = logs.test_metric_filter(filterPattern="[a, b]", logEventMessages=["1 2", "3"])["matches"]

    assert match == {"eventNumber": 1, "eventMessage": "1 2", "extractedValues": {"$a": "1", "$b": "2"}}
    code, message = error_of(lambda: logs.test_metric_filter(filterPattern="x" * 1025, logEventMessages=["a"]))
    assert code == "InvalidParameterException"
    assert message.endswith(
        "at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to 1024"
    )
    code, _ = error_of(lambda: logs.test_metric_filter(filterPattern="a", logEventMessages=["a"] * 51))
    assert code == "InvalidParameterException"


@pytest.mark.parametrize(("service", "operation"), [("events", "list_event_sources"), ("logs", "describe_deliveries")])
def test_other_operations_have_the_service_s_own_error(connect: Connect, service: str, operation: str) -> None:
    code, message = error_of(getattr(connect(service), operation))

    assert code == "UnknownOperationException"
    assert f"upstream.{service}" in message


def test_what_is_tried_is_not_kept_on_record(api: ApiInThread, connect: Connect) -> None:
    event = EVENT | {"detail": {"password": "hunter2"}}
    connect("events").test_event_pattern(EventPattern='{"source": ["x"]}', Event=json.dumps(event))
    connect("logs").test_metric_filter(filterPattern="hunter2", logEventMessages=["password is hunter2!"])

    tried, filtered = recorded(api.world)[-2:]
    assert (tried["eventSource"], tried["eventName"], tried["readOnly"]) == (
        "events.amazonaws.com",
        "TestEventPattern",
        True,
    )
    assert "hunter2" not in json.dumps(tried)
    assert filtered["requestParameters"]["logEventMessages"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert "hunter2!" not in json.dumps(filtered)
