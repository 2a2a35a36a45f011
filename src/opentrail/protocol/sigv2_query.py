"""Signature Version 2 of the query services (SimpleDB's still, most others' in their first years): HMAC over method,
Host, path and all parameters, which stand in the query string or in a form's body.

It names neither Region nor service, so that it serves to tell who called, never to let anybody in.
"""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope
from opentrail.protocol.actions import is_form
from opentrail.protocol.scope import SIGV2
from opentrail.protocol.sigv4 import MAX_SKEW, IncompleteSignature, SignatureExpired, SignatureMismatch

MAX_PARAMETERS = 1000

_DIGESTS = {"HmacSHA256": "sha256", "HmacSHA1": "sha1"}


def body_scope(request: HttpRequest) -> CredentialScope | None:
    """Return what a form's body claims about its signer; None when it claims nothing, or two things. Never raises."""
    if not request.body or b"AWSAccessKeyId=" not in request.body or not is_form(request):
        return None
    parameters = _parameters(request.body.decode("latin-1"))
    names = [name for name, _ in parameters]
    values = dict(parameters)
    access_key_id = values.get("AWSAccessKeyId", "")
    is_signed = names.count("Signature") == names.count("AWSAccessKeyId") == names.count("SignatureVersion") == 1
    if not is_signed or not 0 < len(access_key_id) <= 128:
        return None
    return CredentialScope(access_key_id, "", "", SIGV2, None, False, values.get("SecurityToken", ""))


def verify(request: HttpRequest, secret_access_key: str, now: datetime, *, max_skew: timedelta = MAX_SKEW) -> None:
    """Return when the parameters of ``request``, all of them, were signed with ``secret_access_key`` and are in time: a
    ``Timestamp`` within ``max_skew`` of ``now``, or before their ``Expires``.

    The comparison takes constant time. Raises SignatureError, whatever it is given.
    """
    if request.raw_query and request.body:
        raise IncompleteSignature("Parameters stand in the query string and in the body.")
    text = request.raw_query or (request.body or b"").decode("latin-1")
    parameters = _parameters(text)
    values = dict(parameters)
    if len(values) < len(parameters):
        raise IncompleteSignature("A parameter stands twice.")
    digest = _DIGESTS.get(values.get("SignatureMethod", ""))
    if values.get("SignatureVersion") != "2" or digest is None:
        raise IncompleteSignature("Only Signature Version 2 by HmacSHA256 or HmacSHA1 is known.")
    given = values.pop("Signature", "")[:128].encode("utf-8", "replace")
    query = "&".join(f"{_quoted(name)}={_quoted(values[name])}" for name in sorted(values, key=str.encode))
    signed = f"{request.method}\n{request.host.lower()}\n{request.path or '/'}\n{query}"
    made = hmac.digest(secret_access_key.encode("utf-8", "replace"), signed.encode("utf-8", "replace"), digest)
    if not hmac.compare_digest(base64.b64encode(made), given):
        raise SignatureMismatch
    _check_time(values.get("Timestamp", ""), values.get("Expires", ""), now, max_skew)


def _check_time(timestamp: str, expires: str, now: datetime, max_skew: timedelta) -> None:
    try:
        moment = datetime.fromisoformat(timestamp or expires)
    except ValueError as error:
        raise IncompleteSignature("Timestamp or Expires must be a date.") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if (abs(now - moment) > max_skew) if timestamp else now > moment:
        raise SignatureExpired("Request has expired.")


def _parameters(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return []


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="-_.~")
