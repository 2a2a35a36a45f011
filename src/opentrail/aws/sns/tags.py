"""Tags of topics."""

from collections.abc import Mapping, Sequence

from opentrail.arn import Arn
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.aws.sns.errors import InvalidParameterException, ResourceNotFoundException, TagLimitExceededException
from opentrail.resource.topic import is_topic_arn

TAGS_PER_TOPIC = 50
"""SNS's quota."""


def merged_tags(current: Mapping[str, str], tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return ``current`` with ``tags`` set over it. Raises InvalidParameter and TagLimitExceeded."""
    if len({tag["Key"] for tag in tags}) != len(tags):
        raise InvalidParameterException("Duplicated keys are not allowed.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise InvalidParameterException("Tag keys must not start with aws:")
    merged = dict(current) | {tag["Key"]: tag["Value"] for tag in tags}
    if len(merged) > TAGS_PER_TOPIC:
        raise TagLimitExceededException
    return merged


async def tag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Set tags of a topic."""
    arn = await _tagged(ports, call)
    merged = merged_tags(await ports.trails.tags(arn), call.parameters["Tags"])
    return Outcome(before=lambda: ports.trails.set_tags(arn, merged))


async def untag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Remove tags of a topic; keys that are not there do not matter."""
    arn = await _tagged(ports, call)
    gone = set(call.parameters["TagKeys"])
    left = {key: value for key, value in (await ports.trails.tags(arn)).items() if key not in gone}
    return Outcome(before=lambda: ports.trails.set_tags(arn, left))


async def list_tags_for_resource(ports: ApiPorts, call: Call) -> Outcome:
    """List the tags of a topic."""
    tags = await ports.trails.tags(await _tagged(ports, call))
    return Outcome({"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]})


async def _tagged(ports: ApiPorts, call: Call) -> str:
    arn: str = call.parameters["ResourceArn"]
    if not is_topic_arn(arn):
        raise InvalidParameterException("ResourceArn")
    place = Arn.parse(arn)
    is_here = (place.account_id, place.region) == (call.account_id, call.region)
    if not is_here or await ports.topic_store.topic(arn) is None:
        raise ResourceNotFoundException
    return arn
