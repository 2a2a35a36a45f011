"""One DeleteObject event for each key of a DeleteObjects call."""

from typing import Any

import orjson
import pytest

from opentrail.http_message import HttpResponse
from opentrail.protocol import Operation
from opentrail.record.deletions import MAX_DELETIONS
from opentrail.record.events import EncodedEvent
from tests.unit.record.calls import COMPLETED, RECEIVED, a_builder, a_request, a_response, a_result, a_scope, a_user

DELETE_OBJECTS = Operation("s3", "DeleteObjects")
BUCKET_ARN = "arn:aws:s3:::ledger"


def finished(
    objects: list[dict[str, Any]], output: dict[str, Any], *, response: HttpResponse | None = None, **result: Any
) -> tuple[EncodedEvent, list[dict[str, Any]]]:
    """Return the event of a DeleteObjects call, and those that go with it."""
    builder = a_builder()
    begun = builder.begin(
        a_request(),
        DELETE_OBJECTS,
        a_scope("s3"),
        a_user(),
        RECEIVED,
        parameters={"Bucket": "ledger", "Delete": {"Objects": objects}},
    )
    answered = a_result(output, **result)
    call = builder.finish_encoded(begun, DELETE_OBJECTS, response or a_response(), COMPLETED, result=answered)
    return call, [orjson.loads(text) for text in call.further]


def test_every_key_has_an_event_of_its_own_in_the_order_of_the_call() -> None:
    objects = [{"Key": "b"}, {"Key": "a/1", "VersionId": "v1"}]
    output = {"Deleted": [{"Key": "a/1", "VersionId": "v1"}, {"Key": "b"}]}

    call, further = finished(objects, output)

    assert [event["requestParameters"]["key"] for event in further] == ["b", "a/1"]
    assert further[1]["requestParameters"]["versionId"] == "v1"
    assert further[1]["responseElements"] == {"x-amz-version-id": "v1"}
    assert {event["eventName"] for event in further} == {"DeleteObject"}
    assert [resource["ARN"] for resource in further[0]["resources"]] == [f"{BUCKET_ARN}/b", BUCKET_ARN]
    same = ("requestID", "eventTime", "userIdentity", "eventCategory", "readOnly", "awsRegion", "recipientAccountId")
    assert all(event[name] == call.event[name] for event in further for name in same)
    assert len({call.event["eventID"], *(event["eventID"] for event in further)}) == 3


def test_what_failed_says_why_and_the_rest_succeeded() -> None:
    output = {"Deleted": [], "Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "Access Denied"}]}

    _, further = finished([{"Key": "a"}, {"Key": "b"}], output)

    assert [event.get("errorCode") for event in further] == ["AccessDenied", None]
    assert further[0]["errorMessage"] == "Access Denied"


def test_a_delete_marker_is_told() -> None:
    output = {"Deleted": [{"Key": "a", "DeleteMarker": True, "DeleteMarkerVersionId": "m1"}]}

    _, further = finished([{"Key": "a"}], output)

    assert further[0]["responseElements"] == {"x-amz-delete-marker": "true", "x-amz-version-id": "m1"}


@pytest.mark.parametrize("key", ["7", "true", "false", "-3", "007", "ключ", "a b"])
def test_keys_that_read_as_numbers_stay_keys(key: str) -> None:
    _, further = finished([{"Key": key}], {"Deleted": [{"Key": key}]})

    assert [event["requestParameters"]["key"] for event in further] == [key]


def test_a_refused_call_deleted_nothing() -> None:
    call, further = finished(
        [{"Key": "a"}], {}, response=a_response(status=403), code="AccessDenied", message="Access Denied"
    )

    assert call.event["errorCode"] == "AccessDenied"
    assert further == []


def test_parameters_too_long_to_keep_leave_the_keys_of_the_answer() -> None:
    objects = [{"Key": f"{number:04d}" + "k" * 500} for number in range(MAX_DELETIONS)]

    call, further = finished(objects, {"Deleted": objects})

    assert call.event["requestParameters"]["omitted"] is True
    assert [event["requestParameters"]["key"] for event in further] == [entry["Key"] for entry in objects]


def test_no_more_events_than_a_call_may_name_keys_and_none_for_a_key_too_long() -> None:
    many = [{"Key": f"{number}k"} for number in range(MAX_DELETIONS + 5)]

    _, further = finished(many, {})
    _, none = finished([{"Key": "k" * 1025}, {"Key": ""}], {})

    assert len(further) == MAX_DELETIONS
    assert none == []


def test_other_calls_have_one_event() -> None:
    builder, operation = a_builder(), Operation("s3", "DeleteObject")
    parameters = {"Bucket": "ledger", "Key": "a"}
    begun = builder.begin(a_request(), operation, a_scope("s3"), a_user(), RECEIVED, parameters=parameters)

    assert builder.finish_encoded(begun, operation, a_response(status=204), COMPLETED).further == ()
