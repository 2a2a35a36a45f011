"""Credential scopes in all the places where they travel."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.scope import read_scope


def a_request(target: str = "/", **headers: str) -> HttpRequest:
    return HttpRequest("GET", target, tuple((n.replace("_", "-"), v) for n, v in headers.items()), b"", "127.0.0.1")


SIGNED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_a_header_scope_is_read() -> None:
    request = a_request(
        Authorization="AWS4-HMAC-SHA256 Credential=AKIA/20260304/eu-west-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=abc",
        X_Amz_Date="20260304T050607Z",
        X_Amz_Security_Token="token",
    )

    assert read_scope(request) == CredentialScope(
        "AKIA", "eu-west-1", "s3", "AWS4-HMAC-SHA256", SIGNED_AT, False, "token"
    )


def test_a_header_without_spaces_after_its_commas_is_read() -> None:
    authorization = "AWS4-HMAC-SHA256 SignedHeaders=host,Signature=abc,Credential=AKIA/20260304/r/sts/aws4_request"

    scope = read_scope(a_request(Authorization=authorization, Date="Wed, 04 Mar 2026 05:06:07 GMT"))

    assert scope == CredentialScope("AKIA", "r", "sts", "AWS4-HMAC-SHA256", SIGNED_AT, False)


def test_a_presigned_scope_is_read() -> None:
    target = (
        "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260304%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20260304T050607Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=a%2Bb"
        "&X-Amz-Signature=0"
    )

    assert read_scope(a_request(target)) == CredentialScope(
        "AKIA", "us-east-1", "s3", "AWS4-HMAC-SHA256", SIGNED_AT, True, "a+b"
    )


def test_an_asymmetric_scope_has_no_region() -> None:
    authorization = "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20260304/s3/aws4_request, SignedHeaders=host, Signature=0"

    scope = read_scope(a_request(Authorization=authorization, X_Amz_Date="20260304T050607Z"))

    assert scope == CredentialScope("AKIA", "", "s3", "AWS4-ECDSA-P256-SHA256", SIGNED_AT, False)


def test_s3s_old_forms_are_read() -> None:
    presigned = a_request("/b/k?AWSAccessKeyId=AKIA&Expires=1&Signature=x%3D&x-amz-security-token=t")
    header = a_request(Authorization="AWS AKIA:frJIUN8DYpKDtOLCwo//yllqDzg=")

    assert read_scope(presigned) == CredentialScope("AKIA", "", "s3", "AWS", None, True, "t")
    assert read_scope(header) == CredentialScope("AKIA", "", "s3", "AWS", None, False)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer token",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=",
        "AWS4-HMAC-SHA256 Credential=AKIA/20260304/us-east-1/s3",
        "AWS4-HMAC-SHA256 Credential=AKIA/20260304/us-east-1/s3/other",
        "AWS4-HMAC-SHA256 Credential=/20260304/us-east-1/s3/aws4_request",
        "AWS4-HMAC-SHA256 Credential=" + "A" * 9000,
    ],
)
def test_what_is_no_scope_is_none(authorization: str) -> None:
    assert read_scope(a_request(Authorization=authorization)) is None


def test_a_date_that_does_not_parse_leaves_the_time_open() -> None:
    authorization = "AWS4-HMAC-SHA256 Credential=AKIA/20260304/r/sts/aws4_request, SignedHeaders=host, Signature=0"

    for date in ("", "20261304T050607Z", "yesterday", "Wed, 99 Mar 2026 05:06:07 GMT", "٢٠٢٦٠٣٠٤T٠٥٠٦٠٧Z"):
        scope = read_scope(a_request(Authorization=authorization, X_Amz_Date=date))
        assert scope is not None
        assert scope.signed_at is None


@given(
    st.text(max_size=60),
    st.sampled_from(["AWS4-HMAC-SHA256 Credential=", "AWS ", ""]),
    st.text(max_size=80),
    st.text(max_size=40),
)
def test_garbage_never_raises(target: str, prefix: str, authorization: str, date: str) -> None:
    read_scope(a_request("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + target, X_Amz_Date=date))
    read_scope(a_request("/?AWSAccessKeyId" + target))
    read_scope(a_request(target, Authorization=prefix + authorization, Date=date))
