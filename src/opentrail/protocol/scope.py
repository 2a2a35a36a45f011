"""The credential scope of a request: who it says signed it, for which service and Region. Nothing is verified here.

Five places can hold it: the Authorization header (SigV4, SigV4A, and S3's old ``AWS key:signature``), the query string
of a presigned URL (SigV4, SigV4A, and S3's old ``AWSAccessKeyId``), and the fields of a form that posts an object.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote_plus

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope

SIGV4 = "AWS4-HMAC-SHA256"
SIGV4A = "AWS4-ECDSA-P256-SHA256"
SIGV2 = "AWS"

HEADER_LIMIT_CHARACTERS = 8192
"""A longer Authorization header, credential or date is garbage (HTTP servers stop at 8 KB too)."""

REMEMBERED_CHARACTERS = 4096
"""Longest credential, date and session token that are remembered together, for the 1024 used last: the calls that a key
signs within one second share them."""

_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_V2_HEADER = re.compile(r"AWS ([^\s:]{1,128}):(\S{1,128})")
_BASIC_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def read_scope(request: HttpRequest) -> CredentialScope | None:
    """Return what ``request`` claims about its signer, or None when it is not signed in a form that AWS knows.

    Never raises: a scope that does not parse is no scope. A date that does not parse leaves ``signed_at`` None.
    """
    authorization = request.headers.get("authorization")
    if authorization:
        return _header_scope(request, authorization)
    if "Amz-" in request.raw_query or "AWSAccessKeyId" in request.raw_query or "%" in request.raw_query:
        return _query_scope(request)
    return None


def form_scope(fields: Mapping[str, str]) -> CredentialScope | None:
    """Return what the fields (by lower-case name) of a form that posts an object to S3 claim about who signed its
    policy; None without a policy, which makes the call anonymous."""
    token = fields.get("x-amz-security-token", "")
    if not fields.get("policy"):
        return None
    if fields.get("x-amz-algorithm") in (SIGV4, SIGV4A):
        signed_at = parse_basic_time(fields.get("x-amz-date", ""))
        credential = fields.get("x-amz-credential", "")
        return _scope(fields["x-amz-algorithm"], credential, signed_at, is_presigned=False, token=token)
    access_key_id = fields.get("awsaccesskeyid", "")
    if not access_key_id or len(access_key_id) > 128:
        return None
    return CredentialScope(access_key_id, "", "s3", SIGV2, None, False, token)


def query_values(raw_query: str, names: frozenset[str]) -> dict[str, str]:
    """Return the decoded first values of ``names`` in a raw query string, whatever its size or shape."""
    found: dict[str, str] = {}
    for pair in raw_query.split("&"):
        name, _, value = pair.partition("=")
        if "%" in name:
            name = unquote_plus(name)
        if name in names and name not in found:
            found[name] = unquote_plus(value)
    return found


def parse_basic_time(text: str) -> datetime | None:
    """Parse ``YYYYMMDDTHHMMSSZ``, the signing time as SigV4 writes it; None for anything else."""
    if not _BASIC_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _header_scope(request: HttpRequest, authorization: str) -> CredentialScope | None:
    if len(authorization) > HEADER_LIMIT_CHARACTERS:
        return None
    token = request.headers.get("x-amz-security-token") or request.headers.get("x-amz-s3session-token")
    scheme, _, rest = authorization.partition(" ")
    if scheme in (SIGV4, SIGV4A):
        match = _CREDENTIAL.search(rest)
        if match is None:
            return None
        credential, date = match.group(1), request.headers.get("x-amz-date")
        if date and len(credential) + len(date) + len(token) <= REMEMBERED_CHARACTERS:
            return _remembered_scope(scheme, credential, date, token)
        return _scope(scheme, credential, _header_time(request), is_presigned=False, token=token)
    old = _V2_HEADER.fullmatch(authorization)
    if old is None:
        return None
    return CredentialScope(old.group(1), "", "s3", SIGV2, _header_time(request), False, token)


def _header_time(request: HttpRequest) -> datetime | None:
    basic = request.headers.get("x-amz-date")
    return _amz_date(basic) if basic else _http_date(request.headers.get("date"))


def _amz_date(text: str) -> datetime | None:
    return parse_basic_time(text) or _http_date(text)


def _http_date(text: str) -> datetime | None:
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return parse_basic_time(text)


_QUERY_NAMES = frozenset(
    (
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Security-Token",
        "X-Amz-S3session-Token",
        "AWSAccessKeyId",
        "Signature",
        "SignatureVersion",
        "x-amz-security-token",
        "SecurityToken",
    )
)


def _query_scope(request: HttpRequest) -> CredentialScope | None:
    values = query_values(request.raw_query, _QUERY_NAMES)
    if values.get("X-Amz-Algorithm") in (SIGV4, SIGV4A):
        token = values.get("X-Amz-Security-Token") or values.get("X-Amz-S3session-Token", "")
        signed_at = parse_basic_time(values.get("X-Amz-Date", ""))
        return _scope(
            values["X-Amz-Algorithm"], values.get("X-Amz-Credential", ""), signed_at, is_presigned=True, token=token
        )
    access_key_id = values.get("AWSAccessKeyId", "")
    if not access_key_id or "Signature" not in values or len(access_key_id) > 128:
        return None
    # S3's presigned form has no version; the query services' old form has SignatureVersion and names no service.
    signing_name = "" if "SignatureVersion" in values else "s3"
    token = values.get("x-amz-security-token") or values.get("SecurityToken", "")
    return CredentialScope(access_key_id, "", signing_name, SIGV2, None, True, token)


def _scope(
    scheme: str, credential: str, signed_at: datetime | None, *, is_presigned: bool, token: str
) -> CredentialScope | None:
    parts = credential.split("/")
    expected = 5 if scheme == SIGV4 else 4
    if len(parts) != expected or not all(parts) or parts[-1] != "aws4_request":
        return None
    region = parts[2] if scheme == SIGV4 else ""
    return CredentialScope(parts[0], region, parts[-2], scheme, signed_at, is_presigned, token)


@lru_cache(maxsize=1024)
def _remembered_scope(scheme: str, credential: str, date: str, token: str) -> CredentialScope | None:
    return _scope(scheme, credential, _amz_date(date), is_presigned=False, token=token)
