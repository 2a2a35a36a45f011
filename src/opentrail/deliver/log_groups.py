"""A trail's events as log events: in which stream, at which time, with which message.

The message is the event's JSON as the journal holds it, one event each (docs/trails.md).
"""

from datetime import datetime

from opentrail.deliver.selection import Choice
from opentrail.ports.journal import Position
from opentrail.ports.log_store import EVENT_OVERHEAD_BYTES, LogEvent
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.log_group import milliseconds
from opentrail.resource.trail import Trail

MAX_MESSAGE_BYTES = 1024 * 1024 - EVENT_OVERHEAD_BYTES
"""CloudWatch Logs' bound on one event; CloudTrail delivers no larger one to a group."""


def stream_name(trail: Trail, place: AccountRegion) -> str:
    """Return the stream of an account's events: ``ACCOUNT_CloudTrail_REGION`` with the trail's home Region, behind the
    organization's id for an organization trail."""
    prefix = f"{trail.organization_id}_" if trail.is_organization else ""
    return f"{prefix}{place.account_id}_CloudTrail_{trail.home_region}"


def log_event(choice: Choice, position: Position, stream_id: str, now: datetime) -> LogEvent:
    """Return the log event of an event of a trail; one whose time cannot be read counts as ``now``."""
    try:
        moment = datetime.fromisoformat(str(choice.event.get("eventTime", "")))
        timestamp = milliseconds(moment)
    except (ValueError, TypeError):
        timestamp = milliseconds(now)
    return LogEvent(stream_id, max(0, timestamp), milliseconds(now), choice.data.decode(), position)
