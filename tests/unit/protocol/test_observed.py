"""Reading what upstreams answer, whatever they answer."""

import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.http_message import HttpResponse
from opentrail.protocol import ObservedResult, Operation
from opentrail.protocol.observed import parse_response


def an_answer(status: int, body: bytes | None = b"", **headers: str) -> HttpResponse:
    items = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpResponse(status, items, body, len(body or b""))


def test_an_output_is_read_by_its_model() -> None:
    body = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
    <AccessKeyId>ASIA</AccessKeyId><Expiration>2026-03-04T05:06:07Z</Expiration></Credentials></AssumeRoleResult>
    <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></AssumeRoleResponse>"""

    observed = parse_response(Operation("sts", "AssumeRole"), an_answer(200, body))

    expiration = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert observed == ObservedResult(
        {"Credentials": {"AccessKeyId": "ASIA", "Expiration": expiration}}, "", "", "id-1"
    )


def test_header_members_are_read_whatever_their_case() -> None:
    observed = parse_response(
        Operation("s3", "PutObject"), an_answer(200, b"", ETag='"e"', X_Amz_Version_Id="v", x_amz_request_id="r")
    )

    assert observed == ObservedResult({"ETag": '"e"', "VersionId": "v"}, "", "", "r")


def test_an_object_that_was_not_held_is_left_out() -> None:
    observed = parse_response(Operation("s3", "GetObject"), an_answer(200, None, ETag='"e"'))

    assert observed.output == {"ETag": '"e"'}


def test_nulls_are_left_out() -> None:
    body = b'{"Responses": {"t": [null, {"a": {"S": "x"}}]}, "UnprocessedKeys": null}'

    assert parse_response(Operation("dynamodb", "BatchGetItem"), an_answer(200, body)).output == {
        "Responses": {"t": [{"a": {"S": "x"}}]}
    }


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (404, b"", "404", "Not Found"),
        (403, None, "403", "Forbidden"),
        (304, b"", "", ""),
        (500, b"<html><body>oops</body></html>", "500", "Internal Server Error"),
        (301, b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>", "PermanentRedirect", "m"),
        (200, None, "", ""),
        (204, b"", "", ""),
    ],
)
def test_the_status_decides_where_the_body_says_nothing(
    status: int, body: bytes | None, code: str, message: str
) -> None:
    observed = parse_response(Operation("s3", "HeadObject"), an_answer(status, body))

    assert (observed.error_code, observed.error_message) == (code, message)


def test_an_unknown_operation_is_read_by_status_alone() -> None:
    assert parse_response(Operation("no-such", "X"), an_answer(418)).error_code == "418"


OPERATIONS = [
    Operation("cloudtrail", "LookupEvents"),
    Operation("dynamodb", "GetItem"),
    Operation("ec2", "DescribeInstances"),
    Operation("iam", "GetUser"),
    Operation("s3", "ListObjectsV2"),
    Operation("s3", "SelectObjectContent"),
    Operation("lambda", "Invoke"),
    Operation("lambda", "GetFunction"),
    Operation("cloudwatch", "DescribeAlarms"),
]
PIECES = st.sampled_from(rb'{ } [ ] " : , null "__type" "Errors" <Error> </Error> <Code> </Code> <a> & 1 \xff'.split())


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(OPERATIONS),
    st.integers(100, 599),
    st.one_of(st.none(), st.binary(max_size=80), st.lists(PIECES, max_size=30).map(b"".join)),
    st.sampled_from(["application/cbor", "application/x-amz-json-1.0", "text/xml", "", "x"]),
)
def test_garbage_never_raises(operation: Operation, status: int, body: bytes | None, content_type: str) -> None:
    observed = parse_response(operation, an_answer(status, body, Content_Type=content_type))

    assert bool(observed.error_code) or status < 400


def test_an_answer_that_does_not_parse_is_not_quoted_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    body = b"<!doctype html>canary5ecret</SecretAccessKey>"

    result = parse_response(Operation("iam", "CreateAccessKey"), HttpResponse(200, (), body, len(body)))

    assert result.output == {}
    captured = capsys.readouterr()
    assert "canary5ecret" not in captured.out + captured.err


def test_a_length_that_an_answer_only_claims_is_not_allocated() -> None:
    operation = Operation("cloudwatch", "ListDashboards")
    body = b"\xa1\x69NextToken\x7b" + (2**33).to_bytes(8, "big") + b"short"
    response = HttpResponse(200, (("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")), body, 1)
    parse_response(operation, response)

    tracemalloc.start()
    try:
        observed = parse_response(operation, response)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert observed.output == {}
    assert peak_bytes < 1_000_000
