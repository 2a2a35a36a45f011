"""Parsing: what botocore serializes comes back as it was, and garbage is refused politely."""

import contextlib
import gzip
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from botocore.model import OperationModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation
from opentrail.protocol.bounds import MAX_DEPTH, MAX_FORM_PAIRS
from opentrail.protocol.requests import MalformedRequest, parse_request, protocol_of
from tests.unit.protocol.botocore_requests import http_request
from tests.unit.protocol.drawing import TEXT, calls


def parsed(service: str, name: str, request: HttpRequest) -> dict[str, Any]:
    return parse_request(Operation(service, name), request)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls("input"))
def test_what_botocore_serializes_is_parsed_back(call: tuple[OperationModel, dict[str, Any]]) -> None:
    operation, parameters = call
    service = operation.service_model.service_name

    request = http_request(operation, parameters)
    found = parsed(service, operation.name, request)

    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    for name in set(found) - set(parameters):
        # An empty payload structure, and lengths that the HTTP client states.
        assert name in (payload, "ContentLength", "ContentType", "ContentMD5"), name
        del found[name]
    if payload and parameters.get(payload) == "":
        del parameters[payload]  # an empty text as body is no body
    assert found == parameters


def json_request(body: bytes, **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    items = (("Host", "h"), ("Content-Type", "application/x-amz-json-1.1"), *named.items())
    return HttpRequest("POST", "/", items, body, "", len(body))


def form_request(body: bytes) -> HttpRequest:
    items = (("Host", "h"), ("Content-Type", "application/x-www-form-urlencoded"))
    return HttpRequest("POST", "/", items, body, "", len(body))


def xml_request(body: bytes) -> HttpRequest:
    return HttpRequest("PUT", "/bucket?tagging", (("Host", "h"),), body, "", len(body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "The request body is not valid JSON."),
        (b"[]", "Start of list found where a structure was expected"),
        (b'{"Name": 1}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"IsMultiRegionTrail": "yes"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"TagsList": {}}', "Start of structure or map found where a list was expected"),
        (b'{"TagsList": [3]}', "NUMBER_VALUE found where a structure was expected"),
        (b"[" * 5000 + b"]" * 5000, "The request body is not valid JSON."),
        (b'{"Name": "\xff"}', "The request body is not valid JSON."),
    ],
)
def test_malformed_json_is_a_serialization_exception(body: bytes, message: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parsed("cloudtrail", "CreateTrail", json_request(body))

    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


def test_nulls_and_unknown_members_are_left_out() -> None:
    body = b'{"Name": "t", "S3KeyPrefix": null, "Unknown": [1], "TagsList": [null, {"Key": "k", "Value": null}]}'

    assert parsed("cloudtrail", "CreateTrail", json_request(body)) == {"Name": "t", "TagsList": [{"Key": "k"}]}


def test_entries_of_a_list_are_read_alike_whether_or_not_all_they_have_is_texts() -> None:
    body = orjson.dumps({"auditEvents": [{"id": "1", "eventData": "{}"}, {"id": "2", "eventData": None, "other": 1}]})
    target = "/PutAuditEvents?channelArn=arn"
    request = HttpRequest("POST", target, (("Host", "h"), ("Content-Type", "application/json")), body, "", len(body))

    found = parsed("cloudtrail-data", "PutAuditEvents", request)

    assert found == {"channelArn": "arn", "auditEvents": [{"id": "1", "eventData": "{}"}, {"id": "2"}]}


def test_an_entry_of_a_list_whose_text_is_none_is_refused() -> None:
    body = orjson.dumps({"auditEvents": [{"id": "1", "eventData": "{}"}, {"id": "2", "eventData": 5}]})
    target = "/PutAuditEvents?channelArn=arn"
    request = HttpRequest("POST", target, (("Host", "h"), ("Content-Type", "application/json")), body, "", len(body))

    with pytest.raises(MalformedRequest, match="can not be converted to a String"):
        parsed("cloudtrail-data", "PutAuditEvents", request)


def test_timestamps_are_read_in_any_form() -> None:
    expected = {"StartTime": datetime(2015, 2, 20, 23, 54, 36, tzinfo=UTC)}

    for text in (b"1424476476", b"1424476476.0", b'"2015-02-20T23:54:36Z"', b'"Fri, 20 Feb 2015 23:54:36 GMT"'):
        assert parsed("cloudtrail", "LookupEvents", json_request(b'{"StartTime": ' + text + b"}")) == expected


@pytest.mark.parametrize("text", [b"1e300", b"true", b'"soon"', b'""', b"-99999999999999", b'"9999-99-99T00:00:00Z"'])
def test_timestamps_that_mean_no_time_are_refused(text: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parsed("cloudtrail", "LookupEvents", json_request(b'{"StartTime": ' + text + b"}"))


def test_values_nested_beyond_the_bound_are_refused() -> None:
    def nested(levels: int) -> bytes:
        return b'{"TableName": "t", "Item": {"a": ' + b'{"L": [' * levels + b'{"S": "x"}' + b"]}" * levels + b"}}"

    assert parsed("dynamodb", "PutItem", json_request(nested(32)))["TableName"] == "t"
    with pytest.raises(MalformedRequest, match="nested too deeply"):
        parsed("dynamodb", "PutItem", json_request(nested(MAX_DEPTH)))


def test_a_compressed_body_is_inflated_up_to_a_bound() -> None:
    body = b'{"Namespace": "n", "MetricData": [{"MetricName": "m"}]}'
    headers = {"Content_Encoding": "gzip", "X_Amz_Target": "GraniteServiceVersion20100801.PutMetricData"}
    operation = Operation("cloudwatch", "PutMetricData")

    assert parse_request(operation, json_request(gzip.compress(body), **headers))["Namespace"] == "n"
    for garbage in (body, gzip.compress(body)[:-9], gzip.compress(b" " * 40_000_000)):
        with pytest.raises(MalformedRequest):
            parse_request(operation, json_request(garbage, **headers))


def test_an_objects_own_encoding_stays_part_of_it() -> None:
    body = gzip.compress(b"object")
    request = HttpRequest("PUT", "/b/k", (("Host", "h"), ("Content-Encoding", "gzip")), body, "", len(body))

    assert parsed("s3", "PutObject", request) == {"Bucket": "b", "Key": "k", "Body": body, "ContentEncoding": "gzip"}


def test_a_body_that_was_not_held_leaves_its_member_out() -> None:
    request = HttpRequest("PUT", "/b/k%20e%2Fy//", (("Host", "h"), ("x-amz-meta-Team", "red")), None, "", 10**9)

    assert parsed("s3", "PutObject", request) == {"Bucket": "b", "Key": "k e/y//", "Metadata": {"Team": "red"}}


def test_a_bucket_in_the_host_is_a_parameter() -> None:
    request = HttpRequest("GET", "/key", (("Host", "logs.s3.us-east-1.amazonaws.com"),), b"", "", 0)

    assert parsed("s3", "GetObject", request) == {"Bucket": "logs", "Key": "key"}


def test_headers_hoisted_into_a_presigned_url_are_parameters_and_secrets_are_not() -> None:
    target = "/b/k?X-Amz-Acl=public-read&X-Amz-Signature=secret&X-Amz-Security-Token=token&versionId=1"
    request = HttpRequest("PUT", target, (("Host", "h"),), None, "", 0)

    assert parsed("s3", "PutObjectAcl", request) == {"Bucket": "b", "Key": "k", "ACL": "public-read", "VersionId": "1"}


def test_a_body_cannot_overrule_the_uri() -> None:
    body = b'{"FunctionName": "other", "Description": "d"}'
    request = HttpRequest("PUT", "/2015-03-31/functions/mine/configuration", (("Host", "h"),), body, "", len(body))

    assert parsed("lambda", "UpdateFunctionConfiguration", request) == {"FunctionName": "mine", "Description": "d"}


def test_lists_of_a_form_keep_the_order_of_their_numbers() -> None:
    body = b"Action=DescribeInstances&InstanceId.10=c&InstanceId.2=b&InstanceId.1=a&InstanceId.x=d"

    assert parsed("ec2", "DescribeInstances", form_request(body)) == {"InstanceIds": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "body",
    [
        b"&".join(b"a=1" for _ in range(MAX_FORM_PAIRS + 1)),
        b"Filter" + b".a" * 500 + b"=1",
        b"MaxResults=many",
        b"MaxResults.1=3",
        b"MaxResults=\xd9\xa3",
        b"\xff=\xff",
    ],
)
def test_malformed_forms_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parsed("ec2", "DescribeInstances", form_request(body))

    assert caught.value.code == "InvalidParameterValue"


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<Tagging><TagSet><Tag><Key>&b;</Key><Value>v</Value></Tag></TagSet></Tagging>"""
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Tagging>&x;</Tagging>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        EXTERNAL,
        BOMB.decode().encode("utf-16"),
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<Tagging>" + b"<a/>" * 250_000 + b"</Tagging>",
        b"<Tagging>",
        b"not xml",
        b"<Tagging>&undefined;</Tagging>",
        b'<?xml version="1.0" encoding="no-such"?><Tagging/>',
        b"<Tagging>\xff</Tagging>",
    ],
    ids=["bomb", "external", "utf-16", "deep", "large", "open", "text", "entity", "encoding", "utf-8"],
)
def test_malformed_xml_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as caught:
        parsed("s3", "PutBucketTagging", xml_request(body))

    assert caught.value.code == "MalformedXML"


def test_xml_is_read_whatever_its_prefixes() -> None:
    body = (
        b'<x:Tagging xmlns:x="http://s3.amazonaws.com/doc/2006-03-01/"><x:TagSet><x:Tag><x:Key>k</x:Key>'
        b"<x:Value><![CDATA[<v>]]></x:Value></x:Tag></x:TagSet></x:Tagging>"
    )

    assert parsed("s3", "PutBucketTagging", xml_request(body))["Tagging"] == {"TagSet": [{"Key": "k", "Value": "<v>"}]}


def test_the_callers_protocol_is_told() -> None:
    operation = Operation("cloudwatch", "PutMetricData")

    cbor = HttpRequest("POST", "/", (("Host", "h"), ("Smithy-Protocol", "rpc-v2-cbor")), b"", "", 0)
    assert protocol_of(operation, cbor) == "smithy-rpc-v2-cbor"
    assert protocol_of(operation, form_request(b"")) == "query"
    assert protocol_of(operation, json_request(b"", X_Amz_Target="GraniteServiceVersion20100801.X")) == "json"


@pytest.mark.parametrize(
    "body",
    [
        b"\x9b" + b"\xff" * 8,  # a list of 2^64 items
        b"\x5b\x00\x00\x00\x00\x7f\xff\xff\xff",  # 2 GB of bytes
        b"\x81" * 5000,
        b"\x9f" * 5000,
        b"\xff",
        b"\xa1\x01\x01",
        b"\xa1\x61",
        b"\xbf\x61a\xff",
        b"\x7f\x41a\xff",
        b"\xa0\xa0",
        b"\xa1\x61a\x61\xff",
        b"\xfc",
        b"\x1c",
        b"\xc1",
    ],
)
def test_malformed_cbor_is_refused(body: bytes) -> None:
    request = HttpRequest("POST", "/", (("Smithy-Protocol", "rpc-v2-cbor"),), body, "", len(body))

    with pytest.raises(MalformedRequest) as caught:
        parsed("cloudwatch", "PutMetricData", request)

    assert caught.value.code == "SerializationException"


GARBAGE_OPERATIONS = [
    Operation("cloudtrail", "CreateTrail"),
    Operation("cloudwatch", "PutMetricData"),
    Operation("dynamodb", "PutItem"),
    Operation("ec2", "RunInstances"),
    Operation("iam", "CreateUser"),
    Operation("s3", "PutBucketLifecycleConfiguration"),
    Operation("s3", "PutObject"),
    Operation("s3", "ListObjectsV2"),
    Operation("lambda", "CreateFunction"),
    Operation("apigateway", "GetExport"),
    Operation("lex-runtime", "PostContent"),
]
PIECES = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"null",
        b"1e999",
        b"<",
        b">",
        b"</",
        b"<a>",
        b"&",
        b"=",
        b".",
        b"1",
        b"%",
    ]
)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(GARBAGE_OPERATIONS),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.text(max_size=60),
    st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=40).map(b"".join)),
    st.dictionaries(st.sampled_from(["Content-Type", "x-amz-acl", "x-amz-lex-session-attributes", "Date"]), TEXT),
)
def test_garbage_is_refused_or_parsed(
    operation: Operation, method: str, target: str, body: bytes, headers: dict[str, str]
) -> None:
    for path in (target, "/" + target, "/a/b?" + target):
        request = HttpRequest(method, path, (("Host", target), *headers.items()), body, "", len(body))
        with contextlib.suppress(MalformedRequest):
            parse_request(operation, request)
