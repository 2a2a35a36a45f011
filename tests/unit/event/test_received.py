"""Events built by others: what is taken in, and why the rest is not."""

from typing import Any

import orjson
import pytest

from opentrail.event.received import MAX_PROBLEMS, InvalidEvent, problems_of, receive

API_CALL: dict[str, Any] = {
    "eventVersion": "1.11",
    "userIdentity": {"type": "Root"},
    "eventTime": "2026-07-10T12:00:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "ListUsers",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.1",
    "userAgent": "aws-cli/2",
    "requestParameters": None,
    "responseElements": None,
    "requestID": "r",
    "eventID": "00000000-0000-4000-8000-000000000001",
    "readOnly": True,
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": "111122223333",
    "eventCategory": "Management",
}
SIGN_IN = API_CALL | {
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "eventType": "AwsConsoleSignIn",
    "readOnly": False,
    "responseElements": {"ConsoleLogin": "Success"},
    "additionalEventData": {"LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": "No"},
}
SERVICE_EVENT = API_CALL | {
    "eventType": "AwsServiceEvent",
    "userIdentity": {"accountId": "111122223333", "invokedBy": "AWS Internal"},
    "serviceEventDetails": {"state": "rotated"},
}
NETWORK_ACTIVITY = {
    name: value
    for name, value in API_CALL.items()
    if name not in ("userAgent", "requestParameters", "responseElements", "readOnly", "managementEvent")
} | {
    "eventType": "AwsVpceEvent",
    "eventCategory": "NetworkActivity",
    "errorCode": "VpceAccessDenied",
    "errorMessage": "The request was denied due to a VPC endpoint policy",
    "sharedEventID": "00000000-0000-4000-8000-000000000002",
    "vpcEndpointId": "vpce-1",
    "vpcEndpointAccountId": "111122223333",
}
ENRICHED = API_CALL | {
    "eventContext": {"requestContext": {"aws:ViaAWSService": "false"}, "tagContext": {}},
    "addendum": {"reason": "DELIVERY_DELAY"},
    "sessionCredentialFromConsole": "true",
}


@pytest.mark.parametrize(
    "event",
    [API_CALL, SIGN_IN, SERVICE_EVENT, NETWORK_ACTIVITY, ENRICHED],
    ids=["API call", "sign-in", "service event", "network activity", "enriched"],
)
def test_every_kind_of_event_passes_whole(event: dict[str, Any]) -> None:
    received, encoded = receive(dict(reversed(event.items())))

    assert received == event
    assert orjson.loads(encoded) == event
    assert next(iter(received)) == "eventVersion"


def test_members_of_newer_versions_are_kept_behind_the_known_ones() -> None:
    received, _ = receive({"brandNew": {"x": 1}, **API_CALL, "eventVersion": "1.12"})

    assert list(received)[-1] == "brandNew"


def test_an_old_event_needs_only_what_its_version_had() -> None:
    old = {name: API_CALL[name] for name in list(API_CALL)[:10]} | {"eventVersion": "1.00"}

    assert problems_of(old) == []
    assert problems_of(old | {"eventVersion": "1.05"}) == ["eventID is missing", "eventType is missing"]


def test_content_over_its_limit_is_omitted() -> None:
    received, encoded = receive(API_CALL | {"requestParameters": {"x": "y" * 200_000}})

    assert received["requestParameters"]["omitted"] is True
    assert len(encoded) < 256 * 1024


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (None, "an event is an object"),
        ([API_CALL], "an event is an object"),
        (API_CALL | {"eventVersion": "2.0"}, "eventVersion is not 1.x"),
        (API_CALL | {"eventTime": "2026-07-10 12:00"}, "eventTime is no time in UTC to the second"),
        (API_CALL | {"eventTime": 5}, "eventTime is no text"),
        (API_CALL | {"eventName": ""}, "eventName has no length from 1 to 256"),
        (API_CALL | {"resources": {}}, "resources is no list"),
        (API_CALL | {"readOnly": "true"}, "readOnly is no boolean"),
        (API_CALL | {"eventType": "AwsMadeUp"}, "eventType is none of CloudTrail's"),
        (API_CALL | {"eventCategory": "Insight"}, "eventCategory is none of those of AwsApiCall"),
        (API_CALL | {"managementEvent": False}, "managementEvent and eventCategory disagree"),
        (SIGN_IN | {"eventSource": "iam.amazonaws.com"}, "the eventSource of sign-ins is signin.amazonaws.com"),
        (NETWORK_ACTIVITY | {"requestParameters": None}, "network activity events have no requestParameters"),
        (NETWORK_ACTIVITY | {"errorCode": "AccessDenied"}, "the errorCode of network activity events is"),
        ({n: v for n, v in NETWORK_ACTIVITY.items() if n != "sharedEventID"}, "sharedEventID is missing"),
        ({n: v for n, v in API_CALL.items() if n != "requestParameters"}, "requestParameters is missing"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(event: Any, problem: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        receive(event)

    assert refused.value.problems[0].startswith(problem)


def test_problems_are_bounded_and_quote_nothing() -> None:
    broken = dict.fromkeys(API_CALL, 7.5) | {"eventVersion": "1.11"}

    found = problems_of(broken)

    assert len(found) == MAX_PROBLEMS
    assert "7.5" not in " ".join(found)
