"""CloudWatch Logs (2014-03-28): trying filter patterns. Log groups, events and filters are not answered yet."""

from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.logs.filters import test_metric_filter
from opentrail.aws.service import Call, Handler, Requirement, Service


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its own action, which no resource narrows."""
    return (Requirement(f"logs:{call.operation.name}", "*"),)


SERVICE = Service(
    name="logs",
    handlers={"TestMetricFilter": Handler(test_metric_filter)},
    requirements=requirements,
    invalid_parameters=InvalidParameterException,
)
