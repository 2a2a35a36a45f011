"""Requests that two servers could read as different calls, or as calls of different callers.

What is recorded must be what is carried out. As with framing (RFC 9112 section 11.2), a request that says two things is
refused rather than interpreted: no client of AWS sends one, and AWS refuses most of them itself.
"""

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.actions import is_form, named_actions
from opentrail.protocol.identify import is_query_call
from opentrail.protocol.paths import S3_SIGNING_NAMES
from opentrail.protocol.scope import query_values

_SINGLE = frozenset(
    {
        "authorization",
        "content-type",
        "smithy-protocol",
        "x-amz-account-id",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
    }
)
"""Headers that say who calls what, and may stand once."""

_SIGNED_QUERY = frozenset({"X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId"})


def contradiction(request: HttpRequest, scope: CredentialScope | None) -> str:
    """Return a sentence about who calls, or which operation, that ``request`` says twice; empty when there is none.

    What depends on the body is left to ``body_contradiction``. Never raises.
    """
    headers = request.headers.first
    if len(headers) < len(request.header_list):
        seen: set[str] = set()
        for name, _ in request.header_list:
            lower = name.lower()
            if lower in _SINGLE and lower in seen:
                return f"The header {lower} stands twice."
            seen.add(lower)
    if "x-amz-target" in headers and "smithy-protocol" in headers:
        return "The operation is named by X-Amz-Target and by the path."
    return _two_signers(request, scope)


def body_contradiction(request: HttpRequest, scope: CredentialScope | None) -> str:
    """Return a sentence about the operation that query string, body and headers name differently; else empty.

    For a request whose body is held (empty for none), or None when it will not be. Never raises.
    """
    if scope is not None and scope.signing_name in S3_SIGNING_NAMES:
        return ""
    if "x-amz-target" in request.headers:
        if not request.raw_query and not is_form(request):
            return ""
        named = named_actions(request)
        is_named_twice = bool(named.in_query) or (bool(named.in_body) and is_form(request))
        return "The operation is named by X-Amz-Target and by Action." if is_named_twice else ""
    if is_query_call(request, scope) and named_actions(request).is_contradiction:
        return "The operation is named by more than one Action, or beside a body that may name another."
    return ""


def _two_signers(request: HttpRequest, scope: CredentialScope | None) -> str:
    authorization = request.headers.get("authorization")
    if authorization[:3].upper() != "AWS":
        return ""
    if scope is None:
        return "The Authorization header is not a signature that AWS knows."
    if authorization.count("Credential=") > 1:
        return "The Authorization header names two credentials."
    if request.raw_query and query_values(request.raw_query, _SIGNED_QUERY):
        return "Only one auth mechanism allowed; the request is signed in its header and in its query string."
    return ""
