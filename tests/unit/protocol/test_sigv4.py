"""SigV4 against botocore's own signers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest

from opentrail.http_message import HttpRequest
from opentrail.protocol import sigv4
from opentrail.protocol.scope import read_scope
from tests.unit.protocol.botocore_requests import ACCESS_KEY_ID, ENDPOINT, SECRET, as_http_request, sign


def a_signed_request(
    path: str = "/",
    *,
    method: str = "POST",
    body: bytes = b"{}",
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    signing_name: str = "cloudtrail",
    auth: str = "v4",
    token: str = "",
) -> HttpRequest:
    request = AWSRequest(method, ENDPOINT + path, dict(headers or {}), body, params or {})
    request.context["client_config"] = None
    sign(request, signing_name=signing_name, auth=auth, token=token)
    return as_http_request(request)


def verified(request: HttpRequest, *, secret: str = SECRET, after: timedelta = timedelta()) -> None:
    scope = read_scope(request)
    assert scope is not None
    sigv4.verify(request, scope, secret, datetime.now(UTC) + after)


PATHS = [
    "/",
    "/a/b",
    "/a//b/../c/./d/",
    "/a%20b/%C3%A9",
    "/arn%3Aaws%3Asns%3Aus-east-1%3A1%3At",
    "/a~b_c-d.e",
    "/a%2Fb",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("signing_name", "auth"), [("lambda", "v4"), ("s3", "s3v4")])
def test_what_botocore_signs_verifies(path: str, signing_name: str, auth: str) -> None:
    verified(a_signed_request(path, signing_name=signing_name, auth=auth))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("signing_name", "auth"), [("lambda", "v4-query"), ("s3", "s3v4-query")])
def test_what_botocore_presigns_verifies_until_it_expires(path: str, signing_name: str, auth: str) -> None:
    request = a_signed_request(path, method="GET", body=b"", signing_name=signing_name, auth=auth)

    verified(request)
    verified(request, after=timedelta(minutes=59))
    with pytest.raises(sigv4.SignatureExpired):
        verified(request, after=timedelta(minutes=61))


@pytest.mark.parametrize(
    "params",
    [{"b": "2", "a": "1"}, {"acl": ""}, {"k": "a b+c/d=é~*"}, {"a": "1", "A": "2", "a-b": "3"}, {"x%2": "%20"}],
)
def test_query_strings_verify(params: dict[str, str]) -> None:
    verified(a_signed_request("/b/k", method="GET", body=b"", params=params, signing_name="s3", auth="s3v4"))


def test_session_tokens_are_signed_and_read() -> None:
    header = a_signed_request(token="FwoGZXIvYXdz//token==")
    query = a_signed_request(method="GET", body=b"", token="FwoGZXIvYXdz//token==", signing_name="sts", auth="v4-query")

    for request in (header, query):
        verified(request)
        scope = read_scope(request)
        assert scope is not None
        assert scope.session_token == "FwoGZXIvYXdz//token=="


def test_header_values_are_trimmed_folded_and_joined() -> None:
    request = a_signed_request(headers={"X-Amz-Meta-Note": "  a   b  "}, signing_name="s3", auth="s3v4")

    verified(request)


def test_header_values_beyond_ascii_verify_however_they_were_decoded() -> None:
    request = a_signed_request(headers={"x-amz-meta-name": "é"}, signing_name="s3", auth="s3v4")
    as_latin = tuple((n, v.encode().decode("latin-1") if n == "x-amz-meta-name" else v) for n, v in request.header_list)

    verified(request)
    verified(replace(request, header_list=as_latin))


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("method", {"method": "PUT"}),
    ("path", {"target": "/b"}),
    ("query", {"target": "/?x=1"}),
]


@pytest.mark.parametrize(("what", "change"), CHANGES, ids=[name for name, _ in CHANGES])
def test_a_changed_request_does_not_verify(what: str, change: dict[str, Any]) -> None:
    request = replace(a_signed_request("/a"), **change)

    with pytest.raises(sigv4.SignatureMismatch):
        verified(request)


def test_a_changed_signed_header_does_not_verify() -> None:
    request = a_signed_request(headers={"X-Amz-Target": "T.StopLogging"})
    changed = tuple((n, "T.GetTrail" if n == "X-Amz-Target" else v) for n, v in request.header_list)

    with pytest.raises(sigv4.SignatureMismatch):
        verified(replace(request, header_list=changed))


def test_an_amz_header_that_was_not_signed_is_refused() -> None:
    request = a_signed_request()

    with pytest.raises(sigv4.IncompleteSignature, match="not signed: x-amz-target"):
        verified(replace(request, header_list=(*request.header_list, ("X-Amz-Target", "T.StopLogging"))))


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(sigv4.SignatureMismatch):
        verified(a_signed_request(), secret="other")


def test_a_changed_body_does_not_verify() -> None:
    with pytest.raises(sigv4.SignatureMismatch):
        verified(replace(a_signed_request(), body=b'{"Name": 1}'))
    with pytest.raises(sigv4.PayloadMismatch):
        verified(replace(a_signed_request("/b/k", signing_name="s3", auth="s3v4"), body=b"changed"))


def test_a_body_that_was_not_held_verifies_only_by_a_stated_hash() -> None:
    verified(replace(a_signed_request("/b/k", signing_name="s3", auth="s3v4"), body=None))
    with pytest.raises(sigv4.IncompleteSignature):
        verified(replace(a_signed_request(), body=None))


@pytest.mark.parametrize("literal", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_payload_literals_are_for_s3_only(literal: str) -> None:
    headers = {"X-Amz-Content-SHA256": literal}
    elsewhere = a_signed_request(headers=headers)
    with pytest.raises(sigv4.PayloadMismatch):
        verified(elsewhere)

    to_s3 = a_signed_request("/b/k", headers=headers, signing_name="s3")
    verified(replace(to_s3, body=b"anything"))


def test_clock_skew_of_five_minutes_is_accepted_and_no_more() -> None:
    request = a_signed_request()

    verified(request, after=timedelta(minutes=4, seconds=55))
    verified(request, after=timedelta(minutes=-4, seconds=-55))
    with pytest.raises(sigv4.SignatureExpired, match=r"Signature expired: .* is now earlier than .* - 5 min"):
        verified(request, after=timedelta(minutes=6))
    with pytest.raises(sigv4.SignatureExpired, match="not yet current"):
        verified(request, after=timedelta(minutes=-6))


@pytest.mark.parametrize("seconds", ["", "-1", "604801", "9" * 30, "1e3", "NaN"])
def test_presigned_lives_beyond_a_week_are_refused(seconds: str) -> None:
    request = a_signed_request(method="GET", body=b"", signing_name="s3", auth="s3v4-query")
    target = request.target.replace("X-Amz-Expires=3600", f"X-Amz-Expires={seconds}")

    with pytest.raises(sigv4.IncompleteSignature):
        verified(replace(request, target=target))


def test_a_scope_of_another_day_is_refused() -> None:
    request = a_signed_request()
    today = datetime.now(UTC).strftime("%Y%m%d")
    changed = tuple((n, v.replace(f"/{today}/", "/20200101/")) for n, v in request.header_list)

    with pytest.raises(sigv4.IncompleteSignature):
        verified(replace(request, header_list=changed))


def test_a_host_that_was_not_signed_is_refused() -> None:
    request = a_signed_request()
    changed = tuple((n, v.replace("SignedHeaders=host;", "SignedHeaders=")) for n, v in request.header_list)

    with pytest.raises(sigv4.IncompleteSignature):
        verified(replace(request, header_list=changed))


def test_what_we_sign_verifies_here_and_equals_botocores_signature() -> None:
    now = datetime.now(UTC)
    request = HttpRequest(
        "POST", "/a%20b?x=1&a=%2F", (("Host", "127.0.0.1:4700"), ("Content-Type", "a/b")), b"body", "", 4
    )

    signed = sigv4.sign(
        request,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET,
        region="us-east-1",
        signing_name="lambda",
        now=now,
        session_token="token",
    )

    verified(signed)
    theirs = AWSRequest("POST", ENDPOINT + request.target, {"Content-Type": "a/b"}, b"body")
    theirs.headers["X-Amz-Content-SHA256"] = signed.headers.get("x-amz-content-sha256")
    sign(theirs, signing_name="lambda", token="token")
    if theirs.headers["X-Amz-Date"] == signed.headers.get("x-amz-date"):
        assert theirs.headers["Authorization"] == signed.headers.get("authorization")
