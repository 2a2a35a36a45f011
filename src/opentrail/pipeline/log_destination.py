"""Where a trail's events go in CloudWatch Logs, and whether its role lets CloudTrail write there.

A role that this installation does not know is the upstream's: nothing here can judge it, and it is taken at its word.
"""

import re
from enum import Enum

from opentrail.arn import Arn
from opentrail.identity import Role
from opentrail.policy.document import PolicyDocument, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.log_groups import LogGroups
from opentrail.resource.log_group import LogGroup, log_stream_arn, parse_group_arn
from opentrail.resource.trail import Trail

_SERVICE = "cloudtrail.amazonaws.com"
_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
_ROLE = re.compile(r"role/(?:.*/)?([^/]+)")


class RoleVerdict(Enum):
    """What a role's policies say about CloudTrail writing to a stream."""

    ALLOWED = "allowed"
    NOT_TRUSTING = "not trusting"
    NOT_PERMITTED = "not permitted"


async def group_of_trail(groups: LogGroups, trail: Trail) -> LogGroup | None:
    """Return the group that a trail delivers to, None when there is none. Raises Unavailable."""
    try:
        region, account_id, name = parse_group_arn(trail.cloud_watch_logs_log_group_arn)
    except ValueError:
        return None
    return await groups.group(account_id, region, name)


async def role_of(identities: IdentityStore, role_arn: str) -> Role | None:
    """Return the role of an ARN as this installation knows it, None when it does not. Raises Unavailable."""
    arn = Arn.parse(role_arn)
    name = _ROLE.fullmatch(arn.resource)
    role = await identities.role(arn.account_id, name[1]) if name is not None else None
    return role if role is not None and role.arn == role_arn else None


def trusts_cloudtrail(role: Role) -> bool:
    """Say whether a role's trust policy lets CloudTrail assume it."""
    asked = AccessRequest("sts:AssumeRole", role.arn, {}, RequestPrincipal(service=_SERVICE))
    return evaluate([parse_policy(role.trust_policy)], asked) is Decision.ALLOW


async def judge_role(identities: IdentityStore, role_arn: str, group: LogGroup, stream: str) -> RoleVerdict:
    """Say whether a role trusts CloudTrail and may make ``stream`` in ``group`` and write to it. Raises Unavailable."""
    role = await role_of(identities, role_arn)
    if role is None:
        return RoleVerdict.ALLOWED
    if not trusts_cloudtrail(role):
        return RoleVerdict.NOT_TRUSTING
    policies = [parse_policy(document) for document in role.policies.values()]
    resource = log_stream_arn(group.arn, stream)
    is_allowed = all(_allows(policies, action, resource) for action in _ACTIONS)
    return RoleVerdict.ALLOWED if is_allowed else RoleVerdict.NOT_PERMITTED


def _allows(policies: list[PolicyDocument], action: str, resource: str) -> bool:
    return evaluate(policies, AccessRequest(action, resource)) is Decision.ALLOW
