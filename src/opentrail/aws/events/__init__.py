"""EventBridge (2015-10-07): buses and their policies, rules, targets, API destinations and connections, archives and
replays, an application's own events, trying event patterns.

No schedules or partner sources; the list of endpoints is empty.
"""

from opentrail.aws.events.api_destinations import (
    create_api_destination,
    delete_api_destination,
    describe_api_destination,
    list_api_destinations,
    update_api_destination,
)
from opentrail.aws.events.archives import (
    create_archive,
    delete_archive,
    describe_archive,
    list_archives,
    update_archive,
)
from opentrail.aws.events.bus_policies import put_permission, remove_permission
from opentrail.aws.events.buses import (
    create_event_bus,
    delete_event_bus,
    describe_event_bus,
    list_event_buses,
    update_event_bus,
)
from opentrail.aws.events.connections import (
    create_connection,
    deauthorize_connection,
    delete_connection,
    describe_connection,
    list_connections,
    update_connection,
)
from opentrail.aws.events.endpoints import list_endpoints
from opentrail.aws.events.patterns import test_event_pattern
from opentrail.aws.events.permissions import requirements
from opentrail.aws.events.put_events import put_events
from opentrail.aws.events.replays import cancel_replay, describe_replay, list_replays, start_replay
from opentrail.aws.events.rules import (
    delete_rule,
    describe_rule,
    disable_rule,
    enable_rule,
    list_rule_names_by_target,
    list_rules,
    put_rule,
)
from opentrail.aws.events.tags import list_tags_for_resource, tag_resource, untag_resource
from opentrail.aws.events.targets import list_targets_by_rule, put_targets, remove_targets
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="events",
    handlers={
        "CancelReplay": Handler(cancel_replay, is_change=True),
        "CreateApiDestination": Handler(create_api_destination, is_change=True),
        "CreateArchive": Handler(create_archive, is_change=True),
        "CreateConnection": Handler(create_connection, is_change=True),
        "CreateEventBus": Handler(create_event_bus, is_change=True),
        "DeauthorizeConnection": Handler(deauthorize_connection, is_change=True),
        "DeleteApiDestination": Handler(delete_api_destination, is_change=True),
        "DeleteArchive": Handler(delete_archive, is_change=True),
        "DeleteConnection": Handler(delete_connection, is_change=True),
        "DeleteEventBus": Handler(delete_event_bus, is_change=True),
        "DeleteRule": Handler(delete_rule, is_change=True),
        "DescribeApiDestination": Handler(describe_api_destination),
        "DescribeArchive": Handler(describe_archive),
        "DescribeConnection": Handler(describe_connection),
        "DescribeEventBus": Handler(describe_event_bus),
        "DescribeReplay": Handler(describe_replay),
        "DescribeRule": Handler(describe_rule),
        "DisableRule": Handler(disable_rule, is_change=True),
        "EnableRule": Handler(enable_rule, is_change=True),
        "ListApiDestinations": Handler(list_api_destinations),
        "ListArchives": Handler(list_archives),
        "ListConnections": Handler(list_connections),
        "ListEndpoints": Handler(list_endpoints),
        "ListEventBuses": Handler(list_event_buses),
        "ListReplays": Handler(list_replays),
        "ListRuleNamesByTarget": Handler(list_rule_names_by_target),
        "ListRules": Handler(list_rules),
        "ListTagsForResource": Handler(list_tags_for_resource),
        "ListTargetsByRule": Handler(list_targets_by_rule),
        "PutEvents": Handler(put_events),
        "PutPermission": Handler(put_permission, is_change=True),
        "PutRule": Handler(put_rule, is_change=True),
        "PutTargets": Handler(put_targets, is_change=True),
        "RemovePermission": Handler(remove_permission, is_change=True),
        "RemoveTargets": Handler(remove_targets, is_change=True),
        "StartReplay": Handler(start_replay, is_change=True),
        "TagResource": Handler(tag_resource, is_change=True),
        "TestEventPattern": Handler(test_event_pattern),
        "UntagResource": Handler(untag_resource, is_change=True),
        "UpdateApiDestination": Handler(update_api_destination, is_change=True),
        "UpdateArchive": Handler(update_archive, is_change=True),
        "UpdateConnection": Handler(update_connection, is_change=True),
        "UpdateEventBus": Handler(update_event_bus, is_change=True),
    },
    requirements=requirements,
)
