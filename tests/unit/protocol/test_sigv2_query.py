"""Signature Version 2 of query services against botocore's own signer."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope, signatures
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv2_query import body_scope
from opentrail.protocol.sigv4 import SignatureError
from tests.unit.protocol.botocore_requests import ACCESS_KEY_ID, SECRET, as_http_request

PARAMETERS = {"Action": "Select", "Version": "2009-04-15", "SelectExpression": "select * from `a b` where é = '+&~/'"}


def a_call(method: str = "POST", *, token: str = "", parameters: dict[str, str] | None = None) -> HttpRequest:
    values = dict(PARAMETERS if parameters is None else parameters)
    is_post = method == "POST"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if is_post else {}
    request = AWSRequest(
        method, "http://127.0.0.1:4700/", headers, values if is_post else b"", params={} if is_post else values
    )
    SigV2Auth(Credentials(ACCESS_KEY_ID, SECRET, token or None)).add_auth(request)
    return as_http_request(request)


def scope_of(request: HttpRequest) -> CredentialScope:
    scope = read_scope(request) or body_scope(request)
    assert scope is not None
    return scope


def verified(request: HttpRequest, *, secret: str = SECRET, after: timedelta = timedelta()) -> None:
    signatures.verify(request, scope_of(request), secret, datetime.now(UTC) + after)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_botocore_signs_names_its_signer_and_verifies(method: str) -> None:
    request = a_call(method, token="a/token=")

    scope = scope_of(request)

    assert (scope.access_key_id, scope.signing_name, scope.session_token) == (ACCESS_KEY_ID, "", "a/token=")
    verified(request)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_secret_host_parameter_or_time_does_not_verify(method: str) -> None:
    request = a_call(method)
    host = tuple((name, "other" if name == "Host" else value) for name, value in request.header_list)
    body = (request.body or b"").replace(b"Select&", b"Delete&")
    target = request.target.replace("=Select&", "=Delete&")

    with pytest.raises(SignatureError):
        verified(request, secret="other")
    with pytest.raises(SignatureError):
        verified(HttpRequest(method, request.target, host, request.body, ""))
    with pytest.raises(SignatureError):
        verified(HttpRequest(method, target + "&a=b" * (method == "GET"), request.header_list, body + b"&c=d", ""))
    with pytest.raises(SignatureError):
        verified(request, after=timedelta(hours=1))


def test_parameters_in_two_places_or_twice_do_not_verify() -> None:
    request = a_call("POST")
    query = HttpRequest("POST", "/?Action=Other", request.header_list, request.body, "")
    twice = HttpRequest("POST", "/", request.header_list, (request.body or b"") + b"&Action=Other", "")

    for changed in (query, twice):
        with pytest.raises(SignatureError):
            verified(changed)


def test_a_form_that_names_two_signers_names_none() -> None:
    request = a_call("POST")
    two = HttpRequest("POST", "/", request.header_list, (request.body or b"") + b"&AWSAccessKeyId=other", "")

    assert body_scope(two) is None


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_nothing_a_body_holds_raises(noise: bytes, replacement: bytes) -> None:
    request = a_call("POST")
    body = request.body or b""
    for data in (body + noise, noise + body, body.replace(b"=", replacement, 3), noise):
        changed = HttpRequest("POST", "/", request.header_list, data, "")
        scope = body_scope(changed)
        if scope is not None:
            try:
                signatures.verify(changed, scope, SECRET, datetime.now(UTC))
            except SignatureError:
                continue
