"""Whether a request was signed by a key, in whichever of AWS's schemes: for the record of who called.

Access to Opentrail's own API is decided by ``sigv4`` alone; what is weaker or rare tells here who made a call that
goes elsewhere.
"""

from datetime import datetime

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope, post_form, sigv2, sigv2_query, sigv4, sigv4a
from opentrail.protocol.scope import SIGV2, SIGV4A


def verify(request: HttpRequest, scope: CredentialScope, secret_access_key: str, now: datetime) -> None:
    """Return when ``request`` was signed with ``secret_access_key`` under ``scope``: by SigV4, SigV4A, or Signature
    Version 2, in its header, URL, parameters or form. Raises ``sigv4.SignatureError``, whatever it is given."""
    if request.form is not None:
        post_form.verify_form(request, scope, secret_access_key, now)
    elif scope.scheme == SIGV4A:
        sigv4a.verify(request, scope, secret_access_key, now)
    elif scope.scheme == SIGV2 and not scope.signing_name:
        sigv2_query.verify(request, secret_access_key, now)
    elif scope.scheme == SIGV2:
        sigv2.verify(request, scope, secret_access_key, now)
    else:
        sigv4.verify(request, scope, secret_access_key, now)
