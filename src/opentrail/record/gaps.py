"""The event that says that calls went unrecorded: a gap is on record too."""

from datetime import datetime

from opentrail.clock import format_time
from opentrail.event import Event
from opentrail.event.fields import EVENT_VERSION
from opentrail.event.json_values import cut_text

OWN_SOURCE = "cloudtrail.amazonaws.com"
GAP_NAME = "RecordingGap"

MAX_REASON_BYTES = 256


def gap_event(
    account_id: str,
    region: str,
    started_at: datetime,
    ended_at: datetime,
    count: int | None,
    reason: str,
    *,
    event_id: str,
) -> Event:
    """Return the service event of a gap; ``count`` is None when nobody counted the calls."""
    return {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": account_id, "invokedBy": OWN_SOURCE},
        "eventTime": format_time(ended_at),
        "eventSource": OWN_SOURCE,
        "eventName": GAP_NAME,
        "awsRegion": region,
        "sourceIPAddress": OWN_SOURCE,
        "userAgent": OWN_SOURCE,
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account_id,
        "serviceEventDetails": {
            "startTime": format_time(started_at),
            "endTime": format_time(ended_at),
            "unrecordedCalls": count,
            "reason": cut_text(reason, MAX_REASON_BYTES),
        },
        "eventCategory": "Management",
    }
