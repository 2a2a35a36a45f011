"""The fields of an event in the order CloudTrail writes them (reference: observed, log files)."""

from opentrail.event import Event

EVENT_VERSION = "1.11"

FIELD_ORDER = (
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "requestID",
    "eventID",
    "readOnly",
    "resources",
    "eventType",
    "apiVersion",
    "managementEvent",
    "recipientAccountId",
    "serviceEventDetails",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "tlsDetails",
    "sessionCredentialFromConsole",
)

OWN_MEMBER = "opentrail"
"""The one member of ``additionalEventData`` that Opentrail adds: what is known about the record itself."""


def in_order(event: Event) -> Event:
    """Return ``event`` with its keys in CloudTrail's order; keys CloudTrail does not know follow as they stood."""
    ordered = {name: event[name] for name in FIELD_ORDER if name in event}
    if len(ordered) < len(event):
        ordered.update((name, value) for name, value in event.items() if name not in ordered)
    return ordered


def add_own_members(event: Event, **members: object) -> None:
    """Add what Opentrail has to say about the record to ``additionalEventData.opentrail``; None values are left out."""
    said = {name: value for name, value in members.items() if value is not None}
    if not said:
        return
    data = dict(event.get("additionalEventData") or {})
    data[OWN_MEMBER] = {**data.get(OWN_MEMBER, {}), **said}
    event["additionalEventData"] = data
