"""Identification against what botocore sends."""

import zlib
from dataclasses import replace

import botocore
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, models
from opentrail.protocol.build_index import build
from opentrail.protocol.identify import identify
from opentrail.protocol.index import INDEX_PATH, operation_index
from opentrail.protocol.scope import read_scope
from tests.unit.protocol.botocore_requests import http_request, minimal_parameters

FORM = "application/x-www-form-urlencoded"

OLD_NAMES = {
    Operation("s3", "GetBucketLifecycle"): "GetBucketLifecycleConfiguration",
    Operation("s3", "GetBucketNotification"): "GetBucketNotificationConfiguration",
    Operation("s3", "PutBucketLifecycle"): "PutBucketLifecycleConfiguration",
    Operation("s3", "PutBucketNotification"): "PutBucketNotificationConfiguration",
}
"""Deprecated operations that look the same on the wire as the ones that took their place."""


def identified(request: HttpRequest) -> Operation | None:
    return identify(request, read_scope(request))


def signed_as(signing_name: str, method: str, target: str, body: bytes = b"", **headers: str) -> HttpRequest:
    scope = f"AKIA/20260304/us-east-1/{signing_name}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    items = (("Host", "127.0.0.1:4700"), ("Authorization", authorization), *named.items())
    return HttpRequest(method, target, items, body, "127.0.0.1", len(body))


def unsigned(method: str, target: str, body: bytes = b"", **headers: str) -> HttpRequest:
    named = {"Host": "127.0.0.1:4700"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method, target, tuple(named.items()), body, "127.0.0.1", len(body))


