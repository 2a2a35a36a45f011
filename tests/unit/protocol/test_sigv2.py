"""S3's old signature against botocore's own signers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import AUTH_TYPE_MAPS
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from opentrail.http_message import HttpRequest
from opentrail.protocol import signatures
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4 import IncompleteSignature, SignatureError, SignatureExpired, SignatureMismatch
from tests.unit.protocol.botocore_requests import ACCESS_KEY_ID, SECRET, as_http_request

TOKEN = "FwoGZXIvYXdzEXAMPLE//token="


def a_request(
    url: str = "http://127.0.0.1:4700/logs/a%20key",
    *,
    method: str = "GET",
    auth: str = "s3",
    headers: dict[str, str] | None = None,
    auth_path: str = "",
    token: str = "",
) -> HttpRequest:
    request = AWSRequest(method, url, dict(headers or {}), b"")
    request.auth_path = auth_path or None
    AUTH_TYPE_MAPS[auth](Credentials(ACCESS_KEY_ID, SECRET, token or None)).add_auth(request)
    made = as_http_request(request)
    if auth == "s3":
        return made
    # Whoever opens the URL sends none of the headers that went into it.
    return replace(made, header_list=tuple(item for item in made.header_list if item[0] == "Host"))


def verified(request: HttpRequest, *, secret: str = SECRET, after: timedelta = timedelta()) -> None:
    scope = read_scope(request)
    assert scope is not None
    assert scope.scheme == "AWS"
    assert scope.access_key_id == ACCESS_KEY_ID
    signatures.verify(request, scope, secret, datetime.now(UTC) + after)


URLS = [
    "http://127.0.0.1:4700/",
    "http://127.0.0.1:4700/logs/a%20key//b",
    "http://127.0.0.1:4700/logs?acl",
    "http://127.0.0.1:4700/logs/k?uploadId=x%2Fy&partNumber=2&ignored=1",
    "http://127.0.0.1:4700/logs/k?response-content-type=text%2Fplain&versionId=3",
    "http://127.0.0.1:4700/logs/k?versionId=a%2Bb",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("auth", ["s3", "s3-query"])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_what_botocore_signs_verifies(url: str, auth: str, token: str) -> None:
    headers = {"Content-Type": "text/plain", "x-amz-meta-Note": " a  b ", "x-amz-acl": "private"}

    verified(a_request(url, method="PUT", auth=auth, token=token, headers=headers if auth == "s3" else {}))


def test_a_bucket_in_the_host_is_part_of_the_resource() -> None:
    url = "http://logs.s3.us-east-1.amazonaws.com/a%20key?acl"

    verified(a_request(url, auth_path="/logs/a%20key"))
    verified(a_request(url, auth_path="/logs/a%20key", auth="s3-query"))
    with pytest.raises(SignatureMismatch):
        verified(a_request(url, auth_path="/other/a%20key"))


@pytest.mark.parametrize("auth", ["s3", "s3-query"])
def test_another_secret_method_path_or_header_does_not_verify(auth: str) -> None:
    request = a_request(auth=auth)

    with pytest.raises(SignatureMismatch):
        verified(request, secret="other")
    with pytest.raises(SignatureMismatch):
        verified(replace(request, method="DELETE"))
    with pytest.raises(SignatureMismatch):
        verified(replace(request, target=request.target.replace("a%20key", "b%20key")))
    with pytest.raises(SignatureMismatch):
        verified(replace(request, header_list=(*request.header_list, ("x-amz-acl", "public-read"))))


def test_a_url_verifies_until_it_expires() -> None:
    request = a_request(auth="s3-query")

    verified(request, after=timedelta(minutes=59))
    with pytest.raises(SignatureExpired):
        verified(request, after=timedelta(minutes=61))
    with pytest.raises(IncompleteSignature):
        verified(replace(request, target=request.target.replace("Expires=", "Expires=x")))


def test_a_header_verifies_for_five_minutes() -> None:
    request = a_request()

    verified(request, after=timedelta(minutes=4))
    with pytest.raises(SignatureExpired):
        verified(request, after=timedelta(minutes=6))
    with pytest.raises(IncompleteSignature):
        verified(replace(request, header_list=tuple(item for item in request.header_list if item[0] != "Date")))


@pytest.mark.parametrize(
    "target",
    [
        "/?AWSAccessKeyId=A&Signature=s&SignatureVersion=2&Expires=1",
        "/b/k?AWSAccessKeyId=A&Signature=" + "s" * 5000 + "&Expires=99999999999",
        "/b/k?AWSAccessKeyId=A&Signature=%ff&Expires=99999999999&x-amz-%ff=%ff",
    ],
)
def test_what_is_no_signature_of_s3_is_refused(target: str) -> None:
    request = HttpRequest("GET", target, (("Host", "h"),), b"", "192.0.2.1")
    scope = read_scope(request)

    assert scope is not None
    with pytest.raises(SignatureError):
        signatures.verify(request, scope, SECRET, datetime.now(UTC))
