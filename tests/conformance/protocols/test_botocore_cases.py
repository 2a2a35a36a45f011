"""Every protocol case that botocore is tested with, from the server's side.

Input cases: what a client sends is parsed to what the client meant. Output cases: what an upstream answers is read as
the case says, and what we answer is read back by botocore's parser as what we meant. No case is left out: input whose
parameters are not on the wire as they stand is compared by what botocore's serializer makes of it; output that neither
botocore's parser nor ours can read is on botocore's own ignore list, and stays without being read.
"""

import gzip
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.serialize import create_serializer

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol.codec import ErrorAnswer
from opentrail.protocol.observed import read_response
from opentrail.protocol.protocols import PROTOCOLS
from opentrail.protocol.requests import read_request
from tests.conformance.protocols.corpus import (
    Case,
    body_bytes,
    cases,
    cases_in_files,
    ignored_by_botocore,
    values,
    without_nan,
)

ALL = (*PROTOCOLS,)

_BOTOCORE = "botocore ignores the case, and its parser is the reader"
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
    **dict.fromkeys(
        (
            "BodyWithXmlName",
            "Ec2XmlLists",
            "InputAndOutputWithTimestampHeaders",
            "MediaTypeHeaderOutputBase64",
            "QueryXmlLists",
            "RestJsonDeserializesDenseSetMapAndSkipsNull",
            "RestJsonInputAndOutputWithQuotedStringHeaders",
            "RestJsonInputAndOutputWithTimestampHeaders",
            "XmlLists",
        ),
        _BOTOCORE,
    ),
}
"""Not among them: cases on botocore's ignore list that are read all the same."""


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


def wire_form(case: Case, parameters: Any) -> Any:
    """Return what botocore's serializer makes of parameters, numbers in a query string as text."""
    serializer = create_serializer(case.protocol, include_validation=False)
    made = serializer.serialize_to_request(parameters, case.model)
    query = made["query_string"] or {}
    texts = {
        name: [str(item) for item in (value if isinstance(value, list) else [value])] for name, value in query.items()
    }
    headers = {name.lower(): value for name, value in made["headers"].items()}
    return (
        made["method"],
        made["url_path"],
        {name: items for name, items in texts.items() if items},
        headers,
        made["body"],
    )


@pytest.mark.parametrize("case", cases("input", ALL, INPUT_EXCLUDED, only=True))
def test_input_that_is_not_on_the_wire_as_it_was_meant_is_parsed_to_what_is(case: Case) -> None:
    shape, reason = case.model.input_shape, INPUT_EXCLUDED[case.id]
    meant = values(shape, case.data["params"])
    request = a_request(case)

    parsed = read_request(case.model, request)

    if reason == _TOKEN:
        tokens = {name for name, member in shape.members.items() if member.metadata.get("idempotencyToken")}
        assert set(parsed) == {*meant, *tokens}
    elif reason == _GZIP:
        method, _, query, _, body = wire_form(case, meant)
        content = urlencode(body) if isinstance(body, dict) else body
        packed = gzip.compress(content.encode() if isinstance(content, str) else content)
        assert not query
        assert method == request.method
        assert read_request(case.model, replace(request, body=packed, body_size_bytes=len(packed))) == {
            **meant,
            **parsed,
        }
    elif case.id == "MediaTypeHeaderInputBase64":
        assert parsed == {name: json.loads(text) for name, text in meant.items()}
    elif reason == _QUERY_MAP and "Precedence" in case.id:
        assert parsed == {"foo": meant["foo"], "baz": {"qux": "alsoFromMap"}}
    elif reason == _QUERY_MAP:
        assert without_nan(parsed) == without_nan(
            {name: item for name, item in meant.items() if name != "queryParamsMapOfStringList"}
        )
    else:
        assert wire_form(case, parsed) == wire_form(case, meant)


@pytest.mark.parametrize("kind", ["input", "output"])
def test_every_case_of_the_corpus_is_run(kind: str) -> None:
    excluded = INPUT_EXCLUDED if kind == "input" else OUTPUT_EXCLUDED
    run = [item.values[0] for item in (*cases(kind, ALL, excluded), *cases(kind, ALL, excluded, only=True))]
    if None in run:
        return

    assert len(run) == cases_in_files(kind) == (367 if kind == "input" else 365)
    assert set(excluded) <= {case.id for case in run}


def test_output_that_is_not_read_is_on_botocores_own_ignore_list() -> None:
    left = {case.values[0] for case in cases("output", ALL, OUTPUT_EXCLUDED, only=True)} - {None}
    ignored = ignored_by_botocore("output") if left else set()

    assert [case.id for case in left if (case.protocol, case.id) not in ignored] in (
        [],
        ["HttpPrefixHeadersAreNotPresent"],
    )
    for case in left:
        if case.id == "HttpPrefixHeadersAreNotPresent":
            assert read_response(case.model, a_response(case)).output == {"foo": "Foo"}