@pytest.mark.parametrize("service", ["cloudtrail", "sts", "iam", "s3", "ec2", "dynamodb", "lambda"])
def test_every_operation_of_the_first_services_is_identified(service: str) -> None:
    model = models.service_model(service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        expected = Operation(service, OLD_NAMES.get(Operation(service, name), name))

        assert identified(http_request(operation, minimal_parameters(operation))) == expected, name


@pytest.mark.parametrize("protocol", ["json", "query", "smithy-rpc-v2-cbor"])
def test_a_service_of_several_protocols_is_identified_in_each(protocol: str) -> None:
    operation = models.service_model("cloudwatch").operation_model("PutMetricAlarm")

    request = http_request(operation, minimal_parameters(operation), protocol=protocol)

    assert identified(request) == Operation("cloudwatch", "PutMetricAlarm")


@pytest.mark.parametrize(
    "target",
    ["com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "CloudTrail_20131101.LookupEvents"],
)
def test_both_forms_of_the_target_header_are_known_signed_or_not(target: str) -> None:
    expected = Operation("cloudtrail", "LookupEvents")

    assert identified(signed_as("cloudtrail", "POST", "/", b"{}", X_Amz_Target=target)) == expected
    assert identified(unsigned("POST", "/", b"{}", X_Amz_Target=target)) == expected


def test_a_target_of_another_service_than_the_signed_one_is_not_believed() -> None:
    assert identified(signed_as("sts", "POST", "/", b"{}", X_Amz_Target="DynamoDB_20120810.PutItem")) is None
    put = signed_as("s3", "PUT", "/bucket/key", b"{}", X_Amz_Target="DynamoDB_20120810.PutItem")
    assert identified(put) == Operation("s3", "PutObject")


def test_query_calls_are_known_from_body_or_query_string() -> None:
    form = "application/x-www-form-urlencoded; charset=utf-8"
    body = b"UserName=a&Action=CreateUser&Version=2010-05-08"

    assert identified(signed_as("iam", "POST", "/", body, Content_Type=form)) == Operation("iam", "CreateUser")
    assert identified(signed_as("iam", "GET", "/?Action=ListUsers&Version=2010-05-08")) == Operation("iam", "ListUsers")
    old_sqs = signed_as("sqs", "POST", "/123456789012/queue", b"Action=SendMessage&MessageBody=x", Content_Type=form)
    assert identified(old_sqs) == Operation("sqs", "SendMessage")


def test_calls_that_may_come_unsigned_are_known() -> None:
    assert identified(unsigned("GET", "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15")) == Operation(
        "sts", "AssumeRoleWithWebIdentity"
    )
    assert identified(unsigned("POST", "/token", b"{}")) == Operation("sso-oidc", "CreateToken")
    assert identified(unsigned("GET", "/bucket/public.txt")) == Operation("s3", "GetObject")


def test_an_unsigned_object_read_does_not_pass_for_a_query_call() -> None:
    request = unsigned("GET", "/bucket/key?Action=ListUsers&Version=2010-05-08")

    assert identified(request) == Operation("s3", "GetObject")


def test_what_a_service_ignores_is_not_believed() -> None:
    assert identified(signed_as("s3", "DELETE", "/bucket/key?x-id=GetObject")) == Operation("s3", "DeleteObject")


@pytest.mark.parametrize(
    ("host", "target", "expected"),
    [
        ("logs.s3.us-east-1.amazonaws.com", "/", "ListObjects"),
        ("logs.s3.amazonaws.com", "/a/b", "GetObject"),
        ("a.dotted.bucket.s3-us-west-2.amazonaws.com", "/?acl", "GetBucketAcl"),
        ("logs.localhost:4700", "/key?acl", "GetObjectAcl"),
        ("logs.s3.localhost.localstack.cloud:4566", "/?list-type=2", "ListObjectsV2"),
        ("s3.us-east-1.amazonaws.com", "/", "ListBuckets"),
        ("localhost:4700", "/", "ListBuckets"),
        ("127.0.0.1:4700", "/logs/", "ListObjects"),
        ("[::1]:4700", "/logs//key", "GetObject"),
    ],
)
def test_buckets_are_found_in_host_or_path(host: str, target: str, expected: str) -> None:
    request = signed_as("s3", "GET", target)
    hosted = replace(request, header_list=(("Host", host), *request.header_list[1:]))

    assert identified(hosted) == Operation("s3", expected)


def test_a_host_of_aws_tells_siblings_apart() -> None:
    operation = models.service_model("timestream-write").operation_model("TagResource")
    request = http_request(operation, minimal_parameters(operation))
    hosted = replace(request, header_list=(("Host", "ingest.timestream.eu-west-1.amazonaws.com"), *request.header_list))

    assert identified(hosted) == Operation("timestream-write", "TagResource")


def test_dots_in_a_path_cannot_hide_an_operation() -> None:
    request = signed_as("lambda", "GET", "/2015-03-31/functions/x/../../functions/")

    assert identified(request) == Operation("lambda", "ListFunctions")


def test_unknown_calls_are_none() -> None:
    assert identified(signed_as("lambda", "GET", "/nothing/here")) is None
    assert identified(signed_as("no-such-service", "GET", "/")) is None
    assert (
        identified(signed_as("iam", "POST", "/", b"Action=NoSuch", Content_Type="application/x-www-form-urlencoded"))
        is None
    )


def test_the_index_is_that_of_the_installed_botocore() -> None:
    index = orjson.loads(zlib.decompress(INDEX_PATH.read_bytes()))

    assert index["botocore"] == botocore.__version__
    assert sorted(index["services"]) == models.service_names()
    made = orjson.loads(zlib.decompress(build()))
    assert [name for name, entry in made["services"].items() if index["services"][name] != entry] == []
    assert INDEX_PATH.stat().st_size < 300_000


@settings(max_examples=300)
@given(
    st.sampled_from(["s3", "lambda", "iam", "cloudtrail", "monitoring", "s3express", "nothing", ""]),
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    st.text(max_size=80),
    st.binary(max_size=80),
    st.text(max_size=40),
)
def test_garbage_never_raises(signing_name: str, method: str, target: str, body: bytes, header: str) -> None:
    request = signed_as(signing_name, method, target, body, X_Amz_Target=header, Host=header)
    form = signed_as(
        signing_name, method, "/" + target, b"Action=" + body, Content_Type="application/x-www-form-urlencoded"
    )
    cbor = signed_as(signing_name, method, f"/service/{target}/operation/{header}", body, smithy_protocol="rpc-v2-cbor")

    for garbage in (request, form, cbor):
        identified(garbage)
        identify(garbage, None)


def test_the_index_knows_every_service_of_botocore() -> None:
    assert len(operation_index().services) >= 439
