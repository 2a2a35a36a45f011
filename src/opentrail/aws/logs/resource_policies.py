"""Resource policies: which services may put events into an account's groups; put, describe, delete.

They are kept and shown: the services of this installation ask no policy before they put events into a group.
"""

from opentrail.aws.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceNotFoundException,
)
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.protocol import Parameters
from opentrail.resource.log_group import milliseconds
from opentrail.resource.log_policy import LogPolicy

POLICIES_PER_REGION = 10
MAX_DOCUMENT_CHARACTERS = 5_120
"""CloudWatch Logs' quotas for policies of an account."""

_PAGE = 50
_ACCOUNT = "ACCOUNT"


async def put_resource_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a policy of the account, in place of the one of its name. On record before it takes effect."""
    policy = _policy(call)
    others = [one for one in await ports.log_policies.policies(call.account_id, call.region) if one.name != policy.name]
    if len(others) >= POLICIES_PER_REGION:
        raise LimitExceededException
    return Outcome({"resourcePolicy": _described(policy)}, after=lambda: ports.log_policies.put(policy))


def _policy(call: Call) -> LogPolicy:
    parameters = call.parameters
    name, document = parameters.get("policyName", ""), parameters.get("policyDocument", "")
    if parameters.get("resourceArn"):
        raise InvalidParameterException.not_supported("resource policies of single log groups")
    if not name or not document:
        raise InvalidParameterException("policyName and policyDocument must be given.")
    if len(document) > MAX_DOCUMENT_CHARACTERS:
        raise InvalidParameterException(f"A resource policy has at most {MAX_DOCUMENT_CHARACTERS} characters.")
    try:
        parse_policy(document, PolicyKind.RESOURCE)
    except MalformedPolicy as error:
        raise InvalidParameterException(f"The resource policy is malformed: {error}") from error
    return LogPolicy(call.account_id, call.region, name, document, milliseconds(call.received_at))


async def describe_resource_policies(ports: ApiPorts, call: Call) -> Outcome:
    """Show the account's policies by name; single groups have none."""
    parameters = call.parameters
    given, limit = parameters.get("nextToken"), parameters.get("limit", _PAGE)
    after = str(read_token(call, given)[0]) if given else ""
    found = [one for one in await ports.log_policies.policies(call.account_id, call.region) if one.name > after]
    if parameters.get("resourceArn") or parameters.get("policyScope", _ACCOUNT) != _ACCOUNT:
        found = []
    output: Parameters = {"resourcePolicies": [_described(one) for one in found[:limit]]}
    if len(found) > limit:
        output["nextToken"] = token(call, [found[limit - 1].name])
    return Outcome(output)


def _described(policy: LogPolicy) -> Parameters:
    return {
        "policyName": policy.name,
        "policyDocument": policy.document,
        "lastUpdatedTime": policy.modified_at,
        "policyScope": _ACCOUNT,
    }


async def delete_resource_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a policy. On record before it takes effect."""
    name = call.parameters.get("policyName", "")
    if not name:
        raise InvalidParameterException("policyName must be given.")
    if all(one.name != name for one in await ports.log_policies.policies(call.account_id, call.region)):
        raise ResourceNotFoundException.policy(name)
    return Outcome(after=lambda: ports.log_policies.remove(call.account_id, call.region, name))
