"""The event names the operation and the caller that the upstream sees, or the call goes nowhere."""

import asyncio
import gzip

import pytest

from opentrail.capture.exchange import Timeouts
from opentrail.http_message import BODY_LIMIT_BYTES
from opentrail.protocol import Operation
from tests.conformance.gateway.support import (
    AUTHORIZATION,
    OK,
    UpstreamConnection,
    gateway_rig,
    read_answer,
    request_bytes,
)

FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/x-amz-json-1.0"
VERSION = b"&Version=2010-05-08"
DELETE = b"Action=DeleteUser&UserName=u" + VERSION
OTHER_KEY = AUTHORIZATION.format(service="iam").replace("AKIDEXAMPLE", "AKIDOTHER")
PRESIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDOTHER%2F20260101%2Fus-east-1%2Fiam%2Faws4_request"


def iam(target: str, *headers: str, body: bytes = b"") -> bytes:
    return request_bytes(f"POST {target}", *headers, body=body, service="iam")


TWO_OPERATIONS = {
    "in one form": iam("/", FORM, body=DELETE + b"&Action=ListUsers"),
    "with an escaped value": iam("/", FORM, body=b"Action=%44eleteUser&UserName=u&Action=ListUsers" + VERSION),
    "with an escaped name": iam("/", FORM, body=b"%41ction=DeleteUser&UserName=u&Action=ListUsers" + VERSION),
    "in query string and form": iam("/?Action=ListUsers", FORM, body=DELETE),
    "in query string and shouted form": iam("/?Action=ListUsers", FORM.upper(), body=DELETE),
    "in query string and no form": iam("/?Action=ListUsers", body=DELETE),
    "in query string and compressed form": iam(
        "/?Action=ListUsers", FORM, "Content-Encoding: gzip", body=gzip.compress(DELETE)
    ),
    "in query string and multipart": iam(
        "/?Action=ListUsers", "Content-Type: multipart/form-data; boundary=x", body=b"--x\r\n"
    ),
    "in query string and a body too long to hold": iam(
        "/?Action=ListUsers", FORM, body=DELETE + b"&Pad=" + b"x" * BODY_LIMIT_BYTES
    ),
    "in target and query string": request_bytes(
        "POST /?Action=DeleteQueue", JSON, "X-Amz-Target: AmazonSQS.ListQueues", body=b"{}", service="sqs"
    ),
    "in target and form": request_bytes(
        "POST /", FORM, "X-Amz-Target: AmazonSQS.ListQueues", body=b"Action=DeleteQueue", service="sqs"
    ),
    "in two targets": request_bytes(
        "POST /", JSON, "X-Amz-Target: AmazonSQS.ListQueues", "x-amz-target: AmazonSQS.DeleteQueue", service="sqs"
    ),
    "in target and path": request_bytes(
        "POST /service/DynamoDB_20120810/operation/ListTables",
        "smithy-protocol: rpc-v2-cbor",
        "X-Amz-Target: DynamoDB_20120810.DeleteTable",
        service="dynamodb",
    ),
}

TWO_CALLERS = {
    "in two headers": iam("/", FORM, OTHER_KEY, body=DELETE),
    "in one header": iam("/", FORM, body=DELETE).replace(b", SignedHeaders", b", Credential=AKIDOTHER, SignedHeaders"),
    "in header and query string": iam(f"/?{PRESIGNED}", FORM, body=DELETE),
    "in header and escaped query string": iam(f"/?{PRESIGNED.replace('C', '%43')}", FORM, body=DELETE),
    "in a header that only some servers read": iam("/", FORM, body=DELETE).replace(b"/aws4_request", b""),
}


@pytest.mark.parametrize("request_bytes_", [*TWO_OPERATIONS.values()], ids=[*TWO_OPERATIONS])
async def test_a_call_that_names_two_operations_goes_nowhere(request_bytes_: bytes) -> None:
    async with gateway_rig() as rig:
        answer = await rig.call(request_bytes_)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"named by" in answer or b"stands twice" in answer
        assert rig.upstream.connections == []


