"""CloudWatch (2010-08-01): metric data.

No anomaly detectors, dashboards, streams, Metrics Insights, or metric math beyond docs/alarms.md.
"""

from opentrail.aws.cloudwatch.metric_data import list_metrics, put_metric_data
from opentrail.aws.cloudwatch.metric_queries import get_metric_data
from opentrail.aws.cloudwatch.metric_statistics import get_metric_statistics
from opentrail.aws.cloudwatch.permissions import requirements
from opentrail.aws.service import Handler, Service

SERVICE = Service(
    name="cloudwatch",
    handlers={
        "GetMetricData": Handler(get_metric_data),
        "GetMetricStatistics": Handler(get_metric_statistics),
        "ListMetrics": Handler(list_metrics),
        "PutMetricData": Handler(put_metric_data),
    },
    requirements=requirements,
)
