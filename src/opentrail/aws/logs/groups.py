"""Log groups: create, delete, describe, list, retention, deletion protection."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.logs.errors import (
    InvalidParameterException,
    LimitExceededException,
    ResourceAlreadyExistsException,
)
from opentrail.aws.logs.keys import usable_key
from opentrail.aws.logs.naming import find_group, identified_group
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.logs.tags import merged_tags
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.ports.log_groups import LogNameTaken
from opentrail.protocol import Parameters
from opentrail.resource.log_group import METRIC_FILTER, RETENTION_DAYS, STANDARD, LogGroup, milliseconds

GROUPS_PER_REGION = 10_000
"""Groups of an account in a Region; CloudWatch Logs' quota is a hundred times that."""

_PAGE = 50
_GROUPS_AT_A_TIME = 1_000
_CLASSES = (STANDARD, "INFREQUENT_ACCESS")


async def create_log_group(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a new group. On record before it takes effect."""
    parameters = call.parameters
    name: str = parameters["logGroupName"]
    if name.lower().startswith("aws/"):
        raise InvalidParameterException.reserved_name()
    group_class = parameters.get("logGroupClass", STANDARD)
    if group_class not in _CLASSES:
        raise InvalidParameterException.not_supported(f"log groups of class {group_class}")
    group = LogGroup(
        group_id=ports.identifiers.uuid(),
        account_id=call.account_id,
        region=call.region,
        name=name,
        created_at=call.received_at,
        group_class=group_class,
        is_deletion_protected=parameters.get("deletionProtectionEnabled", False),
        tags=merged_tags({}, parameters.get("tags", {})),
    )
    if await ports.log_groups.group(group.account_id, group.region, name) is not None:
        raise ResourceAlreadyExistsException.group()
    if parameters.get("kmsKeyId"):
        group = replace(group, kms_key_arn=await usable_key(ports, call, parameters["kmsKeyId"], group.arn))
    if await ports.log_groups.count(group.account_id, group.region) >= GROUPS_PER_REGION:
        raise LimitExceededException

    async def create() -> None:
        try:
            await ports.log_groups.create(group)
        except LogNameTaken:
            raise ResourceAlreadyExistsException.group() from None

    return Outcome(after=create)


async def delete_log_group(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a group with its streams, events and filters. On record before it takes effect."""
    group = await find_group(ports, call)
    if group.is_deletion_protected:
        raise ValidationFailed(
            f"The log group {group.name} is protected from deletion: turn its deletion protection off first."
        )

    async def delete() -> None:
        await ports.log_groups.delete(group.group_id)
        await ports.log_store.remove(group.group_id)

    return Outcome(after=delete)


async def put_retention_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan how long a group keeps its events. On record before it takes effect."""
    days: int = call.parameters["retentionInDays"]
    if days not in RETENTION_DAYS:
        raise InvalidParameterException.not_one_of(days, "retentionInDays", RETENTION_DAYS)
    return await _changed_group(ports, call, lambda group: replace(group, retention_days=days))


async def delete_retention_policy(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a group keeps its events for ever."""
    return await _changed_group(ports, call, lambda group: replace(group, retention_days=0))


async def put_log_group_deletion_protection(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a group can be deleted, or not."""
    is_protected: bool = call.parameters["deletionProtectionEnabled"]
    return await _changed_group(ports, call, lambda group: replace(group, is_deletion_protected=is_protected))


async def _changed_group(ports: ApiPorts, call: Call, change: Callable[[LogGroup], LogGroup]) -> Outcome:
    changed = change(await find_group(ports, call))

    async def keep() -> None:
        await ports.log_groups.change(changed)

    return Outcome(after=keep)


async def describe_log_groups(ports: ApiPorts, call: Call) -> Outcome:
    """Show the Region's groups by name: those that begin with a prefix, contain a text, or are named one by one."""
    parameters = call.parameters
    prefix, pattern = parameters.get("logGroupNamePrefix", ""), parameters.get("logGroupNamePattern", "")
    if prefix and pattern:
        raise InvalidParameterException(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    if parameters.get("logGroupIdentifiers"):
        return Outcome(
            {"logGroups": [await _described_group(ports, group) for group in await _identified(ports, call)]}
        )
    wanted = parameters.get("logGroupClass", "")
    found, next_token = await _groups_page(
        ports, call, _PAGE, lambda group: wanted in ("", group.group_class), prefix=prefix, containing=pattern
    )
    shown = [await _described_group(ports, group, is_short=bool(pattern)) for group in found]
    return Outcome({"logGroups": shown, **next_token})


async def list_log_groups(ports: ApiPorts, call: Call) -> Outcome:
    """List the Region's groups by name; a pattern is up to five texts, one of which each name contains, or begins with
    where a ``^`` stands before it."""
    parameters = call.parameters
    for member in ("dataSources", "fieldIndexNames", "logGroupTags"):
        if parameters.get(member):
            raise InvalidParameterException.not_supported(f"{member} in ListLogGroups")
    pattern = parameters.get("logGroupNamePattern", "")
    texts = [re.escape(text).replace(r"\^", "^", 1) for text in pattern.split("|")] if pattern else []
    expression, wanted = re.compile("|".join(texts)), parameters.get("logGroupClass", "")
    found, next_token = await _groups_page(
        ports,
        call,
        _PAGE,
        lambda group: wanted in ("", group.group_class) and expression.search(group.name) is not None,
    )
    shown = [
        {"logGroupName": group.name, "logGroupArn": group.arn, "logGroupClass": group.group_class} for group in found
    ]
    return Outcome({"logGroups": shown, **next_token})


async def _identified(ports: ApiPorts, call: Call) -> list[LogGroup]:
    if call.parameters.get("logGroupNamePrefix") or call.parameters.get("logGroupNamePattern"):
        raise InvalidParameterException(
            "LogGroup identifiers and LogGroup name prefix or pattern are mutually exclusive parameters."
        )
    named = call.parameters["logGroupIdentifiers"]
    groups = [await identified_group(ports, call, given) for given in named]
    found = {group.name: group for group in groups if group is not None}
    return [group for _, group in sorted(found.items())]


async def _groups_page(
    ports: ApiPorts,
    call: Call,
    default: int,
    is_wanted: Callable[[LogGroup], bool],
    prefix: str = "",
    containing: str = "",
) -> tuple[Sequence[LogGroup], dict[str, str]]:
    """Return one page of the account's groups, and the member that leads to the next one."""
    given, limit = call.parameters.get("nextToken"), call.parameters.get("limit", default)
    after = str(read_token(call, given)[0]) if given else ""
    found: list[LogGroup] = []
    while len(found) <= limit:
        more = await ports.log_groups.groups(
            call.account_id,
            call.region,
            prefix=prefix,
            containing=containing,
            after=after,
            limit=_GROUPS_AT_A_TIME,
        )
        found += filter(is_wanted, more)
        if len(more) < _GROUPS_AT_A_TIME:
            break
        after = more[-1].name
    if len(found) <= limit:
        return found, {}
    return found[:limit], {"nextToken": token(call, [found[limit - 1].name])}


async def _described_group(ports: ApiPorts, group: LogGroup, *, is_short: bool = False) -> Parameters:
    """Return a group as DescribeLogGroups shows it; what is found by a pattern is shown ``is_short``, as recorded."""
    filters = await ports.log_groups.filters(group.group_id, METRIC_FILTER)
    shown: Parameters = {
        "logGroupName": group.name,
        "creationTime": milliseconds(group.created_at),
        "metricFilterCount": len(filters),
        "arn": f"{group.arn}:*",
        "logGroupClass": group.group_class,
        "logGroupArn": group.arn,
    }
    if group.kms_key_arn:
        shown["kmsKeyId"] = group.kms_key_arn
    if group.retention_days:
        shown["retentionInDays"] = group.retention_days
    if is_short:
        return shown
    figures = await ports.log_store.figures(group.group_id)
    stored = sum(stream.stored_bytes for stream in figures.values())
    return shown | {"storedBytes": stored, "deletionProtectionEnabled": group.is_deletion_protected}
