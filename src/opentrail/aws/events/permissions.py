"""What a caller must be allowed for each EventBridge operation: ``events:<Operation>`` on the bus or rule it names."""

from opentrail.arn import partition_of
from opentrail.aws.events.put_events import buses_of
from opentrail.aws.service import Call, Requirement
from opentrail.resource.event_bus import bus_arn_of
from opentrail.resource.event_rule import rule_arn_on

_ON_RULES = frozenset(
    {
        "DeleteRule",
        "DescribeRule",
        "DisableRule",
        "EnableRule",
        "ListTargetsByRule",
        "PutRule",
        "PutTargets",
        "RemoveTargets",
    }
)
_ON_BUSES = frozenset({"CreateEventBus", "DeleteEventBus", "DescribeEventBus", "UpdateEventBus"})
_ON_POLICIES = frozenset({"PutPermission", "RemovePermission"})
_ON_CONNECTIONS = frozenset(
    {"CreateConnection", "DeauthorizeConnection", "DeleteConnection", "DescribeConnection", "UpdateConnection"}
)
_ON_API_DESTINATIONS = frozenset(
    {"CreateApiDestination", "DeleteApiDestination", "DescribeApiDestination", "UpdateApiDestination"}
)
_ON_ARCHIVES = frozenset({"CreateArchive", "DeleteArchive", "DescribeArchive", "UpdateArchive"})
_ON_REPLAYS = frozenset({"CancelReplay", "DescribeReplay", "StartReplay"})
_KINDS = {
    **dict.fromkeys(_ON_CONNECTIONS, ("connection", "Name")),
    **dict.fromkeys(_ON_API_DESTINATIONS, ("api-destination", "Name")),
    **dict.fromkeys(_ON_ARCHIVES, ("archive", "ArchiveName")),
    **dict.fromkeys(_ON_REPLAYS, ("replay", "ReplayName")),
}
"""By operation: how the resource in the ARN of what it names starts, and the member that holds the rest, the name."""

_ON_TAGGED = frozenset({"ListTagsForResource", "TagResource", "UntagResource"})


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs."""
    name, given = call.operation.name, call.parameters
    action, context = f"events:{name}", _tag_context(call)
    if name in _ON_RULES:
        rule = str(given.get("Rule") or given["Name"])
        arn = rule_arn_on(bus_arn_of(given.get("EventBusName", ""), call.region, call.account_id), rule)
        targets = {"events:TargetArn": tuple(each["Arn"] for each in given.get("Targets", ()))}
        return _with_tags(call, Requirement(action, arn, context | (targets if name == "PutTargets" else {})))
    if name in _ON_BUSES or name in _ON_POLICIES:
        bus = given.get("EventBusName" if name in _ON_POLICIES else "Name", "")
        arn = bus_arn_of(bus, call.region, call.account_id)
        return _with_tags(call, Requirement(action, arn, context))
    if name in _KINDS:
        place = f"arn:{partition_of(call.region)}:events:{call.region}:{call.account_id}"
        kind, member = _KINDS[name]
        return (Requirement(action, f"{place}:{kind}/{given[member]}"),)
    if name in _ON_TAGGED:
        return (Requirement(action, given["ResourceARN"], context),)
    if name == "PutEvents":
        return tuple(Requirement(action, arn) for arn in buses_of(call))
    return (Requirement(action, "*"),)


def _with_tags(call: Call, requirement: Requirement) -> tuple[Requirement, ...]:
    """Return the requirement, and TagResource beside it when the call brings tags."""
    if not call.parameters.get("Tags"):
        return (requirement,)
    return requirement, Requirement("events:TagResource", requirement.resource, requirement.context)


def _tag_context(call: Call) -> dict[str, tuple[str, ...]]:
    tags = call.parameters.get("Tags", ())
    keys = tuple(tag["Key"] for tag in tags) or tuple(call.parameters.get("TagKeys", ()))
    by_key = {f"aws:RequestTag/{tag['Key']}": (tag["Value"],) for tag in tags}
    return by_key | ({"aws:TagKeys": keys} if keys else {})
