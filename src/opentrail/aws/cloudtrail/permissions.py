"""What a caller must be allowed for each CloudTrail operation: ``cloudtrail:<Operation>`` on the trail it names."""

from opentrail.arn import trail_arn
from opentrail.aws.service import Call, Requirement
from opentrail.protocol import Parameters

_WITHOUT_RESOURCE = frozenset({"DescribeTrails", "ListTrails", "ListPublicKeys", "LookupEvents"})
"""Operations whose permission no resource narrows (AWS's service authorization reference for CloudTrail)."""


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs; ListTags needs its action on each resource it asks about."""
    action = f"cloudtrail:{call.operation.name}"
    context = _tag_context(call.parameters)
    if call.operation.name in _WITHOUT_RESOURCE:
        return (Requirement(action, "*", context),)
    if call.operation.name == "ListTags":
        return tuple(Requirement(action, arn, context) for arn in call.parameters["ResourceIdList"] or ("*",))
    return (Requirement(action, _resource(call), context),)


def _resource(call: Call) -> str:
    given: str = ""
    for member in ("Name", "TrailName", "ResourceId"):
        given = given or call.parameters.get(member, "")
    return given if given.startswith("arn:") else trail_arn(call.region, call.account_id, given)


def _tag_context(parameters: Parameters) -> dict[str, tuple[str, ...]]:
    tags = parameters.get("TagsList", ())
    if not tags:
        return {}
    context = {f"aws:RequestTag/{tag['Key']}": (tag.get("Value", ""),) for tag in tags}
    return context | {"aws:TagKeys": tuple(tag["Key"] for tag in tags)}
