"""``userIdentity``: who an event says it was (reference: events, section 4).

Members come in the order of CloudTrail's own records, and each type has those that its records have: what is not known
is left out, never guessed.
"""

from typing import Any

from opentrail.clock import format_time
from opentrail.event.json_values import cut_text
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext

ANONYMOUS = "anonymous"
"""``accountId`` of S3 calls without a signature, as records of version 1.09 have it (to 2022: ANONYMOUS_PRINCIPAL)."""

CLAIMED = "claimed"

MAX_ACCESS_KEY_BYTES = 128
"""AWS's own limit on the length of an access key id; an unverified request may send anything."""

_SIGNS_WITH_KEYS = frozenset(
    {PrincipalType.ROOT, PrincipalType.IAM_USER, PrincipalType.ASSUMED_ROLE, PrincipalType.FEDERATED_USER}
)
_HAS_ACCOUNT = _SIGNS_WITH_KEYS | {PrincipalType.IDENTITY_CENTER_USER, PrincipalType.AWS_ACCOUNT}
_HAS_USER_NAME = frozenset(
    {PrincipalType.ROOT, PrincipalType.IAM_USER, PrincipalType.WEB_IDENTITY_USER, PrincipalType.SAML_USER}
)


def user_identity(caller: CallerIdentity, *, is_s3: bool) -> dict[str, Any]:
    """Return the identity of a caller.

    One of which only the access key is known is ``Unknown`` with that key; a caller without any key is S3's anonymous
    principal, or ``Unknown``.
    """
    access_key_id = cut_text(caller.access_key_id, MAX_ACCESS_KEY_BYTES)
    if caller.principal is not None:
        return _identity(caller.principal, access_key_id)
    if access_key_id:
        return {"type": "Unknown", "accessKeyId": access_key_id}
    if is_s3:
        return {"type": PrincipalType.AWS_ACCOUNT.value, "principalId": "", "accountId": ANONYMOUS}
    return {"type": "Unknown"}


def _identity(principal: Principal, access_key_id: str) -> dict[str, Any]:
    kind = principal.type
    members: dict[str, Any] = {
        "type": kind.value,
        "principalId": principal.principal_id,
        "arn": principal.arn,
        "accountId": principal.account_id if kind in _HAS_ACCOUNT else "",
        "accessKeyId": access_key_id if kind in _SIGNS_WITH_KEYS else "",
        "userName": principal.user_name if kind in _HAS_USER_NAME else "",
        "identityProvider": principal.identity_provider,
        "sessionContext": _session_context(principal.session) if principal.session is not None else None,
        "invokedBy": principal.invoked_by,
    }
    person = principal.on_behalf_of
    if person is not None:
        members["onBehalfOf"] = {"userId": person.user_id, "identityStoreArn": person.identity_store_arn}
    members["credentialId"] = principal.credential_id
    return {name: value for name, value in members.items() if value}


def _session_context(session: SessionContext) -> dict[str, Any]:
    """Return the session, without the empty ``sessionIssuer`` and ``webIdFederationData`` that records had up to 1.08.

    A session whose beginning nobody saw has no ``attributes``: neither its time nor its MFA is known.
    """
    issuer = {
        "type": session.issuer_type,
        "principalId": session.issuer_principal_id,
        "arn": session.issuer_arn,
        "accountId": session.issuer_account_id,
        "userName": session.issuer_user_name,
    }
    context: dict[str, Any] = {"sessionIssuer": {name: value for name, value in issuer.items() if value}}
    if session.federated_provider:
        context["webIdFederationData"] = {"federatedProvider": session.federated_provider, "attributes": {}}
    if session.created_at is not None:
        context["attributes"] = {
            "creationDate": format_time(session.created_at),
            "mfaAuthenticated": "true" if session.is_mfa_authenticated else "false",
        }
    context["sourceIdentity"] = session.source_identity
    context["ec2RoleDelivery"] = session.ec2_role_delivery
    context["assumedRoot"] = "true" if session.is_assumed_root else ""
    return {name: value for name, value in context.items() if value}
