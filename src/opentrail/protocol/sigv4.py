"""Signature Version 4: verifying requests as AWS does, and signing our own.

The canonical request is computed from the bytes of the request line and headers, never from decoded values. Clients
differ in three places, and each form that AWS accepts is tried: a query string as it stands or re-encoded, a path as
it stands or re-encoded (S3), and header values as UTF-8 or Latin-1. All forms bind the same request.

``verify`` refuses every other scheme; ``signatures`` knows them all.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar
from urllib.parse import quote, unquote_to_bytes

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.paths import S3_SIGNING_NAMES, service_segments
from opentrail.protocol.scope import HEADER_LIMIT_CHARACTERS, SIGV4, query_values

MAX_SKEW = timedelta(minutes=5)
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
"""The longest life of a presigned URL, as S3 has it."""
MAX_SIGNED_HEADERS = 256
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
AUTHORITY = ":authority"
"""What clients that speak HTTP/2 sign in place of ``host``: the same value."""
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNRESERVED = "-_.~"
_MAY_GO_UNSIGNED = frozenset({"x-amz-cf-id", "x-amz-apigw-id"})
"""``x-amz-`` headers that proxies on the way add."""


class SignatureError(Exception):
    """The request is not (provably) signed by the key it names. ``code`` is the query and JSON services' error code,
    ``s3_code`` S3's; the text is AWS's."""

    code: ClassVar[str] = "SignatureDoesNotMatch"
    s3_code: ClassVar[str] = "SignatureDoesNotMatch"


class SignatureMismatch(SignatureError):
    """Computed and given signature differ."""

    def __init__(self) -> None:
        super().__init__(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )


class SignatureExpired(SignatureError):
    """Signed too long ago, dated in the future, or a presigned URL past its life."""

    s3_code: ClassVar[str] = "RequestTimeTooSkewed"


class IncompleteSignature(SignatureError):
    """A part of the signature is missing or malformed."""

    code: ClassVar[str] = "IncompleteSignature"
    s3_code: ClassVar[str] = "AuthorizationHeaderMalformed"


class PayloadMismatch(SignatureError):
    """The body is not the one whose hash was signed."""

    s3_code: ClassVar[str] = "XAmzContentSHA256Mismatch"

    def __init__(self) -> None:
        super().__init__("The provided 'x-amz-content-sha256' header does not match what was computed.")


@dataclass(frozen=True, slots=True)
class Claim:
    """The signature as sent, and what it was made over."""

    signature: str
    credential_scope: str
    timestamp: str
    signed_headers: tuple[str, ...]
    raw_query: str
    payload_hash: str
    is_hash_computed: bool = False
    """Whether ``payload_hash`` is that of the body that came, as against one that the client states."""


def verify(
    request: HttpRequest,
    scope: CredentialScope,
    secret_access_key: str,
    now: datetime,
    *,
    max_skew: timedelta = MAX_SKEW,
) -> None:
    """Return when ``request`` was signed with ``secret_access_key`` under ``scope`` (as ``read_scope`` gave it).

    The comparison takes constant time. The body's hash is checked when the body is held; ``UNSIGNED-PAYLOAD`` and
    ``STREAMING-*`` are accepted for S3 only, and then the body is not covered. A presigned URL must not be past its
    life, any other request not further than ``max_skew`` from ``now``. Raises SignatureError, whatever it is given.
    """
    if scope.scheme != SIGV4 or scope.signed_at is None:
        raise IncompleteSignature(f"Unsupported signing algorithm or missing date: {scope.scheme}")
    date = _basic_time(scope.signed_at)[:8]
    key = signing_key(secret_access_key, date, scope.region, scope.signing_name)

    def is_made_over(claim: Claim, canonical_request: bytes) -> bool:
        given = claim.signature.encode("utf-8", "replace")
        return hmac.compare_digest(_signature(key, claim, canonical_request).encode("ascii"), given)

    verify_claim(request, scope, now, max_skew, is_made_over)


def verify_claim(
    request: HttpRequest,
    scope: CredentialScope,
    now: datetime,
    max_skew: timedelta,
    is_made_over: Callable[[Claim, bytes], bool],
) -> None:
    """Return when ``is_made_over`` says of a canonical request that the claim's signature was made over it, and all
    else that ``verify`` asks for holds. The scope has its time. Raises SignatureError."""
    claim = _read_query_claim(request, scope) if scope.is_presigned else _read_header_claim(request, scope)
    _check_time(request, scope, now, max_skew)
    _check_signed_headers(request, claim.signed_headers)
    if not any(is_made_over(claim, canonical) for canonical in _canonical_requests(request, scope, claim)):
        raise SignatureMismatch
    if not claim.is_hash_computed:
        _check_payload(request, scope, claim.payload_hash)


def string_to_sign(algorithm: str, claim: Claim, canonical_request: bytes) -> bytes:
    """Return what a signature is made over."""
    hashed = hashlib.sha256(canonical_request).hexdigest()
    return f"{algorithm}\n{claim.timestamp}\n{claim.credential_scope}\n{hashed}".encode("utf-8", "replace")


def sign(
    request: HttpRequest,
    *,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    signing_name: str,
    now: datetime,
    session_token: str = "",
) -> HttpRequest:
    """Return ``request`` with its date, payload hash and Authorization header; every header it has is signed.

    The body must be held. The Host header must be there.
    """
    assert request.body is not None
    timestamp = _basic_time(now)
    payload_hash = hashlib.sha256(request.body).hexdigest()
    headers = [(name, value) for name, value in request.header_list if name.lower() not in _OURS]
    headers += [("X-Amz-Date", timestamp), ("X-Amz-Content-SHA256", payload_hash)]
    if session_token:
        headers.append(("X-Amz-Security-Token", session_token))
    dated = replace(request, header_list=tuple(headers))
    names = tuple(sorted({name.lower() for name, _ in headers}))
    credential_scope = f"{timestamp[:8]}/{region}/{signing_name}/aws4_request"
    claim = Claim("", credential_scope, timestamp, names, request.raw_query, payload_hash)
    scope = CredentialScope(access_key_id, region, signing_name, SIGV4, now, False, session_token)
    key = signing_key(secret_access_key, timestamp[:8], region, signing_name)
    signature = _signature(key, claim, next(_canonical_requests(dated, scope, claim)))
    authorization = (
        f"{SIGV4} Credential={access_key_id}/{credential_scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return replace(request, header_list=(*headers, ("Authorization", authorization)))


_OURS = frozenset({"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})


def _read_header_claim(request: HttpRequest, scope: CredentialScope) -> Claim:
    authorization = request.headers.get("authorization")
    if len(authorization) > HEADER_LIMIT_CHARACTERS:
        raise IncompleteSignature("Authorization header is too long.")
    fields: dict[str, str] = {}
    for item in re.split(r"[,\s]+", authorization.partition(" ")[2].strip()):
        name, _, value = item.partition("=")
        fields[name] = value
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise IncompleteSignature(f"Authorization header requires '{name}' parameter.")
    claim = _claim(scope, fields["Signature"], fields["SignedHeaders"], request.raw_query)
    return _with_payload_hash(claim, request)


_PRESIGNED_NAMES = frozenset({"X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Content-Sha256"})


def _read_query_claim(request: HttpRequest, scope: CredentialScope) -> Claim:
    values = query_values(request.raw_query, _PRESIGNED_NAMES)
    for name in ("X-Amz-Signature", "X-Amz-SignedHeaders"):
        if not values.get(name):
            raise IncompleteSignature(f"AWS query-string parameters must include '{name}'.")
    pairs = [pair for pair in request.raw_query.split("&") if pair.partition("=")[0] != "X-Amz-Signature"]
    claim = _claim(scope, values["X-Amz-Signature"], values["X-Amz-SignedHeaders"], "&".join(pairs))
    if scope.signing_name in S3_SIGNING_NAMES:
        stated = values.get("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
        return replace(claim, payload_hash=stated)
    return _with_payload_hash(claim, request)


def _claim(scope: CredentialScope, signature: str, signed_headers: str, raw_query: str) -> Claim:
    assert scope.signed_at is not None
    names = tuple(signed_headers.split(";"))
    if len(names) > MAX_SIGNED_HEADERS:
        raise IncompleteSignature("Too many signed headers.")
    timestamp = _basic_time(scope.signed_at)
    place = f"{scope.region}/{scope.signing_name}" if scope.scheme == SIGV4 else scope.signing_name
    credential_scope = f"{timestamp[:8]}/{place}/aws4_request"
    return Claim(signature, credential_scope, timestamp, names, raw_query, "")


def _with_payload_hash(claim: Claim, request: HttpRequest) -> Claim:
    """Return the claim with the hash that the client signed: the one it states, else that of the body."""
    stated = request.headers.get("x-amz-content-sha256")
    if stated:
        return replace(claim, payload_hash=stated)
    if request.body is None:
        raise IncompleteSignature("The payload hash is not stated and the payload was not kept.")
    return replace(claim, payload_hash=hashlib.sha256(request.body).hexdigest(), is_hash_computed=True)


def _check_time(request: HttpRequest, scope: CredentialScope, now: datetime, max_skew: timedelta) -> None:
    signed_at = scope.signed_at
    assert signed_at is not None
    _check_scope_date(request, signed_at, is_presigned=scope.is_presigned)
    age = now - signed_at
    if age < -max_skew:
        raise SignatureExpired(_skewed("not yet current", "still later than", signed_at, now, max_skew))
    if scope.is_presigned:
        if age > timedelta(seconds=_presigned_seconds(request)):
            raise SignatureExpired("Request has expired")
    elif age > max_skew:
        raise SignatureExpired(_skewed("expired", "now earlier than", signed_at, now, -max_skew))


def _skewed(what: str, relation: str, signed_at: datetime, now: datetime, skew: timedelta) -> str:
    sign, minutes = "+" if skew >= timedelta() else "-", int(abs(skew).total_seconds() // 60)
    signed, edge, current = _basic_time(signed_at), _basic_time(now + skew), _basic_time(now)
    return f"Signature {what}: {signed} is {relation} {edge} ({current} {sign} {minutes} min.)"


@lru_cache(maxsize=256)
def _basic_time(moment: datetime) -> str:
    """Return a time as signatures have it. Kept, because each request asks for its own several times, and many are
    signed in one second."""
    return moment.strftime("%Y%m%dT%H%M%SZ")


_CREDENTIAL_DATE = re.compile(r"Credential=[^/,\s]+/([0-9]{8})/")


def _check_scope_date(request: HttpRequest, signed_at: datetime, *, is_presigned: bool) -> None:
    """The scope's date must be the date of signing; what ``read_scope`` returns no longer holds it."""
    if is_presigned:
        credential = query_values(request.raw_query, frozenset({"X-Amz-Credential"})).get("X-Amz-Credential", "")
        match = _CREDENTIAL_DATE.match(f"Credential={credential}")
    else:
        match = _CREDENTIAL_DATE.search(request.headers.get("authorization"))
    if match is None or match.group(1) != _basic_time(signed_at)[:8]:
        raise IncompleteSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")


