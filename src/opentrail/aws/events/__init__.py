"""EventBridge (2015-10-07): trying event patterns. Rules, targets and buses are not answered yet."""

from opentrail.aws.events.patterns import test_event_pattern
from opentrail.aws.service import Call, Handler, Requirement, Service


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its own action, which no resource narrows."""
    return (Requirement(f"events:{call.operation.name}", "*"),)


SERVICE = Service(
    name="events",
    handlers={"TestEventPattern": Handler(test_event_pattern)},
    requirements=requirements,
)
