"""Resource policies of event data stores and channels (reference: api section 9)."""

from opentrail.arn import Arn
from opentrail.aws.cloudtrail.channel_views import channel_named, is_channel_reference
from opentrail.aws.cloudtrail.errors import (
    ResourceNotFoundException,
    ResourceTypeNotSupportedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import is_store_reference, store_named
from opentrail.aws.cloudtrail.lake_errors import (
    ResourceARNNotValidException,
    ResourcePolicyNotFoundException,
)
from opentrail.aws.cloudtrail.policy_rules import administrators_policy, check_lake_policy
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.protocol import Parameters


async def put_resource_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a policy in place of the one that the resource has."""
    arn, policy = call.parameters["ResourceArn"], call.parameters["ResourcePolicy"]
    await _check_resource(ports, call, arn)
    check_lake_policy(policy, arn)

    async def attach() -> None:
        await ports.event_data_stores.set_resource_policy(arn, policy)

    generated = await _generated_policy(ports, arn)
    return Outcome({"ResourceArn": arn, "ResourcePolicy": policy} | generated, after=attach)


async def get_resource_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Show the policy of a resource, and the one that stands for the delegated administrators of an organization."""
    arn = call.parameters["ResourceArn"]
    await _check_resource(ports, call, arn)
    generated = await _generated_policy(ports, arn)
    if generated and not await ports.event_data_stores.resource_policy(arn):
        return Outcome({"ResourceArn": arn} | generated)
    return Outcome({"ResourceArn": arn, "ResourcePolicy": await _attached_policy(ports, arn)} | generated)


async def delete_resource_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a resource's policy."""
    arn = call.parameters["ResourceArn"]
    await _check_resource(ports, call, arn)
    await _attached_policy(ports, arn)

    async def remove() -> None:
        await ports.event_data_stores.set_resource_policy(arn, "")

    return Outcome(after=remove)


async def _generated_policy(ports: ApiPorts, arn: str) -> Parameters:
    store = await ports.event_data_stores.event_data_store(arn)
    organization = ports.organization
    if store is None or not store.is_organization or organization is None or not organization.delegated_administrators:
        return {}
    return {"DelegatedAdminResourcePolicy": administrators_policy(arn, organization.delegated_administrators)}


async def _attached_policy(ports: ApiPorts, arn: str) -> str:
    policy = await ports.event_data_stores.resource_policy(arn)
    if not policy:
        raise ResourcePolicyNotFoundException(arn)
    return policy


async def _check_resource(ports: ApiPorts, call: Call, given: str) -> None:
    """Raise ResourceARNNotValid, ResourceTypeNotSupported or ResourceNotFound unless there is such a resource."""
    try:
        arn = Arn.parse(given)
    except ValueError:
        raise ResourceARNNotValidException(given) from None
    if arn.service != "cloudtrail":
        raise ResourceARNNotValidException(given)
    kind = arn.resource.partition("/")[0]
    if kind not in ("channel", "dashboard", "eventdatastore"):
        raise ResourceTypeNotSupportedException(given[:300])
    if (kind == "channel" and not is_channel_reference(given)) or (
        kind == "eventdatastore" and not is_store_reference(given)
    ):
        raise ResourceARNNotValidException(given)
    find = channel_named if kind == "channel" else store_named
    if await find(ports, call, given) is None:
        raise ResourceNotFoundException(given)
