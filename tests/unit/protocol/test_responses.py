"""Answers in each service's own form."""

from typing import Any

import orjson
import pytest
from botocore.model import OperationModel
from hypothesis import HealthCheck, given, settings

from opentrail.http_message import HttpResponse
from opentrail.protocol import Operation
from opentrail.protocol.observed import parse_response
from opentrail.protocol.responses import format_error, format_response
from tests.unit.protocol.drawing import calls

REQUEST_ID = "7a62c49f-347e-4fc4-9331-6e8eEXAMPLE"


def test_json_answers_carry_version_request_id_and_no_nulls() -> None:
    response = format_response(
        Operation("cloudtrail", "GetTrailStatus"), {"IsLogging": True, "LatestDeliveryError": None}, REQUEST_ID
    )

    assert response.status == 200
    assert response.headers.get("content-type") == "application/x-amz-json-1.1"
    assert response.headers.get("x-amzn-requestid") == REQUEST_ID
    assert response.body == b'{"IsLogging":true}'


def test_json_errors_name_their_type() -> None:
    response = format_error("cloudtrail", "TrailNotFoundException", "Unknown trail", 400, REQUEST_ID)

    assert response.status == 400
    assert orjson.loads(response.body or b"") == {"__type": "TrailNotFoundException", "message": "Unknown trail"}


def test_query_answers_are_wrapped_and_namespaced() -> None:
    response = format_response(
        Operation("sts", "GetCallerIdentity"), {"UserId": "1", "Account": "1", "Arn": "a&b"}, REQUEST_ID
    )

    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        b"<UserId>1</UserId><Account>1</Account><Arn>a&amp;b</Arn></GetCallerIdentityResult>"
        b"<ResponseMetadata><RequestId>" + REQUEST_ID.encode() + b"</RequestId></ResponseMetadata>"
        b"</GetCallerIdentityResponse>"
    )


def test_s3_answers_have_its_roots_namespace_and_ids() -> None:
    listing = format_response(Operation("s3", "ListObjectsV2"), {"Name": "b", "KeyCount": 0}, REQUEST_ID)
    location = format_response(Operation("s3", "GetBucketLocation"), {"LocationConstraint": "eu-west-1"}, REQUEST_ID)

    namespace = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    assert b"<ListBucketResult " + namespace + b"><Name>b</Name>" in (listing.body or b"")
    assert b"<LocationConstraint " + namespace + b">eu-west-1</LocationConstraint>" in (location.body or b"")
    assert listing.headers.get("x-amz-request-id") == REQUEST_ID


def test_object_bodies_and_metadata_go_out_as_they_are() -> None:
    output = {"Body": b"\x00\xff", "Metadata": {"signature": "ab"}, "ContentType": "a/b", "ETag": '"e"'}

    response = format_response(Operation("s3", "GetObject"), output, REQUEST_ID)

    assert response.body == b"\x00\xff"
    assert response.headers.get("x-amz-meta-signature") == "ab"
    assert response.headers.get("content-type") == "a/b"
    assert response.headers.get("etag") == '"e"'


def test_a_head_answer_has_no_body() -> None:
    operation = Operation("s3", "HeadObject")

    assert format_response(operation, {"ContentLength": 3}, REQUEST_ID).body == b""
    assert format_error(operation, "NoSuchKey", "gone", 404, REQUEST_ID).body == b""


def test_line_ends_cannot_split_a_header() -> None:
    output = {"Metadata": {"a": "x\r\nSet-Cookie: y"}}

    response = format_response(Operation("s3", "HeadObject"), output, REQUEST_ID)

    assert response.headers.get("x-amz-meta-a") == "x  Set-Cookie: y"


