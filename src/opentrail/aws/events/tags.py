"""Tags of buses and rules: TagResource, UntagResource, ListTagsForResource, and the tags that creation brings."""

import re
from collections.abc import Mapping, Sequence

from opentrail.arn import Arn
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import ManagedRuleException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.event_bus import is_event_bus_arn
from opentrail.resource.event_rule import is_event_rule_arn

TAGS_PER_RESOURCE = 50
"""EventBridge's quota."""

_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")

WireTag = Mapping[str, str]
"""One tag in wire form: Key and Value."""


def merged_tags(current: Mapping[str, str], tags: Sequence[WireTag]) -> dict[str, str]:
    """Return ``current`` with ``tags`` set over it, new ones last. Raises ValidationException."""
    if len({tag["Key"] for tag in tags}) != len(tags):
        raise ValidationFailed("Tag keys must be unique.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise ValidationFailed("Tag keys must not start with aws:")
    if not all(_ALLOWED.fullmatch(text) for tag in tags for text in (tag["Key"], tag["Value"])):
        raise ValidationFailed("Tag keys and values have characters that are not allowed.")
    merged = dict(current) | {tag["Key"]: tag["Value"] for tag in tags}
    if len(merged) > TAGS_PER_RESOURCE:
        raise ValidationFailed(f"A resource can have at most {TAGS_PER_RESOURCE} tags.")
    return merged


def wire_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


async def tag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Set tags of a bus or a rule."""
    arn = await _changeable(ports, call)
    merged = merged_tags(await ports.trails.tags(arn), call.parameters["Tags"])
    return Outcome(before=lambda: ports.trails.set_tags(arn, merged))


async def untag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Remove tags of a bus or a rule; keys that are not there do not matter."""
    arn = await _changeable(ports, call)
    gone = set(call.parameters["TagKeys"])
    left = {key: value for key, value in (await ports.trails.tags(arn)).items() if key not in gone}
    return Outcome(before=lambda: ports.trails.set_tags(arn, left))


async def list_tags_for_resource(ports: ApiPorts, call: Call) -> Outcome:
    """List the tags of a bus or a rule."""
    return Outcome({"Tags": wire_tags(await ports.trails.tags(await _tagged(ports, call)))})


async def _changeable(ports: ApiPorts, call: Call) -> str:
    """Return the ARN as ``_tagged`` does; raises ManagedRuleException for the rule of an archive, too."""
    arn = await _tagged(ports, call)
    rule = await ports.event_rules.rule(arn) if is_event_rule_arn(arn) else None
    if rule is not None and rule.managed_by:
        raise ManagedRuleException(rule.name)
    return arn


async def _tagged(ports: ApiPorts, call: Call) -> str:
    """Return the ARN that the call names; raises ResourceNotFoundException unless it is a bus or rule that is there."""
    arn: str = call.parameters["ResourceARN"]
    try:
        place = Arn.parse(arn)
    except ValueError:
        raise ValidationFailed("Parameter ResourceARN is not valid. Reason: Invalid ARN.") from None
    is_here = (place.account_id, place.region) == (call.account_id, call.region)
    if is_here and is_event_rule_arn(arn) and await ports.event_rules.rule(arn) is not None:
        return arn
    if is_here and is_event_bus_arn(arn):
        is_default = place.resource == "event-bus/default"
        if is_default or await ports.event_rules.event_bus(arn) is not None:
            return arn
    raise ResourceNotFoundException.resource(arn)
