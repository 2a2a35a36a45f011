"""AssumeRole: temporary credentials of a role, for those whom its trust policy and their own policies let in."""

import re

from opentrail.arn import Arn
from opentrail.aws.authorization import access_request, denial, identity_policies, session_policy
from opentrail.aws.common_errors import AccessDenied, ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.aws.sts.mfa import check_mfa
from opentrail.aws.sts.sessions import CHAINED_SESSION_SECONDS, checked_policy, new_session, refuse_unsupported
from opentrail.identity import Principal, PrincipalType, Role, SessionContext
from opentrail.policy.document import parse_policy
from opentrail.policy.evaluation import Authorization, Decision, authorize_assume_role
from opentrail.protocol import Parameters

DEFAULT_SESSION_SECONDS = 3600

_ASSUME_ROLE = "sts:AssumeRole"
_SET_SOURCE_IDENTITY = "sts:SetSourceIdentity"
_ROLE_ARN = re.compile(r"role/(?:.*/)?([\w+=,.@-]{1,64})", re.ASCII)


async def assume_role(ports: ApiPorts, call: Call) -> Outcome:
    """Give temporary credentials of a role that this installation knows.

    A role that is not there is denied like one that does not trust the caller, as STS does. Session tags and managed
    session policies are refused, since no session here could honour them. A session began with MFA when this very call
    brought a one-time code: assuming a further role with it does not carry that on.
    """
    parameters = call.parameters
    _refuse_caller(call)
    refuse_unsupported(parameters)
    policy = checked_policy(parameters.get("Policy", ""))
    role = await _find_role(ports, call)
    source_identity = _source_identity(call)
    has_mfa = await check_mfa(ports, call)
    await _check_trust(ports, call, role, source_identity, has_mfa)
    seconds = _duration(call, role)
    principal = _session_principal(call, role, source_identity, has_mfa)
    session = new_session(
        ports,
        principal,
        call.received_at,
        seconds,
        session_policy=policy,
        min_token_length=parameters.get("MinimumSessionTokenSize", 0),
    )
    output: Parameters = {
        "Credentials": session.credentials,
        "AssumedRoleUser": {"AssumedRoleId": principal.principal_id, "Arn": principal.arn},
        "SessionTokenSize": session.token_size_bytes,
    }
    if source_identity:
        output["SourceIdentity"] = source_identity
    return Outcome(output, before=session.keep)


def _refuse_caller(call: Call) -> None:
    if call.caller.type is PrincipalType.ROOT:
        raise AccessDenied("Roles may not be assumed by root accounts.")
    if call.caller.type is PrincipalType.FEDERATED_USER:
        requirement = Requirement(_ASSUME_ROLE, call.parameters["RoleArn"])
        raise denial(call, requirement, Authorization(Decision.IMPLICIT_DENY, "session"))


async def _find_role(ports: ApiPorts, call: Call) -> Role:
    role_arn: str = call.parameters["RoleArn"]
    try:
        arn = Arn.parse(role_arn)
    except ValueError:
        raise ValidationFailed(f"{role_arn[:300]} is invalid") from None
    name = _ROLE_ARN.fullmatch(arn.resource)
    if arn.service != "iam" or name is None:
        raise ValidationFailed(f"{role_arn[:300]} is invalid")
    role = await ports.identities.role(arn.account_id, name.group(1))
    if role is None or role.arn != role_arn:
        requirement = Requirement(_ASSUME_ROLE, role_arn)
        raise denial(call, requirement, Authorization(Decision.IMPLICIT_DENY, "resource-based"))
    return role


def _source_identity(call: Call) -> str:
    """Return the session's source identity: a session that has one passes it on and cannot change it."""
    held = call.caller.session.source_identity if call.caller.session else ""
    wanted: str = call.parameters.get("SourceIdentity", held)
    if held and wanted != held:
        raise AccessDenied("The source identity of a session cannot be changed by assuming another role.")
    return wanted


async def _check_trust(ports: ApiPorts, call: Call, role: Role, source_identity: str, has_mfa: bool) -> None:
    """Raise AccessDenied unless trust policy, caller's policies and session policy let the caller in."""
    trust = parse_policy(role.trust_policy)
    identity = await identity_policies(ports.identities, call.credential)
    session = session_policy(call.credential)
    context = _context(call, source_identity, has_mfa)
    for action in (_ASSUME_ROLE, _SET_SOURCE_IDENTITY) if source_identity else (_ASSUME_ROLE,):
        requirement = Requirement(action, role.arn, context)
        verdict = authorize_assume_role(
            trust, role.account_id, identity, access_request(call, requirement), session=session
        )
        if not verdict.is_allowed:
            raise denial(call, requirement, verdict)


def _context(call: Call, source_identity: str, has_mfa: bool) -> dict[str, tuple[str, ...]]:
    values = {
        "sts:ExternalId": call.parameters.get("ExternalId", ""),
        "sts:RoleSessionName": call.parameters["RoleSessionName"],
        "sts:SourceIdentity": source_identity,
        "aws:MultiFactorAuthPresent": "true" if has_mfa else "",
        "aws:MultiFactorAuthAge": "0" if has_mfa else "",
    }
    return {key: (value,) for key, value in values.items() if value}


def _duration(call: Call, role: Role) -> int:
    seconds: int = call.parameters.get("DurationSeconds", DEFAULT_SESSION_SECONDS)
    if seconds > role.max_session_seconds:
        raise ValidationFailed("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if call.caller.type is PrincipalType.ASSUMED_ROLE and seconds > CHAINED_SESSION_SECONDS:
        raise ValidationFailed(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    return seconds


def _session_principal(call: Call, role: Role, source_identity: str, has_mfa: bool) -> Principal:
    name: str = call.parameters["RoleSessionName"]
    return Principal(
        type=PrincipalType.ASSUMED_ROLE,
        principal_id=f"{role.role_id}:{name}",
        arn=f"arn:{Arn.parse(role.arn).partition}:sts::{role.account_id}:assumed-role/{role.name}/{name}",
        account_id=role.account_id,
        session=SessionContext(
            created_at=call.received_at.replace(microsecond=0),
            is_mfa_authenticated=has_mfa,
            issuer_type="Role",
            issuer_principal_id=role.role_id,
            issuer_arn=role.arn,
            issuer_account_id=role.account_id,
            issuer_user_name=role.name,
            source_identity=source_identity,
        ),
    )
