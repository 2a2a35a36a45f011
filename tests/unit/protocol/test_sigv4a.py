"""SigV4A: the key that AWS's signers derive, and requests signed with it as their documentation says."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from opentrail.http_message import HttpRequest
from opentrail.protocol import Operation, signatures, sigv4
from opentrail.protocol.identify import identify
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4a import derive_key

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()


def sign(canonical: str, credential_scope: str) -> str:
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n{credential_scope}\n{hashed}"
    return derive_key(KEY, SECRET).sign(text.encode(), ec.ECDSA(SHA256())).hex()


def a_request(region_set: str = "*") -> HttpRequest:
    """Return a GET of an object, its canonical request written out as the specification has it."""
    canonical = (
        "GET\n/logs/a%20key\nversionId=1\nhost:mrap.example\n"
        f"x-amz-content-sha256:{EMPTY}\nx-amz-date:20150830T123600Z\nx-amz-region-set:{region_set}\n\n"
        f"host;x-amz-content-sha256;x-amz-date;x-amz-region-set\n{EMPTY}"
    )
    signature = sign(canonical, "20150830/s3/aws4_request")
    authorization = (
        f"AWS4-ECDSA-P256-SHA256 Credential={KEY}/20150830/s3/aws4_request, "
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set, Signature={signature}"
    )
    headers = (
        ("Host", "mrap.example"),
        ("X-Amz-Date", "20150830T123600Z"),
        ("X-Amz-Region-Set", region_set),
        ("X-Amz-Content-SHA256", EMPTY),
        ("Authorization", authorization),
    )
    return HttpRequest("GET", "/logs/a%20key?versionId=1", headers, b"", "192.0.2.1")


def a_url() -> HttpRequest:
    query = (
        "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fs3%2Faws4_request"
        "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-Region-Set=us-east-1%2Ceu-west-1&X-Amz-SignedHeaders=host"
    )
    canonical = f"GET\n/logs/key\n{query}\nhost:mrap.example\n\nhost\nUNSIGNED-PAYLOAD"
    target = f"/logs/key?{query}&X-Amz-Signature={sign(canonical, '20150830/s3/aws4_request')}"
    return HttpRequest("GET", target, (("Host", "mrap.example"),), b"", "192.0.2.1")


def verified(request: HttpRequest, *, secret: str = SECRET, after: timedelta = timedelta()) -> None:
    scope = read_scope(request)
    assert scope is not None
    signatures.verify(request, scope, secret, NOW + after)


def test_the_key_is_the_one_that_the_signers_of_aws_derive() -> None:
    # The public key of these credentials in the test suite of AWS's common runtime.
    point = derive_key(KEY, SECRET).public_key().public_numbers()

    assert f"{point.x:064x}" == "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1"
    assert f"{point.y:064x}" == "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518"


@pytest.mark.parametrize("make", [a_request, a_url])
def test_a_signed_request_is_named_and_verifies(make: Callable[[], HttpRequest]) -> None:
    request = make()

    assert identify(request, read_scope(request)) == Operation("s3", "GetObject")
    verified(request)
    with pytest.raises(sigv4.SignatureMismatch):
        verified(request, secret="other")
    with pytest.raises(sigv4.SignatureMismatch):
        verified(replace(request, target=request.target.replace("key", "other")))


def test_it_is_in_time_as_sigv4_is() -> None:
    verified(a_url(), after=timedelta(minutes=14))
    with pytest.raises(sigv4.SignatureExpired):
        verified(a_url(), after=timedelta(minutes=16))
    with pytest.raises(sigv4.SignatureExpired):
        verified(a_request(), after=timedelta(minutes=6))


def test_another_region_set_does_not_verify() -> None:
    request = a_request("us-east-1")
    changed = tuple((name, "*" if name == "X-Amz-Region-Set" else value) for name, value in request.header_list)
    without = tuple(item for item in request.header_list if item[0] != "X-Amz-Region-Set")

    verified(request)
    with pytest.raises(sigv4.SignatureMismatch):
        verified(replace(request, header_list=changed))
    with pytest.raises(sigv4.IncompleteSignature):
        verified(replace(request, header_list=without))


@pytest.mark.parametrize("signature", ["", "zz", "00", "30" * 500])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    request = a_request()
    headers = tuple(
        (name, value.partition("Signature=")[0] + f"Signature={signature}" if name == "Authorization" else value)
        for name, value in request.header_list
    )

    with pytest.raises(sigv4.SignatureError):
        verified(replace(request, header_list=headers))


def test_our_own_api_takes_no_other_scheme_than_sigv4() -> None:
    request = a_request()
    scope = read_scope(request)

    assert scope is not None
    with pytest.raises(sigv4.IncompleteSignature):
        sigv4.verify(request, scope, SECRET, NOW)
