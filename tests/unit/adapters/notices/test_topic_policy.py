"""Which topic policies let CloudTrail publish."""

import json
from typing import Any

import pytest

from opentrail.adapters.notices.topic_policy import allows_publishing

TOPIC = "arn:aws:sns:us-east-1:123456789012:files"
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"


def policy(**changes: Any) -> str:
    statement = {
        "Sid": "AWSCloudTrailSNSPolicy20131101",
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "SNS:Publish",
        "Resource": TOPIC,
    } | changes
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def default_policy(account_id: str) -> str:
    """The policy that SNS gives a topic."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:GetTopicAttributes", "SNS:Subscribe", "SNS:Publish"],
        "Resource": TOPIC,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account_id}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


@pytest.mark.parametrize(
    "text",
    [
        policy(),
        policy(Condition={"StringEquals": {"aws:SourceArn": TRAIL}}),
        policy(Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}),
        policy(Action="sns:*", Resource="*", Principal="*"),
        default_policy("123456789012"),
    ],
)
def test_a_policy_that_names_cloudtrail_lets_it_publish(text: str) -> None:
    assert allows_publishing(text, TOPIC, TRAIL)


@pytest.mark.parametrize(
    "text",
    [
        policy(Effect="Deny"),
        policy(Principal={"Service": "s3.amazonaws.com"}),
        policy(Action="SNS:Subscribe"),
        policy(Resource=TOPIC + "-2"),
        policy(Condition={"StringEquals": {"aws:SourceArn": TRAIL + "-2"}}),
        default_policy("999999999999"),
        "no policy",
    ],
)
def test_any_other_policy_does_not(text: str) -> None:
    assert not allows_publishing(text, TOPIC, TRAIL)