def _presigned_seconds(request: HttpRequest) -> int:
    text = query_values(request.raw_query, frozenset({"X-Amz-Expires"})).get("X-Amz-Expires", "")
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > MAX_PRESIGNED_SECONDS:
        raise IncompleteSignature("X-Amz-Expires must be a number of seconds, at most a week (604800).")
    return int(text)


def _check_signed_headers(request: HttpRequest, signed: tuple[str, ...]) -> None:
    """Host and every ``x-amz-`` header must be signed: what is not could be changed on the way."""
    names = set(signed)
    if "host" not in names and AUTHORITY not in names:
        raise IncompleteSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name, _ in request.header_list:
        lower = name.lower()
        if lower.startswith("x-amz-") and lower not in names and lower not in _MAY_GO_UNSIGNED:
            raise IncompleteSignature(f"There were headers present in the request which were not signed: {lower}")


def _check_payload(request: HttpRequest, scope: CredentialScope, payload_hash: str) -> None:
    if _HEX_SHA256.fullmatch(payload_hash):
        if request.body is not None:
            computed = hashlib.sha256(request.body).hexdigest()
            if not hmac.compare_digest(computed, payload_hash):
                raise PayloadMismatch
        return
    is_literal = payload_hash == UNSIGNED_PAYLOAD or payload_hash.startswith("STREAMING-")
    if scope.signing_name not in S3_SIGNING_NAMES or not is_literal:
        raise PayloadMismatch


