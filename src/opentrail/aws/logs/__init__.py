"""CloudWatch Logs (2014-03-28): log groups, streams, events, tags, filters, Insights queries."""

from opentrail.aws.logs import (
    events,
    groups,
    keys,
    metric_filters,
    queries,
    query_definitions,
    records,
    resource_policies,
    streams,
    subscription_filters,
    tags,
)
from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.logs.filters import test_metric_filter
from opentrail.aws.logs.naming import check_names, requirements
from opentrail.aws.service import Handler, Service

_READING = {
    "DescribeLogGroups": groups.describe_log_groups,
    "DescribeLogStreams": streams.describe_log_streams,
    "DescribeQueries": queries.describe_queries,
    "DescribeQueryDefinitions": query_definitions.describe_query_definitions,
    "DescribeMetricFilters": metric_filters.describe_metric_filters,
    "DescribeResourcePolicies": resource_policies.describe_resource_policies,
    "DescribeSubscriptionFilters": subscription_filters.describe_subscription_filters,
    "ListLogGroups": groups.list_log_groups,
    "ListLogGroupsForQuery": queries.list_log_groups_for_query,
    "ListTagsForResource": tags.list_tags_for_resource,
    "ListTagsLogGroup": tags.list_tags_log_group,
    "PutLogEvents": events.put_log_events,
    "StartQuery": queries.start_query,
    "StopQuery": queries.stop_query,
    "TestMetricFilter": test_metric_filter,
}
"""Operations that change no settings."""

_SHOWING = {
    name: keys.with_keys(run)
    for name, run in {
        "FilterLogEvents": events.filter_log_events,
        "GetLogEvents": events.get_log_events,
        "GetLogGroupFields": records.get_log_group_fields,
        "GetLogRecord": records.get_log_record,
        "GetQueryResults": queries.get_query_results,
    }.items()
}
"""Operations that show what may be kept under a KMS key."""

_CHANGING = {
    "AssociateKmsKey": keys.associate_kms_key,
    "CreateLogGroup": groups.create_log_group,
    "CreateLogStream": streams.create_log_stream,
    "DeleteLogGroup": groups.delete_log_group,
    "DeleteLogStream": streams.delete_log_stream,
    "DeleteMetricFilter": metric_filters.delete_metric_filter,
    "DeleteQueryDefinition": query_definitions.delete_query_definition,
    "DeleteResourcePolicy": resource_policies.delete_resource_policy,
    "DeleteRetentionPolicy": groups.delete_retention_policy,
    "DeleteSubscriptionFilter": subscription_filters.delete_subscription_filter,
    "DisassociateKmsKey": keys.disassociate_kms_key,
    "PutLogGroupDeletionProtection": groups.put_log_group_deletion_protection,
    "PutMetricFilter": metric_filters.put_metric_filter,
    "PutQueryDefinition": query_definitions.put_query_definition,
    "PutResourcePolicy": resource_policies.put_resource_policy,
    "PutRetentionPolicy": groups.put_retention_policy,
    "PutSubscriptionFilter": subscription_filters.put_subscription_filter,
    "TagLogGroup": tags.tag_log_group,
    "TagResource": tags.tag_resource,
    "UntagLogGroup": tags.untag_log_group,
    "UntagResource": tags.untag_resource,
}

_WITHOUT_NAME_ERROR = frozenset({"ListTagsLogGroup", "UntagLogGroup"})
"""Operations that declare no InvalidParameterException of their own."""

SERVICE = Service(
    name="logs",
    handlers={
        name: Handler(run, is_change=name in _CHANGING, check=None if name in _WITHOUT_NAME_ERROR else check_names)
        for name, run in (_READING | _CHANGING | _SHOWING).items()
    },
    requirements=requirements,
    invalid_parameters=InvalidParameterException,
)
