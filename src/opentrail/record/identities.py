"""``userIdentity``: who an event says it was (reference: events, section 4)."""

from typing import Any

from opentrail.clock import format_time
from opentrail.event.json_values import cut_text
from opentrail.identity import CallerIdentity, PrincipalType, SessionContext

ANONYMOUS = "ANONYMOUS_PRINCIPAL"
CLAIMED = "claimed"

MAX_ACCESS_KEY_BYTES = 128
"""AWS's own limit on the length of an access key id; an unverified request may send anything."""


def user_identity(caller: CallerIdentity, *, is_s3: bool) -> dict[str, Any]:
    """Return the identity of a caller.

    One of which only the access key is known is ``Unknown`` with that key; a caller without any key is S3's anonymous
    principal, or ``Unknown``.
    """
    principal = caller.principal
    access_key_id = cut_text(caller.access_key_id, MAX_ACCESS_KEY_BYTES)
    if principal is None:
        if access_key_id:
            return {"type": "Unknown", "accessKeyId": access_key_id}
        if is_s3:
            return {"type": "AWSAccount", "principalId": "", "accountId": ANONYMOUS}
        return {"type": "Unknown"}
    identity: dict[str, Any] = {
        "type": principal.type.value,
        "principalId": principal.principal_id,
        "arn": principal.arn,
        "accountId": principal.account_id,
    }
    if access_key_id:
        identity["accessKeyId"] = access_key_id
    if principal.type is PrincipalType.IAM_USER and principal.user_name:
        identity["userName"] = principal.user_name
    if principal.session is not None:
        identity["sessionContext"] = _session_context(principal.session)
    return identity


def _session_context(session: SessionContext) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if session.issuer_type:
        issuer = {
            "type": session.issuer_type,
            "principalId": session.issuer_principal_id,
            "arn": session.issuer_arn,
            "accountId": session.issuer_account_id,
            "userName": session.issuer_user_name,
        }
        context["sessionIssuer"] = {name: value for name, value in issuer.items() if value}
    context["attributes"] = {
        "creationDate": format_time(session.created_at),
        "mfaAuthenticated": "true" if session.is_mfa_authenticated else "false",
    }
    if session.source_identity:
        context["sourceIdentity"] = session.source_identity
    return context
