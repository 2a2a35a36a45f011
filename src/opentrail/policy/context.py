"""Condition keys and principals of requests, from who calls and how."""

from collections.abc import Mapping
from datetime import datetime

from opentrail.clock import format_time
from opentrail.identity import Principal, PrincipalType
from opentrail.policy.evaluation import RequestPrincipal

_PRINCIPAL_TYPES = {
    PrincipalType.ROOT: "Account",
    PrincipalType.IAM_USER: "User",
    PrincipalType.ASSUMED_ROLE: "AssumedRole",
    PrincipalType.FEDERATED_USER: "FederatedUser",
}


def request_principal(principal: Principal) -> RequestPrincipal:
    """Return a caller as Principal elements name it. Root is named by its account alone."""
    role_arn = principal.session.issuer_arn if principal.session else ""
    return RequestPrincipal(
        account_id=principal.account_id,
        arn=principal.arn,
        role_arn=role_arn,
        is_root=principal.type is PrincipalType.ROOT,
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
    temporary credentials.
    """
    session = principal.session
    values = {
        "aws:PrincipalArn": (session.issuer_arn if session else "") or principal.arn,
        "aws:PrincipalAccount": principal.account_id,
        "aws:PrincipalType": _PRINCIPAL_TYPES[principal.type],
        "aws:userid": principal.principal_id,
        "aws:username": principal.user_name if principal.type is PrincipalType.IAM_USER else "",
        "aws:CurrentTime": format_time(now),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:RequestedRegion": region,
        "aws:SourceIp": source_ip,
        "aws:UserAgent": user_agent,
        "aws:SecureTransport": "true" if is_tls else "false",
        "aws:TokenIssueTime": format_time(session.created_at) if session else "",
        "aws:MultiFactorAuthPresent": str(session.is_mfa_authenticated).lower() if session else "",
        "aws:SourceIdentity": session.source_identity if session else "",
    }
    return {key: (value,) for key, value in values.items() if value} | dict(extra or {})
