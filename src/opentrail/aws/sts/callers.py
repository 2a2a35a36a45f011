"""GetCallerIdentity and GetSessionToken: who I am, and temporary credentials for myself."""

from dataclasses import replace

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.aws.sts.mfa import check_mfa
from opentrail.aws.sts.sessions import ROOT_SESSION_SECONDS, USER_SESSION_SECONDS, new_session
from opentrail.identity import PrincipalType, SessionContext


async def get_caller_identity(_ports: ApiPorts, call: Call) -> Outcome:
    """Answer account, unique id and ARN of the caller; nobody can be denied this."""
    caller = call.caller
    return Outcome({"UserId": caller.principal_id, "Account": caller.account_id, "Arn": caller.arn})


async def get_session_token(ports: ApiPorts, call: Call) -> Outcome:
    """Give a user or Root temporary credentials of their own; not to be had with temporary credentials.

    Root's last an hour at most, whatever was asked for. A user who sends a one-time code gets a session that policies
    and records know as authenticated by MFA.
    """
    if call.credential.session_token:
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    has_mfa = await check_mfa(ports, call)
    seconds = call.parameters.get("DurationSeconds", USER_SESSION_SECONDS)
    if call.caller.type is PrincipalType.ROOT:
        seconds = min(seconds, ROOT_SESSION_SECONDS)
    started = call.received_at.replace(microsecond=0)
    principal = replace(call.caller, session=SessionContext(started, is_mfa_authenticated=has_mfa))
    session = new_session(
        ports,
        principal,
        call.received_at,
        seconds,
        min_token_length=call.parameters.get("MinimumSessionTokenSize", 0),
    )
    return Outcome(
        {"Credentials": session.credentials, "SessionTokenSize": session.token_size_bytes}, before=session.keep
    )
