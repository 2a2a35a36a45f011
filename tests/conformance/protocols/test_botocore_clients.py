"""Requests of real botocore clients, caught as they go out: scope, signature, identification and parameters."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.session import Session

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, sigv4
from opentrail.protocol.identify import identify
from opentrail.protocol.requests import parse_request
from opentrail.protocol.scope import read_scope

KEY, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEXAMPLE//token="
HTTP, HTTPS = "http://127.0.0.1:4700", "https://localhost:4700"


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def as_request(prepared: AWSPreparedRequest) -> HttpRequest:
    parts = urlsplit(prepared.url)
    headers = [
        (name, value.decode() if isinstance(value, bytes) else value) for name, value in prepared.headers.items()
    ]
    body = prepared.body
    if hasattr(body, "read"):
        body = body.read()
    content = body.encode() if isinstance(body, str) else bytes(body or b"")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return HttpRequest(prepared.method, target, (("Host", parts.netloc), *headers), content, "127.0.0.1", len(content))


def a_client(service: str, endpoint: str = HTTP, **config: Any) -> tuple[Any, list[HttpRequest]]:
    session = Session()
    session.set_credentials(KEY, SECRET, TOKEN)
    client = session.create_client(
        service, "eu-west-1", endpoint_url=endpoint, verify=False, config=Config(**config) if config else None
    )
    sent: list[HttpRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(as_request(request))
        raise _Caught

    client.meta.events.register("before-send", catch)
    return client, sent


class _Caught(Exception):
    pass


Call = tuple[str, str, dict[str, Any]]

CALLS: list[Call] = [
    ("cloudtrail", "LookupEvents", {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "a b+c"}]}),
    (
        "cloudtrail-data",
        "PutAuditEvents",
        {"channelArn": "arn:aws:x:/c", "auditEvents": [{"id": "1", "eventData": "{}"}]},
    ),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::123456789012:role/a/b", "RoleSessionName": "é@x"}),
    ("iam", "ListUsers", {"PathPrefix": "/a b/"}),
    ("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:a", "Values": ["x y", "ü"]}]}),
    (
        "dynamodb",
        "PutItem",
        {"TableName": "t", "Item": {"k": {"B": b"\x00\xff"}, "m": {"M": {"l": {"L": []}}}}},
    ),
    (
        "lambda",
        "GetPolicy",
        {"FunctionName": "arn:aws:lambda:eu-west-1:1:function:f", "Qualifier": "$LATEST"},
    ),
    ("lambda", "Invoke", {"FunctionName": "f", "Payload": b"{}", "InvocationType": "Event"}),
    ("apigateway", "GetExport", {"restApiId": "i", "stageName": "s", "exportType": "t", "parameters": {"e x": "a/b"}}),
    ("s3", "ListObjectsV2", {"Bucket": "logs", "Prefix": "a b/ü+~*'()"}),
    ("s3", "GetObject", {"Bucket": "logs", "Key": "a//b/../c d+é~!*'().gz"}),
    (
        "s3",
        "PutObject",
        {"Bucket": "logs", "Key": "k", "Body": b"content", "Metadata": {"a": "b  c"}, "ACL": "private"},
    ),
    ("s3", "DeleteObjects", {"Bucket": "logs", "Delete": {"Objects": [{"Key": "a&b"}, {"Key": "c"}]}}),
    ("s3", "PutBucketAcl", {"Bucket": "logs", "AccessControlPolicy": {"Grants": [], "Owner": {"ID": "1"}}}),
    ("s3control", "ListJobs", {"AccountId": "123456789012"}),
    ("route53", "ListHostedZones", {"MaxItems": "3"}),
    ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}),
    ("sqs", "SendMessage", {"QueueUrl": "http://127.0.0.1:4700/q", "MessageBody": "b"}),
]


def caught(service: str, name: str, parameters: dict[str, Any], endpoint: str, **config: Any) -> HttpRequest:
    client, sent = a_client(service, endpoint, **config)
    with pytest.raises(_Caught):
        client._make_api_call(name, parameters)
    return sent[0]


def check(request: HttpRequest, service: str, name: str, parameters: dict[str, Any]) -> None:
    scope = read_scope(request)
    assert scope is not None
    assert (scope.access_key_id, scope.region, scope.session_token) == (KEY, "eu-west-1", TOKEN)
    sigv4.verify(request, scope, SECRET, datetime.now(UTC))
    operation = identify(request, scope)
    assert operation == Operation(service, name)
    found = parse_request(operation, request)
    found["Body"] = parameters.get("Body")  # chunked with its checksum on the wire
    assert {key: found.get(key) for key in parameters} == parameters


@pytest.mark.parametrize(("service", "name", "parameters"), CALLS, ids=[f"{s}-{n}" for s, n, _ in CALLS])
@pytest.mark.parametrize("endpoint", [HTTP, HTTPS])
def test_clients_are_verified_identified_and_parsed(
    service: str, name: str, parameters: dict[str, Any], endpoint: str
) -> None:
    config = {"inject_host_prefix": False}

    check(caught(service, name, parameters, endpoint, **config), service, name, parameters)


def test_virtual_host_addressing_is_verified_identified_and_parsed() -> None:
    request = caught("s3", "GetObject", {"Bucket": "logs", "Key": "k"}, HTTPS, s3={"addressing_style": "virtual"})

    assert request.host == "logs.localhost:4700"
    check(request, "s3", "GetObject", {"Bucket": "logs", "Key": "k"})


@pytest.mark.parametrize("make", [lambda r: r, lambda r: HttpRequest("PUT", r.target, r.header_list, None, "", 10**10)])
def test_a_streamed_upload_is_verified_without_its_body(make: Callable[[HttpRequest], HttpRequest]) -> None:
    request = caught("s3", "PutObject", {"Bucket": "logs", "Key": "k", "Body": b"x" * 100_000}, HTTPS)

    assert request.headers.get("x-amz-content-sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    check(make(request), "s3", "PutObject", {"Bucket": "logs", "Key": "k"})


@pytest.mark.parametrize(
    ("service", "name", "method", "parameters"),
    [
        ("s3", "GetObject", "get_object", {"Bucket": "logs", "Key": "a b/é"}),
        ("s3", "PutObject", "put_object", {"Bucket": "logs", "Key": "k"}),
        ("sts", "GetCallerIdentity", "get_caller_identity", {}),
    ],
)
def test_presigned_urls_are_verified_identified_and_parsed(
    service: str, name: str, method: str, parameters: dict[str, Any]
) -> None:
    client, _ = a_client(service, signature_version="s3v4" if service == "s3" else "v4")
    verb = "PUT" if name == "PutObject" else "GET"
    url = urlsplit(client.generate_presigned_url(method, Params=parameters, ExpiresIn=60, HttpMethod=verb))

    request = HttpRequest(verb, f"{url.path or '/'}?{url.query}", (("Host", url.netloc),), b"", "127.0.0.1", 0)

    check(request, service, name, parameters)