@pytest.mark.parametrize("request_bytes_", [*TWO_CALLERS.values()], ids=[*TWO_CALLERS])
async def test_a_call_that_names_two_callers_goes_nowhere(request_bytes_: bytes) -> None:
    async with gateway_rig() as rig:
        answer = await rig.call(request_bytes_)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert rig.upstream.connections == []


async def test_a_fragment_in_the_target_goes_nowhere() -> None:
    async with gateway_rig() as rig:
        answer = await rig.call(request_bytes("DELETE /bucket#decoy"))

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert rig.upstream.connections == []


async def _answer_form(connection: UpstreamConnection) -> None:
    head = await connection.until(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await connection.exactly(size)
    await connection.send(OK)


@pytest.mark.parametrize(
    ("name", "request_bytes_"),
    [
        ("DeleteUser", iam("/", FORM, body=DELETE)),
        ("DeleteUser", iam("/", FORM.upper(), body=DELETE)),
        ("DeleteUser", iam("/", body=DELETE)),
        ("DeleteUser", iam("/", FORM, body=b"%41ctio%6E=%44eleteUser&UserName=u" + VERSION)),
        ("DeleteUser", iam("/", FORM, "Content-Encoding: gzip", body=gzip.compress(DELETE))),
        ("DeleteUser", iam("/?Action=DeleteUser", FORM, body=DELETE)),
        ("DeleteUser", iam("/", FORM, body=DELETE + b"&Pad=" + b"x" * BODY_LIMIT_BYTES)),
        ("ListUsers", iam("/?Action=ListUsers&Version=2010-05-08", FORM, body=b"MaxItems=1")),
    ],
)
async def test_a_query_call_is_named_as_servers_read_it(name: str, request_bytes_: bytes) -> None:
    async with gateway_rig(_answer_form) as rig:
        answer = await rig.call(request_bytes_)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert rig.upstream.received == request_bytes_
        assert [call.operation for call in rig.recorder.calls] == [Operation("iam", name)]


@pytest.mark.parametrize("target", ["//bucket", "//bucket/key", "/bucket%2Fkey", "/bucket%2fkey"])
async def test_a_bucket_that_servers_read_differently_is_not_named(target: str) -> None:
    async with gateway_rig() as rig:
        await rig.call(request_bytes(f"GET {target}"))

        assert [call.operation for call in rig.recorder.calls] == [None]


async def test_connections_that_only_announce_a_body_hold_up_nobody() -> None:
    async with gateway_rig(_answer_form, held_limit_bytes=1_000_000) as rig:
        slow = []
        for _ in range(20):
            _, writer = await rig.connect()
            writer.write(request_bytes("POST /", FORM, "Content-Length: 1000000", service="iam") + b"A")
            await writer.drain()
            slow.append(writer)

        answer = await rig.call(iam("/", FORM, body=DELETE))

        assert answer.startswith(b"HTTP/1.1 200 ")
        for writer in slow:
            writer.close()


async def test_a_body_that_never_ends_is_not_waited_for_however_often_a_byte_comes() -> None:
    async with gateway_rig(timeouts=Timeouts(hold_s=0.3, read_s=5.0)) as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("POST /", FORM, "Content-Length: 1000000", service="iam"))
        ending = asyncio.ensure_future(reader.read())
        while not ending.done():
            writer.write(b"A")
            await asyncio.wait({ending}, timeout=0.05)

        assert rig.upstream.connections == []
        writer.close()


async def test_ten_thousand_query_parameters_do_not_break_the_connection() -> None:
    async with gateway_rig() as rig:
        reader, writer = await rig.connect()
        writer.write(request_bytes("GET /?" + "&".join(["a"] * 12_000), service="sts"))

        assert (await read_answer(reader)).startswith(b"HTTP/1.1 ")
        writer.close()
