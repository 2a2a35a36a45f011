"""Resource policies of CloudWatch Logs as boto3 sees them, and the groups of a query."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Connect = Callable[..., Any]

DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "rules",
                "Effect": "Allow",
                "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:/events/*:*",
            }
        ],
    }
)


@pytest.fixture
def logs(connect: Connect) -> Any:
    return connect("logs")


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


def test_a_policy_is_kept_as_it_is_changed_and_deleted(logs: Any, connect: Connect) -> None:
    put = logs.put_resource_policy(policyName="rules", policyDocument=DOCUMENT)["resourcePolicy"]
    logs.put_resource_policy(policyName="rules", policyDocument=f" {DOCUMENT}")
    [shown] = logs.describe_resource_policies()["resourcePolicies"]

    logs.delete_resource_policy(policyName="rules")

    assert (put["policyName"], put["policyDocument"], put["policyScope"]) == ("rules", DOCUMENT, "ACCOUNT")
    assert (shown["policyDocument"], shown["lastUpdatedTime"] >= put["lastUpdatedTime"]) == (f" {DOCUMENT}", True)
    assert logs.describe_resource_policies()["resourcePolicies"] == []
    assert connect("logs", region="eu-west-1").describe_resource_policies()["resourcePolicies"] == []


def test_policies_come_in_pages_and_an_account_has_ten(logs: Any) -> None:
    for number in range(10):
        logs.put_resource_policy(policyName=f"p{number}", policyDocument=DOCUMENT)

    pages = logs.get_paginator("describe_resource_policies").paginate(PaginationConfig={"PageSize": 4})

    assert [[one["policyName"][1:] for one in page["resourcePolicies"]] for page in pages] == [
        list("0123"),
        list("4567"),
        list("89"),
    ]
    assert code_of(lambda: logs.put_resource_policy(policyName="q", policyDocument=DOCUMENT)) == (
        "LimitExceededException"
    )
    assert logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"] == []


@pytest.mark.parametrize(
    "given",
    [
        {"policyName": "p", "policyDocument": "{}"},
        {"policyName": "p", "policyDocument": "{"},
        {"policyName": "p"},
        {"policyName": "p", "policyDocument": DOCUMENT + " " * 5_120},
        {"policyName": "p", "policyDocument": DOCUMENT, "resourceArn": "arn:aws:logs:us-east-1:1:log-group:g:*"},
    ],
)
def test_what_is_no_policy_is_refused(logs: Any, given: dict[str, str]) -> None:
    assert code_of(lambda: logs.put_resource_policy(**given)) == "InvalidParameterException"
    assert logs.describe_resource_policies()["resourcePolicies"] == []


def test_a_policy_that_is_not_there_cannot_be_deleted(logs: Any) -> None:
    assert code_of(lambda: logs.delete_resource_policy(policyName="p")) == "ResourceNotFoundException"
    assert code_of(lambda: logs.delete_resource_policy()) == "InvalidParameterException"


def test_the_groups_of_a_query_are_told(logs: Any) -> None:
    for name in ("/a", "/b"):
        logs.create_log_group(logGroupName=name)
    given = {"startTime": 1_763_683_200, "endTime": 1_763_686_800, "queryString": "fields a"}
    query = logs.start_query(logGroupNames=["/b", "/a"], **given)["queryId"]

    assert sorted(logs.list_log_groups_for_query(queryId=query)["logGroupIdentifiers"]) == ["/a", "/b"]
    assert code_of(lambda: logs.list_log_groups_for_query(queryId="none")) == "ResourceNotFoundException"
