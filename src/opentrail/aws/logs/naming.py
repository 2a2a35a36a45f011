"""Which group and stream a call means, and the ARNs that its permissions are about.

Actions on a group are judged on ``...:log-group:NAME:log-stream:``, as CloudWatch Logs names it in its refusals: a
policy for ``...:log-group:NAME:*`` matches that. Actions on tags by ARN are judged on the group's ARN alone.
"""

from contextlib import suppress
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.logs.errors import InvalidParameterException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.protocol import Parameters
from opentrail.resource.log_group import (
    MAX_NAME_CHARACTERS,
    LogGroup,
    LogStream,
    log_group_arn,
    log_stream_arn,
    parse_group_arn,
    query_result_arn,
)

_NAMES = ("logGroupName", "logStreamName")
_BY_ARN = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})
_WITHOUT_RESOURCE = frozenset(
    {
        *("TestMetricFilter", "GetQueryResults", "StopQuery", "DescribeQueries", "GetLogRecord"),
        *("PutResourcePolicy", "DescribeResourcePolicies", "DeleteResourcePolicy", "ListLogGroupsForQuery"),
        *("PutQueryDefinition", "DescribeQueryDefinitions", "DeleteQueryDefinition"),
    }
)


def check_names(parameters: Parameters) -> None:
    """Raise InvalidParameter for the name of a group or stream that is too long, in CloudWatch Logs' own words."""
    for name in _NAMES:
        given: Any = parameters.get(name)
        if isinstance(given, str) and len(given) > MAX_NAME_CHARACTERS:
            raise InvalidParameterException.name_length(MAX_NAME_CHARACTERS)


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its own action on what it names, and leave to pass a role on that it names."""
    if call.operation.name == "StartQuery":
        return tuple(Requirement("logs:StartQuery", resource) for resource in _queried(call))
    needed = [Requirement(f"logs:{call.operation.name}", _resource(call), _conditions(call))]
    role = call.parameters.get("roleArn", "")
    if role:
        needed.append(Requirement("iam:PassRole", role, {"iam:PassedToService": ("logs.amazonaws.com",)}))
    return tuple(needed)


def _queried(call: Call) -> list[str]:
    """Return what a query's permission is about: each of its groups."""
    parameters = call.parameters
    given = [parameters.get("logGroupName", ""), *parameters.get("logGroupNames", ())]
    given = list(filter(None, [*given, *parameters.get("logGroupIdentifiers", ())]))
    return [log_stream_arn(_group_arn(call, name), "") for name in dict.fromkeys(given)] or ["*"]


def _group_arn(call: Call, given: str) -> str:
    """Return the ARN of a group given by its name or an ARN."""
    try:
        return log_group_arn(*parse_group_arn(given))
    except ValueError:
        return log_group_arn(call.region, call.account_id, given)


def _resource(call: Call) -> str:
    parameters = call.parameters
    if call.operation.name in _WITHOUT_RESOURCE:
        return "*"
    region, account_id, name = call.region, call.account_id, parameters.get("logGroupName", "")
    members = ("logGroupIdentifier", "resourceArn", "resourceIdentifier")
    given = next(filter(None, (parameters.get(member, "") for member in members)), "")
    if given == query_result_arn(region, account_id):
        return str(given)
    if given:
        name = given
        with suppress(ValueError):
            region, account_id, name = parse_group_arn(given)
    arn = log_group_arn(region, account_id, name)
    if call.operation.name in _BY_ARN:
        return arn
    stream = parameters.get("logStreamName", "")
    return log_stream_arn(arn, stream)


def _conditions(call: Call) -> dict[str, tuple[str, ...]]:
    tags = call.parameters.get("tags")
    if call.operation.name in ("TagResource", "TagLogGroup", "CreateLogGroup") and tags:
        values = {f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}
        return {**values, "aws:TagKeys": tuple(tags)}
    keys = call.parameters.get("tagKeys") or (tags if call.operation.name == "UntagLogGroup" else None)
    return {"aws:TagKeys": tuple(keys)} if keys else {}


async def find_group(ports: ApiPorts, call: Call) -> LogGroup:
    """Return the group that ``logGroupName`` or ``logGroupIdentifier`` (a name or an ARN) means.

    Raises ResourceNotFound, InvalidParameter, Validation.
    """
    parameters = call.parameters
    name, identifier = parameters.get("logGroupName", ""), parameters.get("logGroupIdentifier", "")
    if name and identifier:
        raise ValidationFailed("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if not name and not identifier:
        raise ValidationFailed("One of LogGroup name and LogGroup ARN must be given.")
    return await named_group(ports, call, name or identifier)


async def named_group(ports: ApiPorts, call: Call, given: str) -> LogGroup:
    """Return the group of a name or an ARN, of the caller's account in the called Region. Raises ResourceNotFound,
    InvalidParameter."""
    group = await identified_group(ports, call, given)
    if group is None:
        raise ResourceNotFoundException.group()
    return group


async def identified_group(ports: ApiPorts, call: Call, given: str) -> LogGroup | None:
    """Return the group of a name or an ARN, None where the caller's account has none in the called Region. Raises
    InvalidParameter."""
    name = given
    if given.startswith("arn:"):
        try:
            region, account_id, name = parse_group_arn(given)
        except ValueError:
            raise InvalidParameterException.group_arn(given) from None
        if (region, account_id) != (call.region, call.account_id):
            return None
    return await ports.log_groups.group(call.account_id, call.region, name)


async def group_by_name(ports: ApiPorts, call: Call) -> LogGroup:
    """Return the group that ``logGroupName`` names, for operations that know no ARNs. Raises ResourceNotFound."""
    group = await ports.log_groups.group(call.account_id, call.region, call.parameters["logGroupName"])
    if group is None:
        raise ResourceNotFoundException.group()
    return group


async def find_stream(ports: ApiPorts, group: LogGroup, name: str) -> LogStream:
    """Return a stream of a group. Raises ResourceNotFound."""
    stream = await ports.log_groups.stream(group.group_id, name)
    if stream is None:
        raise ResourceNotFoundException.stream()
    return stream