def _canonical_requests(request: HttpRequest, scope: CredentialScope, claim: Claim) -> Iterator[bytes]:
    """Yield the canonical requests that clients may have signed, the likeliest first, each one once."""
    headers_text = _canonical_headers(request, claim.signed_headers)
    names = ";".join(claim.signed_headers)
    tail = f"{headers_text}\n{names}\n{claim.payload_hash}"
    encodings = ["utf-8"] if tail.isascii() else ["utf-8", "latin-1"]
    seen: set[bytes] = set()
    for path in _canonical_paths(request.path, scope.signing_name):
        for canonical_query in (_sorted_query, _encoded_query):
            query = canonical_query(claim.raw_query)
            for encoding in encodings:
                text = f"{request.method}\n{path}\n{query}\n{tail}"
                canonical = _encode(text, encoding)
                if canonical not in seen:
                    seen.add(canonical)
                    yield canonical


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _canonical_headers(request: HttpRequest, names: tuple[str, ...]) -> str:
    values: dict[str, list[str]] = {name: [] for name in names}
    for name, value in request.header_list:
        found = values.get(name.lower())
        if found is not None:
            found.append(" ".join(value.split()))
    if AUTHORITY in values:
        values[AUTHORITY] = [" ".join(request.host.split())]
    return "".join(f"{name}:{','.join(values[name])}\n" for name in names)


