"""CloudWatch (2010-08-01): metric data, metric alarms and composite alarms.

No anomaly detectors, dashboards, streams, Metrics Insights, or metric math beyond docs/alarms.md.
"""

from opentrail.aws.cloudwatch.alarm_views import (
    describe_alarm_history,
    describe_alarms,
    describe_alarms_for_metric,
)
from opentrail.aws.cloudwatch.alarms import (
    delete_alarms,
    disable_alarm_actions,
    enable_alarm_actions,
    put_composite_alarm,
    put_metric_alarm,
    set_alarm_state,
)
from opentrail.aws.cloudwatch.metric_data import list_metrics, put_metric_data
from opentrail.aws.cloudwatch.metric_queries import get_metric_data
from opentrail.aws.cloudwatch.metric_statistics import get_metric_statistics
from opentrail.aws.cloudwatch.permissions import requirements
from opentrail.aws.cloudwatch.tags import list_tags_for_resource, tag_resource, untag_resource
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="cloudwatch",
    handlers={
        "DeleteAlarms": Handler(delete_alarms, is_change=True),
        "DescribeAlarmHistory": Handler(describe_alarm_history),
        "DescribeAlarms": Handler(describe_alarms),
        "DescribeAlarmsForMetric": Handler(describe_alarms_for_metric),
        "DisableAlarmActions": Handler(disable_alarm_actions, is_change=True),
        "EnableAlarmActions": Handler(enable_alarm_actions, is_change=True),
        "GetMetricData": Handler(get_metric_data),
        "GetMetricStatistics": Handler(get_metric_statistics),
        "ListMetrics": Handler(list_metrics),
        "ListTagsForResource": Handler(list_tags_for_resource),
        "PutCompositeAlarm": Handler(put_composite_alarm, is_change=True),
        "PutMetricAlarm": Handler(put_metric_alarm, is_change=True),
        "PutMetricData": Handler(put_metric_data),
        "SetAlarmState": Handler(set_alarm_state, is_change=True),
        "TagResource": Handler(tag_resource, is_change=True),
        "UntagResource": Handler(untag_resource, is_change=True),
    },
    requirements=requirements,
)
