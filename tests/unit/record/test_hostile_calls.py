"""Whatever comes in, an event within its bounds comes out."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.event import Event
from opentrail.event.encoding import encode_event
from opentrail.event.limits import EVENT_LIMIT_BYTES
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.identity import CallerIdentity
from opentrail.protocol import CredentialScope, Operation
from tests.unit.record.calls import COMPLETED, RECEIVED, a_builder, a_request, a_response, a_scope, a_user, recorded

OPERATIONS = [
    None,
    Operation("cloudtrail", "CreateTrail"),
    Operation("cloudtrail", "PutEventSelectors"),
    Operation("dynamodb", "PutItem"),
    Operation("ec2", "RunInstances"),
    Operation("ec2", "CreateLaunchTemplate"),
    Operation("iam", "CreateLoginProfile"),
    Operation("lambda", "CreateFunction"),
    Operation("nosuchservice", "Anything"),
    Operation("s3", "PutBucketLifecycleConfiguration"),
    Operation("s3", "PutBucketPolicy"),
    Operation("s3", "PutObject"),
    Operation("s3", "NoSuchOperation"),
    Operation("sqs", "SendMessage"),
    Operation("sts", "AssumeRole"),
]
CONTENT_TYPES = ["application/x-amz-json-1.1", "application/x-www-form-urlencoded", "application/xml", "text/plain", ""]

bodies = st.one_of(
    st.none(),
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=20), st.integers(-(2**63), 2**63)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
        max_leaves=12,
    ).map(lambda value: repr(value).replace("'", '"').replace("True", "true").replace("None", "null").encode()),
)
header_texts = st.text(st.characters(max_codepoint=255), max_size=60)
requests = st.builds(
    lambda method, path, content_type, agent, token, body: HttpRequest(
        method,
        "/" + path,
        (("Host", agent[:20]), ("Content-Type", content_type), ("User-Agent", agent), ("x-amz-acl", token)),
        body,
        "192.0.2.1",
        len(body or b"") or 7,
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "BREW"]),
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.sampled_from(CONTENT_TYPES),
    header_texts,
    header_texts,
    bodies,
)
responses = st.builds(
    lambda status, request_id, body: HttpResponse(status, (("x-amzn-RequestId", request_id),), body, len(body or b"")),
    st.sampled_from([200, 204, 302, 304, 400, 403, 404, 500, 503]),
    header_texts,
    bodies,
)
scopes = st.one_of(
    st.none(),
    st.builds(
        CredentialScope,
        header_texts,
        st.one_of(header_texts, st.just("eu-west-1")),
        header_texts,
        st.sampled_from(["AWS4-HMAC-SHA256", "AWS"]),
        st.none(),
        st.booleans(),
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests, st.sampled_from(OPERATIONS), scopes, header_texts, responses, st.sampled_from(OPERATIONS))
def test_any_bytes_make_a_well_formed_event(
    request: HttpRequest,
    operation: Operation | None,
    scope: CredentialScope | None,
    key: str,
    response: HttpResponse,
    answered: Operation | None,
) -> None:
    builder = a_builder()

    begun = builder.begin(request, operation, scope, CallerIdentity(None, key, False), RECEIVED)
    stored: Event = orjson.loads(encode_event(begun))
    finished = builder.finish(stored, answered, response, COMPLETED)
    abandoned = builder.finish_unknown(stored, key)

    for event in (begun, finished, abandoned):
        encoded = encode_event(event)
        assert len(encoded) <= EVENT_LIMIT_BYTES
        assert event["eventType"] == "AwsApiCall"
        assert event["eventID"] == begun["eventID"]


@pytest.mark.parametrize(
    "value",
    [
        "lone \ud800 surrogate",
        10**5000,
        2**70,
        -(2**64),
        float("nan"),
        float("-inf"),
        b"\xff",
        "\x00",
        {1: 2},
        {"\udfff": 1},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("member", ["Name", "TagsList", "IsMultiRegionTrail"])
def test_values_that_json_cannot_hold_are_made_harmless(member: str, value: Any) -> None:
    event = recorded("cloudtrail", "CreateTrail", {member: value, "S3BucketName": "b"}, {"Name": value})

    assert orjson.loads(encode_event(event))["requestParameters"]["s3BucketName"] == "b"


def test_deep_nesting_is_cut() -> None:
    nested: Any = "bottom"
    for _ in range(5000):
        nested = [nested]

    event = recorded("cloudtrail", "CreateTrail", {"Name": nested, "S3BucketName": "b"})

    assert len(encode_event(event)) < 4096


def test_a_recursive_shape_nested_beyond_reason_costs_only_the_parameters() -> None:
    nested: Any = {"Id": "x"}
    for _ in range(5000):
        nested = {"Or": [nested]}

    event = recorded("ce", "GetCostAndUsage", {"Filter": nested})

    assert event["eventName"] == "GetCostAndUsage"
    assert len(encode_event(event)) <= EVENT_LIMIT_BYTES


def test_a_huge_request_is_omitted_with_its_size() -> None:
    event = recorded("cloudtrail", "CreateTrail", {"Name": "n" * 150_000})

    assert event["requestParameters"]["omitted"] is True
    assert event["requestParameters"]["originalSize"] > 150_000
    assert event["eventName"] == "CreateTrail"


def test_everything_huge_at_once_still_fits() -> None:
    long = "\x00" * 90_000
    request = a_request(
        "PUT",
        "/" + "p" * 200_000,
        (("User-Agent", long), ("x-amz-acl", long)),
        peer="9" * 100_000,
        is_tls=True,
    )

    event = recorded(
        "s3",
        "PutBucketAcl",
        {"Bucket": "b" * 100_000, "Key": "k" * 100_000},
        request=request,
        caller=CallerIdentity(None, "A" * 100_000, False),
        scope=a_scope(long, long),
        code=long,
        message=long,
        request_id=long,
    )

    assert len(encode_event(event)) <= EVENT_LIMIT_BYTES
    assert event["eventName"] == "PutBucketAcl"
    assert event["additionalEventData"]["opentrail"]["identity"] == "claimed"


def test_a_malformed_body_is_recorded_without_parameters() -> None:
    builder = a_builder()

    event = builder.begin(
        a_request(body=b"{not json"), Operation("cloudtrail", "CreateTrail"), a_scope(), a_user(), RECEIVED
    )

    assert event["eventName"] == "CreateTrail"
    assert event["requestParameters"] is None
    assert event["additionalEventData"]["opentrail"]["requestParameters"] == "malformed"


def test_what_the_address_says_survives_a_malformed_body() -> None:
    request = a_request("PUT", "/my-bucket?lifecycle", (("Content-Type", "application/xml"),), b"<not-closed")

    event = a_builder().begin(
        request, Operation("s3", "PutBucketLifecycleConfiguration"), a_scope("s3"), a_user(), RECEIVED
    )

    assert event["requestParameters"]["bucketName"] == "my-bucket"
    assert event["resources"][0]["ARN"] == "arn:aws:s3:::my-bucket"
    assert event["additionalEventData"]["opentrail"]["requestParameters"] == "malformed"


def test_a_body_that_was_not_held_is_said_to_be_missing() -> None:
    builder, operation = a_builder(), Operation("cloudtrail", "CreateTrail")
    request = a_request(body=None, body_size_bytes=5_000_000)

    event = builder.begin(request, operation, a_scope(), a_user(), RECEIVED)
    event = builder.finish(event, operation, a_response(200, body=None, size=9_000_000), COMPLETED)

    assert event["additionalEventData"]["opentrail"] == {"requestBody": "omitted", "responseBody": "omitted"}


def test_an_answer_that_does_not_parse_is_recorded_by_its_status() -> None:
    builder, operation = a_builder(), Operation("iam", "CreateUser")
    event = builder.begin(a_request(), operation, a_scope("iam"), a_user(), RECEIVED, parameters={"UserName": "x"})

    finished = builder.finish(event, operation, a_response(502, body=b"<html>bad gateway"), COMPLETED)

    assert finished["errorCode"]
    assert finished["responseElements"] is None
    assert finished["requestParameters"] == {"userName": "x"}
