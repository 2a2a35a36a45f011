"""The gateway's own errors have the form that the caller's client reads."""

import orjson
import pytest

from opentrail.capture.refusals import refusal, response_bytes
from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import Operation
from opentrail.protocol.cbor_values import parse_cbor

TARGET = ("X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData")
CBOR = ("Smithy-Protocol", "rpc-v2-cbor")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PUT_METRIC_DATA = Operation("cloudwatch", "PutMetricData")


def a_request(*headers: tuple[str, str]) -> HttpRequest:
    return HttpRequest("POST", "/", (("Host", "gateway.test"), *headers), b"", "192.0.2.1")


def refuse(subject: Operation | str, request: HttpRequest) -> HttpResponse:
    operation = subject if isinstance(subject, Operation) else None
    service = subject if isinstance(subject, str) else subject.service
    return refusal(operation, service, "ServiceUnavailable", "Please retry.", 503, "id", request=request)


@pytest.mark.parametrize("subject", [PUT_METRIC_DATA, "cloudwatch"])
def test_a_service_of_several_protocols_refuses_in_the_one_that_was_spoken(subject: Operation | str) -> None:
    in_json = refuse(subject, a_request(TARGET))
    in_cbor = refuse(subject, a_request(CBOR))
    in_xml = refuse(subject, a_request(FORM))

    assert orjson.loads(in_json.body or b"")["__type"] == "ServiceUnavailable"
    assert parse_cbor(in_cbor.body or b"")["__type"] == "ServiceUnavailable"
    assert (in_xml.body or b"").startswith(b"<?xml")
    assert b"<Code>ServiceUnavailable</Code>" in (in_xml.body or b"")


@pytest.mark.parametrize("subject", ["", "no-such-service", Operation("s3", "NoSuchOperation")])
def test_what_nobody_knows_is_refused_in_plain_xml(subject: Operation | str) -> None:
    assert b"<Error><Code>ServiceUnavailable</Code>" in (refuse(subject, a_request(TARGET)).body or b"")


def test_an_answer_to_head_has_its_length_and_no_body() -> None:
    sent = response_bytes(HttpResponse(503, (("A", "b"),), b"text"), "HEAD", closes=True)

    assert sent == b"HTTP/1.1 503 Service Unavailable\r\nA: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