@pytest.mark.parametrize(
    "subject",
    [
        "cloudtrail",
        "iam",
        "ec2",
        "s3",
        "route53",
        "lambda",
        "dynamodb",
        "cloudwatch",
        "sqs",
        Operation("s3", "GetObject"),
        Operation("cloudtrail-data", "PutAuditEvents"),
    ],
)
def test_every_protocols_errors_are_read_back(subject: str | Operation) -> None:
    operations = {
        "cloudtrail": "GetTrail",
        "iam": "GetUser",
        "ec2": "RunInstances",
        "s3": "GetObject",
        "route53": "GetHostedZone",
        "lambda": "Invoke",
        "dynamodb": "GetItem",
        "cloudwatch": "PutMetricData",
        "sqs": "SendMessage",
    }
    operation = subject if isinstance(subject, Operation) else Operation(subject, operations[subject])

    response = format_error(subject, "SomeCode", "a <message> & more", 403, REQUEST_ID, extra={"Resource": "/x"})
    observed = parse_response(operation, response)

    assert (observed.error_code, observed.error_message) == ("SomeCode", "a <message> & more")
    assert observed.request_id == REQUEST_ID
    assert observed.output == {}


def test_the_message_is_spelled_as_the_model_spells_it() -> None:
    response = format_error("lambda", "ResourceNotFoundException", "no", 404, REQUEST_ID)

    assert orjson.loads(response.body or b"")["Message"] == "no"
    assert response.headers.get("x-amzn-errortype") == "ResourceNotFoundException"


def test_former_query_services_tell_the_old_code_too() -> None:
    response = format_error("cloudwatch", "DashboardNotFoundError", "no", 404, REQUEST_ID, protocol="json")

    assert response.headers.get("x-amzn-query-error") == "ResourceNotFound;Sender"


def test_a_service_of_several_protocols_answers_in_the_asked_one() -> None:
    operation = Operation("cloudwatch", "DescribeAlarms")

    assert b"<DescribeAlarmsResponse" in (format_response(operation, {}, "r", protocol="query").body or b"")
    assert format_response(operation, {}, "r", protocol="json").body == b"{}"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls("output"))
def test_what_we_answer_botocore_reads_back(call: tuple[OperationModel, dict[str, Any]]) -> None:
    model, output = call
    operation = Operation(model.service_model.service_name, model.name)

    observed = parse_response(operation, format_response(operation, output, REQUEST_ID))

    shape = model.output_shape
    payload = str(shape.serialization.get("payload", "")) if shape is not None else ""
    expected = dict(output)
    if (payload and expected.get(payload) in ("", b"")) or model.http["method"] == "HEAD":
        expected.pop(payload, None)
    found = dict(observed.output)
    for name in set(found) - set(expected):
        assert name == payload or name.endswith("ContentType")  # an empty payload; the type we had to state
        del found[name]
    assert observed.error_code == ""
    assert found == expected


@pytest.mark.parametrize(
    ("service", "operation", "code", "protocol", "old_code"),
    [
        ("iam", "GetUser", "NoSuchEntityException", "query", "NoSuchEntity"),
        ("cloudwatch", "GetDashboard", "DashboardNotFoundError", "smithy-rpc-v2-cbor", "ResourceNotFound"),
        ("cloudwatch", "GetDashboard", "DashboardNotFoundError", "json", "ResourceNotFound"),
        ("cloudwatch", "GetDashboard", "DashboardNotFoundError", "query", "ResourceNotFound"),
    ],
)
def test_query_compatible_errors_are_written_and_read_in_each_protocol(
    service: str, operation: str, code: str, protocol: str, old_code: str
) -> None:
    called = Operation(service, operation)

    response = format_error(called, code, "no", 400, REQUEST_ID, protocol=protocol)
    observed = parse_response(called, response)

    assert observed.error_code == old_code
    assert observed.error_message == "no"
    if protocol == "query":
        assert b"<Code>" + old_code.encode() + b"</Code>" in (response.body or b"")
    else:
        assert response.headers.get("x-amzn-query-error") == f"{old_code};Sender"
        assert code.encode() in (response.body or b"")


def test_the_old_code_of_a_former_query_service_is_read_from_its_header() -> None:
    headers = (
        ("Content-Type", "application/x-amz-json-1.0"),
        ("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
        ("x-amzn-RequestId", REQUEST_ID),
    )
    body = b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}'

    observed = parse_response(Operation("sqs", "SendMessage"), HttpResponse(400, headers, body, len(body)))

    assert observed.error_code == "AWS.SimpleQueueService.NonExistentQueue"
    assert observed.error_message == "no"
