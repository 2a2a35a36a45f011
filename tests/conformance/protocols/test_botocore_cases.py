"""Every protocol case that botocore is tested with, from the server's side.

Input cases: what a client sends is parsed to what the client meant. Output cases: what an upstream answers is read as
the case says, and what we answer is read back by botocore's parser as what we meant. Cases that botocore itself ignores
are run for input and left out for output, where botocore's parser is the reader.
"""

from collections import Counter
from typing import Any

import pytest

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol.codec import ErrorAnswer
from opentrail.protocol.observed import read_response
from opentrail.protocol.protocols import PROTOCOLS
from opentrail.protocol.requests import read_request
from tests.conformance.protocols.corpus import Case, body_bytes, cases, values, without_nan

ALL = (*PROTOCOLS,)

_EMPTY = "an empty list or map leaves nothing on the wire"
_TOKEN = "the client adds an idempotency token that its caller did not give"
_GZIP = "the case holds no body, only that it is compressed"
_QUERY_MAP = "our map of query parameters holds those that no other member does"
_NO_BODY = "an empty JSON object may be an empty or an absent payload; it is read as empty"

INPUT_EXCLUDED = {
    "Ec2EmptyQueryLists": _EMPTY,
    "QueryEmptyQueryMaps": _EMPTY,
    "RestJsonOmitsEmptyListQueryValues": _EMPTY,
    "RestJsonHttpPrefixHeadersAreNotPresent": _EMPTY,
    "HttpPrefixHeadersAreNotPresent": _EMPTY,
    "Ec2ProtocolIdempotencyTokenAutoFill": _TOKEN,
    "QueryProtocolIdempotencyTokenAutoFill": _TOKEN,
    "RestJsonQueryIdempotencyTokenAutoFill": _TOKEN,
    "QueryIdempotencyTokenAutoFill": _TOKEN,
    **{f"SDKAppliedContentEncoding_{name}": _GZIP for name in ("ec2Query", "awsQuery", "awsJson1_0", "awsJson1_1")},
    **{f"SDKAppliedContentEncoding_{name}": _GZIP for name in ("restJson1", "restXml")},
    **{f"SDKAppendedGzipAfterProvidedEncoding_{name}": _GZIP for name in ("restJson1", "restXml")},
    **{
        f"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_{name}": _GZIP
        for name in ("ec2Query", "awsQuery", "awsJson1_0", "awsJson1_1")
    },
    "RestJsonAllQueryStringTypes": _QUERY_MAP,
    "RestJsonQueryStringEscaping": _QUERY_MAP,
    "RestJsonSupportsNaNFloatQueryValues": _QUERY_MAP,
    "RestJsonSupportsInfinityFloatQueryValues": _QUERY_MAP,
    "RestJsonSupportsNegativeInfinityFloatQueryValues": _QUERY_MAP,
    "RestJsonZeroAndFalseQueryValues": _QUERY_MAP,
    "RestJsonQueryPrecedence": _QUERY_MAP,
    "RestXmlQueryPrecedence": _QUERY_MAP,
    "RestJsonHttpWithEmptyStructurePayload": _NO_BODY,
    "RestJsonHttpWithHeadersButNoPayload": _NO_BODY,
    "MediaTypeHeaderInputBase64": "a JSON header is read as the value it holds, the case wants its text",
}
OUTPUT_EXCLUDED = {
    "HttpPrefixHeadersAreNotPresent": "no header of the prefix is no member, the case wants an empty map",
    "RestJsonHttpPayloadWithUnsetUnion": "botocore's parser refuses a union without a member",
}


def a_request(case: Case) -> HttpRequest:
    sent = case.data["serialized"]
    headers = [("Host", sent.get("host", "example.com")), *sent.get("headers", {}).items()]
    body = body_bytes(case.protocol, sent.get("body", ""))
    return HttpRequest(sent["method"], sent["uri"], tuple(headers), body, "", len(body))


def a_response(case: Case) -> HttpResponse:
    sent = case.data["response"]
    body = body_bytes(case.protocol, sent.get("body") or "")
    return HttpResponse(sent["status_code"], tuple(sent.get("headers", {}).items()), body, len(body))


def expected_output(case: Case) -> Any:
    shape = case.model.output_shape
    return without_nan(values(shape, case.data["result"])) if shape is not None else {}


@pytest.mark.parametrize("case", cases("input", ALL, INPUT_EXCLUDED))
def test_what_clients_send_is_parsed_to_what_they_meant(case: Case) -> None:
    parsed = read_request(case.model, a_request(case))

    shape = case.model.input_shape
    expected = values(shape, case.data["params"]) if shape is not None else {}
    assert without_nan(parsed) == without_nan(expected)


OUTPUT_CASES = cases("output", ALL, OUTPUT_EXCLUDED)


@pytest.mark.parametrize("case", OUTPUT_CASES)
def test_what_upstreams_answer_is_read_as_it_was_meant(case: Case) -> None:
    observed = read_response(case.model, a_response(case))

    if "error" in case.data:
        assert observed.error_code == case.data["errorCode"]
        if case.data.get("errorMessage"):
            assert observed.error_message == case.data["errorMessage"]
    else:
        assert observed.error_code == ""
        assert without_nan(observed.output) == expected_output(case)


@pytest.mark.parametrize("case", OUTPUT_CASES)
def test_what_we_answer_is_read_by_botocore_as_it_was_meant(case: Case) -> None:
    codec = PROTOCOLS[case.protocol]
    if "error" in case.data:
        status = case.data["response"]["status_code"]
        answer = ErrorAnswer(case.data["errorCode"], case.data.get("errorMessage") or "said so", status, "Sender", {})
        response = codec.format_error(case.model.service_model, case.model, answer, "request-1")
    else:
        output = values(case.model.output_shape, case.data["result"]) if case.model.output_shape is not None else {}
        response = codec.format_response(case.model, output, "request-1")

    observed = read_response(case.model, response)

    assert observed.request_id == "request-1"
    if "error" in case.data:
        assert (observed.error_code, observed.error_message) == (
            case.data["errorCode"],
            case.data.get("errorMessage") or "said so",
        )
    else:
        output = dict(observed.output)
        for value in output.values():
            if isinstance(value, dict):
                value.pop("x-amzn-requestid", None)  # our own header, where a map takes every header
        assert without_nan(output) == expected_output(case)


def test_nearly_every_case_is_run() -> None:
    run = Counter(item.values[0].protocol for item in cases("input", ALL, INPUT_EXCLUDED) if item.values[0] is not None)
    if run:
        assert run["ec2"] >= 25
        assert run["json"] >= 70
        assert run["query"] >= 33
        assert run["rest-json"] >= 95
        assert run["rest-xml"] >= 85
