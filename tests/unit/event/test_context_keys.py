"""What a call's condition keys were, as its event tells."""

from typing import Any

import pytest

from opentrail.event.context_keys import REQUEST_CONTEXT_KEYS, UNKNOWN_CONTEXT_KEYS, with_request_context

ALL = sorted(REQUEST_CONTEXT_KEYS)
SESSION = {
    "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111111111111:role/Admin"},
    "attributes": {"creationDate": "2026-11-21T08:00:00Z", "mfaAuthenticated": "true"},
    "sourceIdentity": "alice",
    "webIdFederationData": {"federatedProvider": "accounts.google.com"},
}
ROLE = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE:alice",
    "arn": "arn:aws:sts::111111111111:assumed-role/Admin/alice",
    "accountId": "111111111111",
    "sessionContext": SESSION,
}
USER = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLE",
    "arn": "arn:aws:iam::111111111111:user/bob",
    "accountId": "111111111111",
    "userName": "bob",
}


def event_by(identity: dict[str, Any], **members: Any) -> dict[str, Any]:
    event = {"eventVersion": "1.08", "eventTime": "2026-11-21T08:10:00Z", "awsRegion": "eu-central-1"}
    return {**event, "userIdentity": identity, **members}


def context(event: dict[str, Any], organization: dict[str, str] | None = None) -> dict[str, str]:
    found: dict[str, str] = with_request_context(event, ALL, organization or {})["eventContext"]["requestContext"]
    return found


def test_assumed_role_with_mfa_has_the_keys_of_its_session() -> None:
    event = event_by(ROLE, tlsDetails={"tlsVersion": "TLSv1.3"})

    assert context(event, {"111111111111": "o-exampleorgid"}) == {
        "aws:CurrentTime": "2026-11-21T08:10:00Z",
        "aws:EpochTime": "1795248600",
        "aws:FederatedProvider": "accounts.google.com",
        "aws:MultiFactorAuthAge": "600",
        "aws:MultiFactorAuthPresent": "true",
        "aws:PrincipalAccount": "111111111111",
        "aws:PrincipalArn": "arn:aws:iam::111111111111:role/Admin",
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalOrgID": "o-exampleorgid",
        "aws:PrincipalType": "AssumedRole",
        "aws:RequestedRegion": "eu-central-1",
        "aws:SecureTransport": "true",
        "aws:SourceIdentity": "alice",
        "aws:TokenIssueTime": "2026-11-21T08:00:00Z",
        "aws:ViaAWSService": "false",
        "aws:userid": "AROAEXAMPLE:alice",
    }


def test_user_has_a_name_and_no_session() -> None:
    found = context(event_by(USER))

    assert (found["aws:username"], found["aws:PrincipalType"]) == ("bob", "User")
    assert not found.keys() & {"aws:MultiFactorAuthPresent", "aws:TokenIssueTime", "aws:SecureTransport"}
    assert "aws:PrincipalOrgID" not in context(event_by(USER), {"222222222222": "o-exampleorgid"})


def test_service_is_told_from_a_call_through_a_service() -> None:
    service = context(event_by({"type": "AWSService", "invokedBy": "config.amazonaws.com"}))
    through = context(event_by(USER | {"invokedBy": "cloudformation.amazonaws.com"}))

    assert (service["aws:PrincipalIsAWSService"], service["aws:PrincipalServiceName"]) == (
        "true",
        "config.amazonaws.com",
    )
    assert (service["aws:ViaAWSService"], through["aws:ViaAWSService"]) == ("false", "true")
    assert "aws:PrincipalServiceName" not in through


def test_only_keys_that_are_asked_for_and_known_are_there_and_the_rest_stays() -> None:
    event = event_by(USER, requestParameters={"a": 1})

    enriched = with_request_context(event, ["aws:username", "aws:SourceIdentity"], {})

    assert enriched == event | {
        "eventVersion": "1.11",
        "eventContext": {"requestContext": {"aws:username": "bob"}},
    }
    assert with_request_context(event, ["aws:SourceIdentity"], {}) is event


@pytest.mark.parametrize(
    "identity", [None, "text", {"type": 7, "sessionContext": []}, {"sessionContext": {"attributes": 1}}]
)
def test_event_of_odd_form_breaks_nothing(identity: Any) -> None:
    event = {"eventVersion": "odd", "eventTime": "yesterday", "userIdentity": identity}

    assert context(event).keys() == {"aws:CurrentTime", "aws:PrincipalIsAWSService", "aws:ViaAWSService"}


def test_newer_version_of_an_event_stays() -> None:
    assert with_request_context(event_by(USER, eventVersion="1.12"), ALL, {})["eventVersion"] == "1.12"


def test_keys_are_told_or_refused() -> None:
    assert not REQUEST_CONTEXT_KEYS & UNKNOWN_CONTEXT_KEYS
    assert len(REQUEST_CONTEXT_KEYS | UNKNOWN_CONTEXT_KEYS) == 22
