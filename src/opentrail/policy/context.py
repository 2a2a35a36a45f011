"""Condition keys and principals of requests, from who calls and how."""

from collections.abc import Mapping
from datetime import datetime

from opentrail.clock import format_time
from opentrail.identity import Principal, PrincipalType
from opentrail.policy.evaluation import RequestPrincipal

_PRINCIPAL_TYPES = {PrincipalType.ROOT: "Account", PrincipalType.IAM_USER: "User"}
"""``aws:PrincipalType`` where it is not the identity's own type."""


def request_principal(principal: Principal) -> RequestPrincipal:
    """Return a caller as Principal elements name it. Root is named by its account alone.

    What Root hands out to a federated user is limited by the session's policy only: Root has none of its own.
    """
    session = principal.session
    is_federated = principal.type is PrincipalType.FEDERATED_USER
    # A federated user is named by the ARN of its session; naming the user that made it does not name the session.
    role_arn = principal.arn if is_federated else session.issuer_arn if session else ""
    return RequestPrincipal(
        account_id=principal.account_id,
        arn=principal.arn,
        role_arn=role_arn,
        is_root=principal.type is PrincipalType.ROOT or (session is not None and session.issuer_type == "Root"),
    )


def request_context(
    principal: Principal,
    *,
    now: datetime,
    region: str,
    source_ip: str = "",
    user_agent: str = "",
    is_tls: bool = False,
    extra: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return the global condition keys of a request, and ``extra``, the service's own (such as sts:ExternalId).

    A key that has no value for this caller is left out: aws:username but for users, the session's keys but for
    temporary credentials, aws:MultiFactorAuthAge (seconds) but for sessions that began with a one-time code. ``extra``
    goes before what the caller's session says.
    """
    session = principal.session
    is_role = principal.type is PrincipalType.ASSUMED_ROLE
    started = session.created_at if session else None
    values = {
        "aws:PrincipalArn": (session.issuer_arn if session and is_role else "") or principal.arn,
        "aws:PrincipalAccount": principal.account_id,
        "aws:PrincipalType": _PRINCIPAL_TYPES.get(principal.type, principal.type.value),
        "aws:userid": principal.principal_id,
        "aws:username": principal.user_name if principal.type is PrincipalType.IAM_USER else "",
        "aws:CurrentTime": format_time(now),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:RequestedRegion": region,
        "aws:SourceIp": source_ip,
        "aws:UserAgent": user_agent,
        "aws:SecureTransport": "true" if is_tls else "false",
        "aws:TokenIssueTime": format_time(started) if started else "",
        "aws:MultiFactorAuthPresent": str(session.is_mfa_authenticated).lower() if session else "",
        "aws:MultiFactorAuthAge": _age(started, now) if session and session.is_mfa_authenticated else "",
        "aws:SourceIdentity": session.source_identity if session else "",
        "aws:FederatedProvider": session.federated_provider if session else "",
    }
    return {key: (value,) for key, value in values.items() if value} | dict(extra or {})


def _age(started: datetime | None, now: datetime) -> str:
    """Return how many seconds ago a session began; its code was checked when it did."""
    return str(max(0, int((now - started).total_seconds()))) if started else ""
