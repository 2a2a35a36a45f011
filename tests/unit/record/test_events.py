"""One complete event per call: identity, place, names, result."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opentrail.capture.refusals import refusal
from opentrail.event.fields import FIELD_ORDER
from opentrail.identity import CallerIdentity, Principal, PrincipalType, SessionContext
from opentrail.protocol import Operation
from tests.unit.record.calls import (
    ACCOUNT,
    COMPLETED,
    RECEIVED,
    a_builder,
    a_request,
    a_response,
    a_scope,
    a_user,
    recorded,
)

CREATE_TRAIL = Operation("cloudtrail", "CreateTrail")
SESSION_STARTED = datetime(2026, 7, 9, 23, 0, tzinfo=UTC)
ROLE_SESSION = SessionContext(
    SESSION_STARTED, True, "Role", "AROAEXAMPLE", f"arn:aws:iam::{ACCOUNT}:role/ops", ACCOUNT, "ops", "alice"
)


def test_a_call_gives_the_event_cloudtrail_would_give_in_its_key_order() -> None:
    event = recorded("cloudtrail", "StopLogging", {"Name": "t"}, request=a_request(is_tls=True))

    assert event == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAEXAMPLE",
            "userName": "alice",
        },
        "eventTime": "2026-07-10T12:24:30Z",
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "StopLogging",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli/2",
        "requestParameters": {"name": "t"},
        "responseElements": None,
        "requestID": "req-1",
        "eventID": "00000000-0000-4000-8000-000000000001",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": {"clientProvidedHostHeader": "service.example"},
    }
    assert [name for name in FIELD_ORDER if name in event] == list(event)


def test_the_event_time_is_the_completion_cut_to_the_second() -> None:
    builder = a_builder()

    begun = builder.begin(a_request(), CREATE_TRAIL, a_scope(), a_user(), RECEIVED, parameters={})
    finished = builder.finish(begun, CREATE_TRAIL, a_response(), COMPLETED)

    assert begun["eventTime"] == "2026-07-10T00:04:29Z"
    assert finished["eventTime"] == "2026-07-10T12:24:30Z"


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (
            Principal(PrincipalType.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT),
            {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT},
        ),
        (
            Principal(PrincipalType.ASSUMED_ROLE, "AROAEXAMPLE:s", "arn:s", ACCOUNT, session=ROLE_SESSION),
            {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:s",
                "arn": "arn:s",
                "accountId": ACCOUNT,
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLE",
                        "arn": f"arn:aws:iam::{ACCOUNT}:role/ops",
                        "accountId": ACCOUNT,
                        "userName": "ops",
                    },
                    "attributes": {"creationDate": "2026-07-09T23:00:00Z", "mfaAuthenticated": "true"},
                    "sourceIdentity": "alice",
                },
            },
        ),
        (
            Principal(PrincipalType.IAM_USER, "AIDA1", "arn:u", ACCOUNT, "alice", SessionContext(SESSION_STARTED)),
            {
                "type": "IAMUser",
                "principalId": "AIDA1",
                "arn": "arn:u",
                "accountId": ACCOUNT,
                "userName": "alice",
                "sessionContext": {"attributes": {"creationDate": "2026-07-09T23:00:00Z", "mfaAuthenticated": "false"}},
            },
        ),
        (
            Principal(
                PrincipalType.FEDERATED_USER,
                f"{ACCOUNT}:bob",
                f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
                ACCOUNT,
                session=SessionContext(SESSION_STARTED, issuer_type="IAMUser", issuer_user_name="alice"),
            ),
            {
                "type": "FederatedUser",
                "principalId": f"{ACCOUNT}:bob",
                "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
                "accountId": ACCOUNT,
                "sessionContext": {
                    "sessionIssuer": {"type": "IAMUser", "userName": "alice"},
                    "attributes": {"creationDate": "2026-07-09T23:00:00Z", "mfaAuthenticated": "false"},
                },
            },
        ),
    ],
    ids=lambda value: value.type.value if isinstance(value, Principal) else "",
)
def test_each_kind_of_principal_has_cloudtrails_identity(principal: Principal, expected: dict[str, Any]) -> None:
    event = recorded("iam", "ListUsers", caller=CallerIdentity(principal, "ASIAEXAMPLE", True))

    identity = event["userIdentity"]
    assert identity.pop("accessKeyId") == "ASIAEXAMPLE"
    assert identity == expected
    assert event["recipientAccountId"] == ACCOUNT
    assert "additionalEventData" not in event


def test_an_identity_nobody_verified_is_marked_claimed() -> None:
    event = recorded("iam", "ListUsers", caller=a_user(is_verified=False))

    assert event["additionalEventData"] == {"opentrail": {"identity": "claimed"}}


def test_a_caller_of_whom_only_the_key_is_known_is_unknown_and_claimed() -> None:
    event = recorded("iam", "ListUsers", caller=CallerIdentity(None, "AKIAWHO", False))

    assert event["userIdentity"] == {"type": "Unknown", "accessKeyId": "AKIAWHO"}
    assert event["recipientAccountId"] == "123456789012"
    assert event["additionalEventData"]["opentrail"]["identity"] == "claimed"


def test_an_unsigned_call_to_s3_is_the_anonymous_principals() -> None:
    nobody = CallerIdentity(None, "", False)
    builder = a_builder()

    event = builder.begin(
        a_request("GET", "/b/k"), Operation("s3", "GetObject"), None, nobody, RECEIVED, parameters={"Bucket": "b"}
    )

    assert event["userIdentity"] == {"type": "AWSAccount", "principalId": "", "accountId": "anonymous"}
    assert event["additionalEventData"] == {"bytesTransferredIn": 0}


@pytest.mark.parametrize(
    ("service", "signing_region", "expected", "unknown"),
    [
        ("ec2", "eu-west-1", "eu-west-1", None),
        ("ec2", "cn-north-1", "cn-north-1", None),
        ("ec2", "moon-north-1", "moon-north-1", None),
        ("ec2", "mars-south-9", "us-east-1", "mars-south-9"),
        ("ec2", "", "us-east-1", None),
        ("iam", "eu-west-1", "us-east-1", None),
        ("iam", "us-gov-west-1", "us-gov-west-1", None),
        ("sts", "ap-south-1", "us-east-1", None),
        ("route53", "mars-south-9", "us-east-1", "mars-south-9"),
    ],
)
def test_the_region_is_the_signing_scopes_unless_nobody_knows_it_or_the_service_is_global(
    service: str, signing_region: str, expected: str, unknown: str | None
) -> None:
    operation = {"ec2": "DescribeVpcs", "iam": "ListUsers", "sts": "GetCallerIdentity", "route53": "ListHostedZones"}

    event = recorded(service, operation[service], scope=a_scope(service, signing_region))

    assert event["awsRegion"] == expected
    assert event.get("additionalEventData", {}).get("opentrail", {}).get("signingRegion") == unknown


def test_a_claimed_call_in_a_region_that_it_may_not_enable_is_in_the_default_region_as_long_as_that_is_so() -> None:
    admitted = {"us-east-1"}
    builder, operation = a_builder(admits=admitted.__contains__), Operation("ec2", "DescribeVpcs")

    def regions_of(service: str, called: Operation, *, is_verified: bool) -> tuple[str, str | None]:
        scope = a_scope(service, "eu-west-1")
        event = builder.begin(a_request(), called, scope, a_user(is_verified=is_verified), RECEIVED)
        own = event.get("additionalEventData", {}).get("opentrail", {})
        return event["awsRegion"], own.get("signingRegion")

    assert regions_of("ec2", operation, is_verified=False) == ("us-east-1", "eu-west-1")
    assert regions_of("ec2", operation, is_verified=True) == ("eu-west-1", None)
    assert regions_of("iam", Operation("iam", "ListUsers"), is_verified=False) == ("us-east-1", None)
    admitted.add("eu-west-1")
    assert regions_of("ec2", operation, is_verified=False) == ("eu-west-1", None)


def test_an_unknown_operation_is_recorded_by_method_and_path() -> None:
    builder = a_builder()
    request = a_request("POST", "/some/path?secret=1")

    event = builder.begin(request, None, a_scope("Custom-Service"), a_user(), RECEIVED)
    event = builder.finish(event, None, a_response(404), COMPLETED)

    assert (event["eventSource"], event["eventName"]) == ("custom-service.amazonaws.com", "Unknown")
    assert event["additionalEventData"]["opentrail"] == {"method": "POST", "path": "/some/path"}
    assert event["errorCode"] == "HTTP404"


def test_an_error_has_null_response_elements_and_the_errors_name_in_events() -> None:
    event = recorded(
        "iam", "GetUser", {"UserName": "x"}, response=a_response(404), code="NoSuchEntity", message="No x."
    )

    assert (event["errorCode"], event["errorMessage"]) == ("NoSuchEntityException", "No x.")
    assert event["responseElements"] is None
    assert event["requestParameters"] == {"userName": "x"}


@pytest.mark.parametrize(
    ("service", "operation", "status", "code", "expected"),
    [
        ("ec2", "DescribeVpcs", 403, "UnauthorizedOperation", "Client.UnauthorizedOperation"),
        ("ec2", "RunInstances", 412, "DryRunOperation", "Client.DryRunOperation"),
        ("ec2", "DescribeVpcs", 503, "Unavailable", "Server.Unavailable"),
        ("ec2", "DescribeVpcs", 400, "Client.Already", "Client.Already"),
        ("cloudtrail", "StopLogging", 400, "TrailNotFoundException", "TrailNotFoundException"),
        ("cloudtrail", "StopLogging", 400, "AccessDeniedException", "AccessDenied"),
        ("dynamodb", "PutItem", 400, "ConditionalCheckFailedException", "ConditionalCheckFailedException"),
        ("rds", "DeleteDBInstance", 400, "InvalidDBInstanceState", "InvalidDBInstanceStateFault"),
        ("s3", "GetBucketPolicy", 404, "NoSuchBucketPolicy", "NoSuchBucketPolicy"),
    ],
)
def test_error_codes_are_spelled_as_each_service_records_them(
    service: str, operation: str, status: int, code: str, expected: str
) -> None:
    event = recorded(service, operation, response=a_response(status), code=code)

    assert event["errorCode"] == expected


@pytest.mark.parametrize(
    ("parameters", "status", "expected"),
    [
        ({"Bucket": "b", "Key": "k"}, 404, "NoSuchKey"),
        ({"Bucket": "b", "Key": "k"}, 304, "NotModified"),
        ({"Bucket": "b", "Key": "k"}, 403, "AccessDenied"),
        ({"Bucket": "b", "Key": "k"}, 412, "PreconditionFailed"),
    ],
)
def test_a_head_request_is_judged_by_its_status(parameters: dict[str, Any], status: int, expected: str) -> None:
    event = recorded("s3", "HeadObject", parameters, response=a_response(status), code=str(status))

    assert event["errorCode"] == expected


def test_a_request_id_comes_from_the_answer_else_is_made() -> None:
    builder = a_builder()
    event = builder.begin(a_request(), None, None, a_user(), RECEIVED)

    answered = builder.finish(event, None, a_response(200, (("X-Amz-Request-Id", "abc"),)), COMPLETED)
    silent = builder.finish(event, None, a_response(), COMPLETED)

    assert answered["requestID"] == "abc"
    assert silent["requestID"] == "00000000-0000-4000-8000-000000000002"


def test_a_call_without_an_answer_says_so_and_has_no_request_id() -> None:
    builder = a_builder()
    event = builder.begin(a_request(), CREATE_TRAIL, a_scope(), a_user(), RECEIVED, parameters={"Name": "t"})

    unknown = builder.finish_unknown(event, "upstream-timeout")

    assert unknown["additionalEventData"]["opentrail"] == {"outcome": "unknown", "reason": "upstream-timeout"}
    assert "requestID" not in unknown
    assert unknown["eventTime"] == event["eventTime"]
    assert "additionalEventData" not in event


def test_a_gap_is_a_service_event_with_honest_details() -> None:
    event = a_builder().gap(
        account_id=ACCOUNT,
        region="eu-west-1",
        started_at=RECEIVED,
        ended_at=COMPLETED,
        count=None,
        reason="queue-full",
    )

    assert event["eventType"] == "AwsServiceEvent"
    assert event["userIdentity"] == {"accountId": ACCOUNT, "invokedBy": "cloudtrail.amazonaws.com"}
    assert event["serviceEventDetails"] == {
        "startTime": "2026-07-10T00:04:29Z",
        "endTime": "2026-07-10T12:24:30Z",
        "unrecordedCalls": None,
        "reason": "queue-full",
    }
    assert event["requestParameters"] is None
    assert list(event) == [name for name in FIELD_ORDER if name in event]


def test_the_answer_of_a_reading_call_is_not_parsed() -> None:
    builder, operation = a_builder(), Operation("iam", "ListUsers")
    event = builder.begin(a_request(), operation, a_scope("iam"), a_user(), RECEIVED, parameters={})

    finished = builder.finish(event, operation, a_response(200, (("x-amzn-RequestId", "abc"),), b"<not xml"), COMPLETED)

    assert (finished["requestID"], finished["responseElements"]) == ("abc", None)
    assert "additionalEventData" not in finished
    assert "errorCode" not in finished


@pytest.mark.parametrize("operation", [Operation("iam", "CreateUser"), Operation("s3", "PutObject"), None])
def test_a_call_that_could_not_be_sent_is_a_failed_call_and_says_why(operation: Operation | None) -> None:
    builder = a_builder()
    event = builder.begin(a_request(), operation, a_scope("iam"), a_user(), RECEIVED)
    answer = refusal(operation, "", "ServiceUnavailable", "Cannot be reached.", 503, "request-1")

    finished = builder.finish(event, operation, replace(answer, reason="upstream-unreachable"), COMPLETED)

    assert finished["errorCode"] == "ServiceUnavailable"
    assert finished["responseElements"] is None
    own = finished["additionalEventData"]["opentrail"]
    assert own["reason"] == "upstream-unreachable"
    assert "outcome" not in own
    assert operation is None or (finished["requestID"], finished["errorMessage"]) == ("request-1", "Cannot be reached.")
