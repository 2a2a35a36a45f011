"""GetFederationToken: a session of a name that its maker chooses, never with more permissions than the maker's own."""

from opentrail.arn import Arn
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import ApiPorts, Call, Outcome, Requirement
from opentrail.aws.sts.sessions import (
    ROOT_SESSION_SECONDS,
    USER_SESSION_SECONDS,
    checked_policy,
    new_session,
    refuse_unsupported,
)
from opentrail.identity import Principal, PrincipalType, SessionContext

NOTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}'
"""The session policy of a federated user that was given none: it may do nothing."""


def requirement(call: Call) -> Requirement:
    """Return what the maker must be allowed to do."""
    return Requirement("sts:GetFederationToken", _user_arn(call))


async def get_federation_token(ports: ApiPorts, call: Call) -> Outcome:
    """Give a federated user temporary credentials: what both its session policy and its maker's own policies allow.

    Only users and Root make them, with long-lived keys; Root's last an hour at most. Managed session policies and tags
    are refused, since no session here could honour them.
    """
    if call.credential.session_token:
        raise AccessDenied("Cannot call GetFederationToken with session credentials")
    parameters = call.parameters
    refuse_unsupported(parameters)
    policy = checked_policy(parameters.get("Policy", ""))
    seconds = parameters.get("DurationSeconds", USER_SESSION_SECONDS)
    if call.caller.type is PrincipalType.ROOT:
        seconds = min(seconds, ROOT_SESSION_SECONDS)
    principal = _federated_user(call)
    session = new_session(
        ports,
        principal,
        call.received_at,
        seconds,
        session_policy=policy or NOTHING,
        min_token_length=parameters.get("MinimumSessionTokenSize", 0),
    )
    return Outcome(
        {
            "Credentials": session.credentials,
            "FederatedUser": {"FederatedUserId": principal.principal_id, "Arn": principal.arn},
            "SessionTokenSize": session.token_size_bytes,
        },
        before=session.keep,
    )


def _user_arn(call: Call) -> str:
    partition = Arn.parse(call.caller.arn).partition
    return f"arn:{partition}:sts::{call.account_id}:federated-user/{call.parameters['Name']}"


def _federated_user(call: Call) -> Principal:
    maker = call.caller
    return Principal(
        type=PrincipalType.FEDERATED_USER,
        principal_id=f"{call.account_id}:{call.parameters['Name']}",
        arn=_user_arn(call),
        account_id=call.account_id,
        session=SessionContext(
            created_at=call.received_at.replace(microsecond=0),
            issuer_type=maker.type.value,
            issuer_principal_id=maker.principal_id,
            issuer_arn=maker.arn,
            issuer_account_id=maker.account_id,
            issuer_user_name=maker.user_name,
        ),
    )
