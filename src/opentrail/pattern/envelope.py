"""The event that EventBridge makes of a CloudTrail record: what event patterns are written against."""

from typing import Any

from opentrail.event import Event

_DETAIL_TYPES = {
    "AwsApiCall": "AWS API Call via CloudTrail",
    "AwsServiceEvent": "AWS Service Event via CloudTrail",
    "AwsConsoleSignIn": "AWS Console Sign In via CloudTrail",
    "AwsConsoleAction": "AWS Console Action via CloudTrail",
    "AwsCloudTrailInsight": "AWS Insight via CloudTrail",
}
_NETWORK_ACTIVITY = "AWS Network Activity Event via CloudTrail"
_OWN_SOURCE = "aws.cloudtrail"


def is_record(event: Event) -> bool:
    """Say whether an event is a CloudTrail record rather than an event of EventBridge."""
    return "detail-type" not in event and "detail" not in event and "eventType" in event


def envelope_of(record: Event) -> dict[str, Any]:
    """Return the event of a record, which is its ``detail``, unchanged. Members that are no texts come out empty."""
    kind = _text(record, "eventType")
    is_network = record.get("eventCategory") == "NetworkActivity"
    is_insight = record.get("eventCategory") == "Insight" or kind == "AwsCloudTrailInsight"
    source = f"aws.{_text(record, 'eventSource').removesuffix('.amazonaws.com')}"
    return {
        "version": "0",
        "id": _text(record, "eventID"),
        "detail-type": _NETWORK_ACTIVITY if is_network else _DETAIL_TYPES.get(kind, _DETAIL_TYPES["AwsApiCall"]),
        "source": _OWN_SOURCE if is_insight else source,
        "account": _text(record, "recipientAccountId"),
        "time": _text(record, "eventTime"),
        "region": _text(record, "awsRegion"),
        "resources": [],
        "detail": record,
    }


def _text(record: Event, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""