def _canonical_paths(path: str, signing_name: str) -> Iterator[str]:
    path = path or "/"
    if signing_name in S3_SIGNING_NAMES:
        yield path
        yield _reencode(path, "/" + _UNRESERVED)
        return
    segments = service_segments(path)
    closing = "/" if path.endswith("/") and segments else ""
    yield _quote("/" + "/".join(segments) + closing, "/" + _UNRESERVED)
    yield _quote(path, "/" + _UNRESERVED)


def _sorted_query(raw_query: str) -> str:
    if not raw_query:
        return ""
    pairs = sorted(pair.partition("=")[::2] for pair in raw_query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded_query(raw_query: str) -> str:
    if not raw_query:
        return ""
    pairs = (pair.partition("=")[::2] for pair in raw_query.split("&") if pair)
    # A plus sign is a space, as in the parameters we parse from it; read otherwise it could be swapped for %2B.
    encoded = sorted(
        (_reencode(name.replace("+", " "), _UNRESERVED), _reencode(value.replace("+", " "), _UNRESERVED))
        for name, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _reencode(text: str, safe: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "replace")), safe=safe)


def _quote(text: str, safe: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe=safe)


def signing_key(secret_access_key: str, date: str, region: str, signing_name: str) -> bytes:
    """Return the key that signs for one day (``YYYYMMDD``), Region and service."""
    key = f"AWS4{secret_access_key}".encode("utf-8", "replace")
    for part in (date, region, signing_name, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "replace"), "sha256")
    return key


def _signature(key: bytes, claim: Claim, canonical_request: bytes) -> str:
    return hmac.digest(key, string_to_sign(SIGV4, claim, canonical_request), "sha256").hex()
