"""Bucket policies under which CloudTrail delivers, and those under which it must not try."""

import json
from typing import Any

import pytest

from opentrail.adapters.object_store.bucket_policy import allows_delivery

TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
MARKER = "p/AWSLogs/123456789012/CloudTrail/"


def a_policy(*extra: dict[str, Any], write: dict[str, Any] | None = None) -> str:
    """The policy that CloudTrail documents, with ``write`` replacing members of its second statement."""
    service = {"Service": "cloudtrail.amazonaws.com"}
    source = {"aws:SourceArn": TRAIL}
    acl_check = {
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:GetBucketAcl",
        "Resource": "arn:aws:s3:::logs",
        "Condition": {"StringEquals": source},
    }
    writing = {
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/p/AWSLogs/123456789012/*",
        "Condition": {"StringEquals": source | {"s3:x-amz-acl": "bucket-owner-full-control"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [acl_check, writing | (write or {}), *extra]})


def test_the_documented_policy_lets_cloudtrail_deliver() -> None:
    assert allows_delivery(a_policy(), "logs", MARKER, TRAIL)


@pytest.mark.parametrize(
    "write",
    [
        {"Resource": "arn:aws:s3:::logs/AWSLogs/123456789012/*"},
        {"Resource": "arn:aws:s3:::logs/p/AWSLogs/999999999999/*"},
        {"Principal": {"Service": "config.amazonaws.com"}},
        {"Action": "s3:GetObject"},
        {"Effect": "Deny"},
        {"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:123456789012:trail/other"}}},
        {"Condition": {"StringEquals": {"s3:x-amz-acl": "private"}}},
    ],
)
def test_a_policy_that_does_not_let_this_trail_write_is_refused(write: dict[str, Any]) -> None:
    assert not allows_delivery(a_policy(write=write), "logs", MARKER, TRAIL)


def test_an_organization_trail_needs_the_organization_s_folder() -> None:
    marker = "p/AWSLogs/o-exampleorgid/123456789012/CloudTrail/"
    organization = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/p/AWSLogs/o-exampleorgid/*",
        "Condition": {"StringEquals": {"aws:SourceArn": TRAIL, "s3:x-amz-acl": "bucket-owner-full-control"}},
    }

    assert not allows_delivery(a_policy(), "logs", marker, TRAIL)
    assert allows_delivery(a_policy(organization), "logs", marker, TRAIL)


def test_an_explicit_deny_wins() -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "arn:aws:s3:::logs/*"}

    assert not allows_delivery(a_policy(deny), "logs", MARKER, TRAIL)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Statement": 5}'])
def test_a_policy_that_cannot_be_read_allows_nothing(text: str) -> None:
    assert not allows_delivery(text, "logs", MARKER, TRAIL)


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}},
        {"Null": {"s3:x-amz-server-side-encryption": "true"}},
        {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}},
        {"StringNotEquals": {"aws:SourceAccount": "123456789012"}},
    ],
)
def test_denials_that_are_not_meant_for_cloudtrails_puts_do_not_refuse_them(condition: dict[str, Any]) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/*",
        "Condition": condition,
    }

    assert allows_delivery(a_policy(deny), "logs", MARKER, TRAIL)


KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


@pytest.mark.parametrize(("key", "is_allowed"), [(KEY, True), ("", False), (KEY + "2", False)])
def test_a_policy_that_demands_a_key_lets_a_trail_with_that_key_deliver(key: str, is_allowed: bool) -> None:
    denials = [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::logs/*",
            "Condition": {"StringNotEquals": {f"s3:x-amz-server-side-encryption{name}": value}},
        }
        for name, value in (("", "aws:kms"), ("-aws-kms-key-id", KEY))
    ]

    assert allows_delivery(a_policy(*denials), "logs", MARKER, TRAIL, key) is is_allowed
