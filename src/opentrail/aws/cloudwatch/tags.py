"""Tags of alarms: TagResource, UntagResource, ListTagsForResource."""

from collections.abc import Mapping

from opentrail.aws.cloudwatch.errors import InvalidParameterValueException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call, Outcome

TAGS_PER_ALARM = 50


async def tag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Set tags of an alarm."""
    arn = _tagged(ports, call)
    given: Mapping[str, str] = {tag["Key"]: tag["Value"] for tag in call.parameters["Tags"]}
    if any(key.lower().startswith("aws:") for key in given):
        raise InvalidParameterValueException("Tag keys must not start with aws:")
    merged = {**await ports.trails.tags(arn), **given}
    if len(merged) > TAGS_PER_ALARM:
        raise InvalidParameterValueException(f"An alarm can have at most {TAGS_PER_ALARM} tags.")
    return Outcome(before=lambda: ports.trails.set_tags(arn, merged))


async def untag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Remove tags of an alarm; keys that are not there do not matter."""
    arn = _tagged(ports, call)
    gone = set(call.parameters["TagKeys"])
    left = {key: value for key, value in (await ports.trails.tags(arn)).items() if key not in gone}
    return Outcome(before=lambda: ports.trails.set_tags(arn, left))


async def list_tags_for_resource(ports: ApiPorts, call: Call) -> Outcome:
    """List the tags of an alarm."""
    tags = await ports.trails.tags(_tagged(ports, call))
    return Outcome({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})


def _tagged(ports: ApiPorts, call: Call) -> str:
    arn: str = call.parameters["ResourceARN"]
    alarm = ports.alarms.alarm(arn)
    if alarm is None or (alarm.account_id, alarm.region) != (call.account_id, call.region):
        raise ResourceNotFoundException(arn)
    return arn
