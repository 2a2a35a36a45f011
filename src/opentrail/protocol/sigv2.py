"""S3's Signature Version 2: HMAC-SHA1 over method, date, ``x-amz-`` headers and resource, in a header or a URL.

Old clients and many URLs that were given out still use it. What it covers is less than SigV4 (neither Host, nor body,
nor most query parameters), so that it serves to tell who called, never to let anybody in.
"""

import base64
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, unquote_plus

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.paths import object_path
from opentrail.protocol.scope import SIGV2, query_values
from opentrail.protocol.sigv4 import MAX_SKEW, IncompleteSignature, SignatureExpired, SignatureMismatch

MAX_SIGNATURE_CHARACTERS = 128
"""A SHA-1 in base64 has 28."""

SUB_RESOURCES = frozenset(
    """accelerate acl analytics cors delete encryption intelligent-tiering inventory legal-hold lifecycle location
    logging metrics notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock
    replication requestPayment response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore retention select select-type
    storageClass tagging torrent uploadId uploads versionId versioning versions website""".split()  # noqa: SIM905
)
"""Query parameters that are part of the resource that is signed."""

_HOISTED = ("content-md5", "content-type")
_QUERY = frozenset({"Signature", "Expires"})
_EPOCH = re.compile(r"[0-9]{1,11}")


def verify(
    request: HttpRequest,
    scope: CredentialScope,
    secret_access_key: str,
    now: datetime,
    *,
    max_skew: timedelta = MAX_SKEW,
) -> None:
    """Return when ``request`` carries S3's old signature, made with ``secret_access_key``, and is in time: a URL before
    its ``Expires``, any other request within ``max_skew`` of ``now``.

    The comparison takes constant time. Raises SignatureError, whatever it is given.
    """
    if scope.scheme != SIGV2 or scope.signing_name != "s3":
        raise IncompleteSignature(f"Unsupported signing algorithm: {scope.scheme}")
    given, date = _presigned(request, now) if scope.is_presigned else _signed(request, scope, now, max_skew)
    text = _string_to_sign(request, date, is_presigned=scope.is_presigned)
    made = base64.b64encode(hmac.digest(secret_access_key.encode("utf-8", "replace"), text, "sha1"))
    if not hmac.compare_digest(made, given[:MAX_SIGNATURE_CHARACTERS].encode("utf-8", "replace")):
        raise SignatureMismatch


def _presigned(request: HttpRequest, now: datetime) -> tuple[str, str]:
    values = query_values(request.raw_query, _QUERY)
    expires = values.get("Expires", "")
    if not _EPOCH.fullmatch(expires):
        raise IncompleteSignature("Expires must be a number of seconds since 1970.")
    if now > datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(expires)):
        raise SignatureExpired("Request has expired")
    # A plus sign that a client left unescaped decodes to a space; base64 has none.
    return values.get("Signature", "").replace(" ", "+"), expires


def _signed(request: HttpRequest, scope: CredentialScope, now: datetime, max_skew: timedelta) -> tuple[str, str]:
    if scope.signed_at is None:
        raise IncompleteSignature("AWS authentication requires a valid Date or x-amz-date header")
    if abs(now - scope.signed_at) > max_skew:
        raise SignatureExpired("The difference between the request time and the current time is too large.")
    date = "" if "x-amz-date" in request.headers else request.headers.get("date")
    return request.headers.get("authorization").partition(" ")[2].rpartition(":")[2], date


def _string_to_sign(request: HttpRequest, date: str, *, is_presigned: bool) -> bytes:
    hoisted = _amz_query(request.raw_query) if is_presigned else {}
    lines = [
        request.method,
        request.headers.get("content-md5") or hoisted.get("content-md5", ""),
        request.headers.get("content-type") or hoisted.get("content-type", ""),
        date,
    ]
    amz: dict[str, list[str]] = {name: [value] for name, value in hoisted.items() if name.startswith("x-amz-")}
    for name, value in request.header_list:
        if name.lower().startswith("x-amz-"):
            amz.setdefault(name.lower(), []).append(value.strip())
    lines += [f"{name}:{','.join(amz[name])}" for name in sorted(amz)]
    return "\n".join([*lines, _resource(request)]).encode("utf-8", "replace")


def _resource(request: HttpRequest) -> str:
    named = []
    for pair in request.raw_query.split("&"):
        name, separator, value = pair.partition("=")
        if name in SUB_RESOURCES:
            named.append(f"{name}={unquote(value)}" if separator else name)
    path = object_path(request)
    return f"{path}?{'&'.join(sorted(named))}" if named else path


def _amz_query(raw_query: str) -> dict[str, str]:
    """What a client that makes a URL puts into its query string instead of headers."""
    pairs = (pair.partition("=")[::2] for pair in raw_query.split("&"))
    decoded = ((unquote_plus(name).lower(), unquote(value)) for name, value in pairs)
    return {
        name: value for name, value in decoded if name.startswith("x-amz-") or name in ("content-md5", "content-type")
    }
