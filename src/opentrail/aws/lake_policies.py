"""Policies of event data stores and channels among those that judge a call of their own account."""

from opentrail.arn import Arn
from opentrail.aws.service import ApiPorts, Call, Requirement

_POLICY_OPERATIONS = frozenset({"PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"})
"""A resource's own policy has no say in these: nobody shuts its owner out for good."""


async def own_resource_policy(ports: ApiPorts, call: Call, requirement: Requirement) -> str:
    """Return the policy of a store or channel of the caller's account, "" when there is none or it has no say."""
    if call.operation.name in _POLICY_OPERATIONS:
        return ""
    try:
        arn = Arn.parse(requirement.resource)
    except ValueError:
        return ""
    if arn.account_id != call.account_id or not arn.resource.startswith(("eventdatastore/", "channel/")):
        return ""
    return await ports.event_data_stores.resource_policy(requirement.resource)
