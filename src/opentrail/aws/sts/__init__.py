"""STS (2011-06-15): who I am, and temporary credentials of users, Root and the roles that are known here."""

from opentrail.aws.service import Call, Handler, Requirement, Service
from opentrail.aws.sts import federation
from opentrail.aws.sts.callers import get_caller_identity, get_session_token
from opentrail.aws.sts.federation import get_federation_token
from opentrail.aws.sts.roles import assume_role


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what GetFederationToken needs; two operations need no permission, and AssumeRole joins its own with the
    role's trust policy."""
    return (federation.requirement(call),) if call.operation.name == "GetFederationToken" else ()


SERVICE = Service(
    name="sts",
    handlers={
        "AssumeRole": Handler(assume_role),
        "GetCallerIdentity": Handler(get_caller_identity),
        "GetFederationToken": Handler(get_federation_token),
        "GetSessionToken": Handler(get_session_token),
    },
    requirements=requirements,
)
