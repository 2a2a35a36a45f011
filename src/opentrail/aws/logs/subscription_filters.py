"""Subscription filters: set, describe, delete. What they send: ``pipeline.log_subscriptions``."""

from opentrail.arn import Arn
from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.logs.errors import (
    InvalidOperationException,
    InvalidParameterException,
    ResourceNotFoundException,
)
from opentrail.aws.logs.metric_filters import planned_deletion, planned_filter
from opentrail.aws.logs.naming import find_group
from opentrail.aws.logs.paging import read_token, token
from opentrail.aws.logs.patterns import read_pattern
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.deliver.subscription_data import DESTINATIONS
from opentrail.protocol import Parameters
from opentrail.resource.log_group import STANDARD, SUBSCRIPTION_FILTER, milliseconds
from opentrail.resource.named_target import NAMED_SERVICE

FILTERS_PER_GROUP = 2

_PAGE = 50
_WITH_ROLE = frozenset({"kinesis", "firehose"})
_VENDORS = frozenset({"logs", *DESTINATIONS, *_WITH_ROLE})


async def put_subscription_filter(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a subscription filter of a group, in place of the one of its name."""
    parameters = call.parameters
    read_pattern(parameters["filterPattern"])
    _check_destination(ports, call)
    unsupported = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")
    if any(parameters.get(name) for name in unsupported):
        raise InvalidParameterException.not_supported("filters on transformed logs or selected fields")
    group = await find_group(ports, call)
    if group.group_class != STANDARD:
        raise InvalidOperationException.group_class(group.group_class)
    settings = {name: parameters[name] for name in ("filterPattern", "destinationArn")}
    if parameters.get("roleArn"):
        settings["roleArn"] = parameters["roleArn"]
    settings["distribution"] = parameters.get("distribution", "ByLogStream")
    return await planned_filter(ports, call, group, SUBSCRIPTION_FILTER, settings, FILTERS_PER_GROUP)


def _check_destination(ports: ApiPorts, call: Call) -> None:
    given: str = call.parameters["destinationArn"]
    try:
        arn = Arn.parse(given)
    except ValueError:
        raise InvalidParameterException(f"Invalid destinationArn: {given[:300]}") from None
    if arn.service not in _VENDORS:
        raise InvalidParameterException(
            f"PutSubscriptionFilter operation cannot work with destinationArn for vendor {arn.service}"
        )
    if arn.service in _WITH_ROLE and not call.parameters.get("roleArn"):
        raise InvalidParameterException(f"destinationArn for vendor {arn.service} cannot be used without roleArn")
    if arn.service in DESTINATIONS and arn.account_id != call.account_id:
        raise AccessDenied(
            f"Cross-account {arn.service} invocation passing is not allowed. "
            f"You must use DestinationPolicies to create cross account {arn.service} triggers."
        )
    if arn.service == NAMED_SERVICE and not ports.named_targets.permits(arn):
        raise InvalidParameterException(f"The settings of this installation name no target {given[:300]}")


async def describe_subscription_filters(ports: ApiPorts, call: Call) -> Outcome:
    """Show the subscription filters of a group by name."""
    parameters = call.parameters
    group = await find_group(ports, call)
    given, limit = parameters.get("nextToken"), parameters.get("limit", _PAGE)
    after = str(read_token(call, given)[0]) if given else ""
    prefix = parameters.get("filterNamePrefix", "")
    found = [
        one
        for one in await ports.log_groups.filters(group.group_id, SUBSCRIPTION_FILTER)
        if one.name.startswith(prefix) and one.name > after
    ]
    shown = [
        {
            "filterName": one.name,
            "logGroupName": group.name,
            **one.settings,
            "creationTime": milliseconds(one.created_at),
            "applyOnTransformedLogs": False,
        }
        for one in found[:limit]
    ]
    output: Parameters = {"subscriptionFilters": shown}
    if len(found) > limit:
        output["nextToken"] = token(call, [found[limit - 1].name])
    return Outcome(output)


async def delete_subscription_filter(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a subscription filter. On record before it takes effect."""
    group = await find_group(ports, call)
    deletion = await planned_deletion(ports, call, group, SUBSCRIPTION_FILTER)
    if deletion is None:
        raise ResourceNotFoundException.subscription_filter()
    return deletion
