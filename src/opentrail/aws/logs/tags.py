"""Tags of log groups, in both generations of operations: by ARN, and by the group's name."""

import re
from collections.abc import Mapping
from dataclasses import replace

from opentrail.aws.logs.errors import InvalidParameterException, TooManyTagsException
from opentrail.aws.logs.naming import group_by_name, named_group
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.log_group import LogGroup

TAGS_PER_GROUP = 50
"""CloudWatch Logs' quota."""

_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")


def merged_tags(current: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Return ``current`` with ``tags`` set over it, however many there are then. Raises InvalidParameter."""
    if any(name.lower().startswith("aws:") for name in tags):
        raise InvalidParameterException("Tag keys starting with aws: are reserved for AWS.")
    if not all(_ALLOWED.fullmatch(text) for tag in tags.items() for text in tag):
        raise InvalidParameterException("Tag keys and values have letters, digits, spaces and + - = . _ : / @ only.")
    return {**current, **tags}


async def tag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Plan tags set over those of the group that an ARN names."""
    group = await _by_arn(ports, call)
    merged = merged_tags(group.tags, call.parameters["tags"])
    if len(merged) > TAGS_PER_GROUP:
        raise TooManyTagsException(TAGS_PER_GROUP)
    return _tagged(ports, group, merged)


async def tag_log_group(ports: ApiPorts, call: Call) -> Outcome:
    """Plan tags set over those of a group."""
    group = await group_by_name(ports, call)
    merged = merged_tags(group.tags, call.parameters["tags"])
    if len(merged) > TAGS_PER_GROUP:
        raise InvalidParameterException.tags(TAGS_PER_GROUP)
    return _tagged(ports, group, merged)


async def untag_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of tags of the group that an ARN names; keys that it does not have are ignored."""
    return _untagged(ports, await _by_arn(ports, call), call.parameters["tagKeys"])


async def untag_log_group(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of tags of a group; keys that it does not have are ignored."""
    return _untagged(ports, await group_by_name(ports, call), call.parameters["tags"])


async def list_tags_for_resource(ports: ApiPorts, call: Call) -> Outcome:
    """Show the tags of the group that an ARN names."""
    return Outcome({"tags": dict((await _by_arn(ports, call)).tags)})


async def list_tags_log_group(ports: ApiPorts, call: Call) -> Outcome:
    """Show the tags of a group."""
    return Outcome({"tags": dict((await group_by_name(ports, call)).tags)})


async def _by_arn(ports: ApiPorts, call: Call) -> LogGroup:
    given: str = call.parameters["resourceArn"]
    if not given.startswith("arn:"):
        raise InvalidParameterException.group_arn(given)
    return await named_group(ports, call, given)


def _tagged(ports: ApiPorts, group: LogGroup, tags: Mapping[str, str]) -> Outcome:
    changed = replace(group, tags=tags)

    async def tag() -> None:
        await ports.log_groups.change(changed)

    return Outcome(after=tag)


def _untagged(ports: ApiPorts, group: LogGroup, gone: list[str]) -> Outcome:
    changed = replace(group, tags={name: value for name, value in group.tags.items() if name not in gone})

    async def untag() -> None:
        await ports.log_groups.change(changed)

    return Outcome(after=untag)
