"""Tags of trails, event data stores and channels: add, remove, list (reference: api section 2)."""

from collections.abc import Sequence

from opentrail.arn import Arn
from opentrail.aws.cloudtrail.channel_views import channel_named, find_channel
from opentrail.aws.cloudtrail.errors import (
    CloudTrailARNInvalidException,
    InvalidTokenException,
    ResourceNotFoundException,
    ResourceTypeNotSupportedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import find_active_store, find_store
from opentrail.aws.cloudtrail.names import check_trail_arn
from opentrail.aws.cloudtrail.organization_trails import check_may_change, is_visible
from opentrail.aws.cloudtrail.tag_rules import check_tags, merged_tags, wire_tags, without_tags
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.trail import Trail

RESOURCES_PER_LIST_TAGS = 20
"""ListTags takes this many ARNs at most."""

_EVENT_DATA_STORE = "eventdatastore"
_CHANNEL = "channel"


async def add_tags(ports: ApiPorts, call: Call) -> Outcome:
    """Plan tags set over those there are; home Region only."""
    arn, tags = call.parameters["ResourceId"], call.parameters["TagsList"]
    check_tags(tags)
    await _check_may_tag(ports, call, arn)
    merged = merged_tags(await ports.trails.tags(arn), tags)

    async def set_tags() -> None:
        await ports.trails.set_tags(arn, merged)

    return Outcome(after=set_tags)


async def remove_tags(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of the tags with the given keys, whatever their values; unknown keys are ignored."""
    arn, tags = call.parameters["ResourceId"], call.parameters["TagsList"]
    check_tags(tags)
    await _check_may_tag(ports, call, arn)
    left = without_tags(await ports.trails.tags(arn), tags)

    async def set_tags() -> None:
        await ports.trails.set_tags(arn, left)

    return Outcome(after=set_tags)


async def list_tags(ports: ApiPorts, call: Call) -> Outcome:
    """List the tags of up to 20 resources; all fit on one page, so no token is ever given out or taken."""
    arns: Sequence[str] = call.parameters["ResourceIdList"]
    if call.parameters.get("NextToken"):
        raise InvalidTokenException
    if len(arns) > RESOURCES_PER_LIST_TAGS:
        raise ValidationFailed(
            "1 validation error detected: Value at 'resourceIdList' failed to satisfy constraint: Member must have "
            f"length less than or equal to {RESOURCES_PER_LIST_TAGS}"
        )
    listed = []
    for arn in arns:
        await _check_is_there(ports, call, arn)
        listed.append({"ResourceId": arn, "TagsList": wire_tags(await ports.trails.tags(arn))})
    return Outcome({"ResourceTagList": listed})


def _kind(resource_id: str) -> str:
    """Return the resource type that a CloudTrail ARN names; raises CloudTrailARNInvalid, ResourceTypeNotSupported."""
    try:
        arn = Arn.parse(resource_id)
    except ValueError:
        raise CloudTrailARNInvalidException.malformed(resource_id) from None
    if arn.service != "cloudtrail":
        raise ResourceTypeNotSupportedException(resource_id[:300])
    return arn.resource.partition("/")[0]


async def _check_may_tag(ports: ApiPorts, call: Call, resource_id: str) -> None:
    """Raise unless the resource is there and the caller's to change, in its home Region."""
    kind = _kind(resource_id)
    if kind == _EVENT_DATA_STORE:
        await find_active_store(ports, call, resource_id)
    elif kind == _CHANNEL:
        await find_channel(ports, call, resource_id)
    else:
        check_may_change(ports, call, await _trail(ports, call, resource_id))


async def _check_is_there(ports: ApiPorts, call: Call, resource_id: str) -> None:
    """Raise unless the account sees the resource in the called Region."""
    kind = _kind(resource_id)
    if kind == _EVENT_DATA_STORE:
        await find_store(ports, call, resource_id)
    elif kind == _CHANNEL:
        if await channel_named(ports, call, resource_id) is None:
            raise ResourceNotFoundException(resource_id)
    else:
        await _trail(ports, call, resource_id)


async def _trail(ports: ApiPorts, call: Call, resource_id: str) -> Trail:
    """Return the trail that the ARN names; raises unless the account sees it and its home is the called Region."""
    kind = _kind(resource_id)
    if kind == "dashboard":
        raise ResourceNotFoundException(resource_id)
    if kind != "trail":
        raise ResourceTypeNotSupportedException(resource_id[:300])
    check_trail_arn(resource_id)
    if Arn.parse(resource_id).region != call.region:
        raise CloudTrailARNInvalidException.wrong_region(call.region)
    trail = await ports.trails.trail(resource_id)
    if trail is None or not is_visible(trail, call.account_id):
        raise ResourceNotFoundException(resource_id)
    return trail
