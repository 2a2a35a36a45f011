"""What the owner of a VPC endpoint is told of the calls through it."""

from typing import Any

import pytest

from opentrail.event.received import problems_of
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.selectors import compile_advanced_event_selectors
from opentrail.record.network_events import DENIED_MESSAGE, Endpoint, network_activity_event
from tests.unit.record.calls import ACCOUNT, recorded

OWN, FOREIGN = Endpoint("vpce-1", ACCOUNT), Endpoint("vpce-1", "999988887777")


def told(endpoint: Endpoint, *, was_denied: bool, **call: Any) -> dict[str, Any]:
    event = recorded("kms", "ListKeys", {"Limit": 5}, **call)
    return network_activity_event(event, endpoint, event_id="e-2", shared_event_id="s-1", was_denied=was_denied)


@pytest.mark.parametrize("endpoint", [OWN, FOREIGN], ids=["own account", "another account"])
@pytest.mark.parametrize("was_denied", [False, True])
def test_it_is_a_network_activity_event(endpoint: Endpoint, was_denied: bool) -> None:
    event = told(endpoint, was_denied=was_denied)

    assert problems_of(event) == []
    assert not {"requestParameters", "responseElements", "userAgent", "readOnly", "managementEvent"} & set(event)
    assert (event["eventType"], event["eventCategory"]) == ("AwsVpceEvent", "NetworkActivity")
    assert event["recipientAccountId"] == event["vpcEndpointAccountId"] == endpoint.owner_account_id
    assert (event["eventID"], event["sharedEventID"], event["vpcEndpointId"]) == ("e-2", "s-1", "vpce-1")
    assert event["eventSource"] == "kms.amazonaws.com"


def test_of_a_denied_stranger_the_owner_learns_account_and_principal_alone() -> None:
    event = told(FOREIGN, was_denied=True)

    assert event["userIdentity"] == {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": ACCOUNT}
    assert (event["errorCode"], event["errorMessage"]) == ("VpceAccessDenied", DENIED_MESSAGE)
    assert told(OWN, was_denied=True)["userIdentity"]["type"] == "IAMUser"


def test_errors_of_the_service_are_not_the_endpoints() -> None:
    event = told(OWN, was_denied=False, code="AccessDeniedException", message="no")

    assert "errorCode" not in event
    assert "errorMessage" not in event


def test_selectors_for_network_activity_select_it() -> None:
    fields = [
        {"Field": "eventCategory", "Equals": ["NetworkActivity"]},
        {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]},
        {"Field": "errorCode", "Equals": ["VpceAccessDenied"]},
    ]
    selects = compile_predicate(compile_advanced_event_selectors([{"FieldSelectors": fields}]))

    assert selects(told(FOREIGN, was_denied=True))
    assert not selects(told(FOREIGN, was_denied=False))
    assert not selects(recorded("kms", "ListKeys"))
