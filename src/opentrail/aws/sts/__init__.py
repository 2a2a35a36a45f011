"""STS (2011-06-15): who I am, and temporary credentials of users, Root and the roles that are known here."""

from opentrail.aws.service import Call, Handler, Requirement, Service
from opentrail.aws.sts.callers import get_caller_identity, get_session_token
from opentrail.aws.sts.roles import assume_role


def requirements(_call: Call) -> tuple[Requirement, ...]:
    """Return nothing: two operations need no permission, and AssumeRole joins its own with the role's trust policy."""
    return ()


SERVICE = Service(
    name="sts",
    handlers={
        "AssumeRole": Handler(assume_role),
        "GetCallerIdentity": Handler(get_caller_identity),
        "GetSessionToken": Handler(get_session_token),
    },
    requirements=requirements,
)
