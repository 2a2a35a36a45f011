"""Events that no API call made: gaps in the record, and changes that the operator made from the command line."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from opentrail.clock import format_time
from opentrail.event import Event
from opentrail.event.fields import EVENT_VERSION, in_order
from opentrail.event.json_values import cut_text
from opentrail.resource.trail import Trail

OWN_SOURCE = "cloudtrail.amazonaws.com"
GAP_NAME = "RecordingGap"
ACCOUNTS_NAME = "OrganizationTrailAccountsChanged"

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
    details = {
        "startTime": format_time(started_at),
        "endTime": format_time(ended_at),
        "unrecordedCalls": count,
        "reason": cut_text(reason, MAX_REASON_BYTES),
    }
    return service_event(OWN_SOURCE, GAP_NAME, details, account_id, region, ended_at, event_id=event_id)


def organization_event(before: Trail, after: Trail, at: datetime, *, event_id: str) -> Event:
    """Return the service event of an organization trail whose accounts changed with the operator's settings."""
    old, new = set(before.account_ids), set(after.account_ids)
    details = {
        "organizationId": after.organization_id or None,
        "formerOrganizationId": before.organization_id or None,
        "addedAccounts": sorted(new - old),
        "removedAccounts": sorted(old - new),
    }
    return service_event(
        OWN_SOURCE,
        ACCOUNTS_NAME,
        details,
        after.account_id,
        after.home_region,
        at,
        event_id=event_id,
        resources=[("AWS::CloudTrail::Trail", after.arn)],
    )


def service_event(
    event_source: str,
    event_name: str,
    details: dict[str, Any],
    account_id: str,
    region: str,
    at: datetime,
    *,
    event_id: str,
    resources: Sequence[tuple[str, str]] = (),
) -> Event:
    """Return an ``AwsServiceEvent`` of our own making; ``details`` become its ``serviceEventDetails``, unredacted.

    ``resources`` are (type, ARN) of what it is about.
    """
    event: Event = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"accountId": account_id, "invokedBy": OWN_SOURCE},
        "eventTime": format_time(at),
        "eventSource": event_source,
        "eventName": event_name,
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
        "serviceEventDetails": details,
        "eventCategory": "Management",
    }
    if resources:
        event["resources"] = [{"accountId": account_id, "type": kind, "ARN": arn} for kind, arn in resources]
    return in_order(event)


def assumed_role_event(
    region: str,
    at: datetime,
    *,
    role_arn: str,
    session_arn: str,
    session_id: str,
    access_key_id: str,
    expiration: str,
    event_id: str,
    request_id: str,
) -> Event:
    """Return the AssumeRole by CloudTrail itself, in the form that CloudTrail gives to services' own."""
    account_id, session = session_arn.split(":")[4], session_arn.rpartition("/")[2]
    event = service_event(
        "sts.amazonaws.com",
        "AssumeRole",
        {},
        account_id,
        region,
        at,
        event_id=event_id,
        resources=[("AWS::IAM::Role", role_arn)],
    )
    del event["serviceEventDetails"]
    event |= {
        "userIdentity": {"type": "AWSService", "invokedBy": OWN_SOURCE},
        "requestParameters": {"roleArn": role_arn, "roleSessionName": session},
        "responseElements": {
            "credentials": {"accessKeyId": access_key_id, "expiration": expiration},
            "assumedRoleUser": {"assumedRoleId": session_id, "arn": session_arn},
        },
        "requestID": request_id,
        "readOnly": True,
        "eventType": "AwsApiCall",
    }
    return in_order(event)
