"""What an event is looked up by."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opentrail.event import lookup_attributes as derive

CORPUS = Path(__file__).parents[3] / ".." / "shared" / "corpus" / "real"


def records() -> Iterator[dict[str, Any]]:
    if not CORPUS.exists():
        if os.environ.get("CI"):
            pytest.fail("the corpus must be beside the repository under CI")
        pytest.skip("the corpus is not beside the repository")
    for path in sorted(CORPUS.rglob("*.json")):
        try:
            content = json.loads(path.read_bytes())
        except ValueError:
            continue
        found = content.get("Records", [content.get("detail", content)]) if isinstance(content, dict) else content
        yield from (record for record in found if isinstance(record, dict) and "eventName" in record)


def by_identity(**identity: Any) -> str:
    return derive.username({"userIdentity": identity})


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ({"type": "Root", "accountId": "123456789012", "userName": "alias"}, "root"),
        ({"type": "IAMUser", "userName": "alice"}, "alice"),
        ({"type": "AssumedRole", "principalId": "AROA1:session:with colon"}, "session:with colon"),
        ({"type": "AssumedRole", "principalId": "AROA1"}, ""),
        ({"type": "FederatedUser", "principalId": "123456789012:fred"}, "fred"),
        ({"type": "SAMLUser", "userName": "sam"}, "sam"),
        ({"type": "WebIdentityUser", "userName": "wendy"}, "wendy"),
        ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u"}}, ""),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, ""),
        ({"type": "AWSAccount", "principalId": "AROA1:s", "accountId": "1"}, ""),
        ({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}, "HIDDEN_DUE_TO_SECURITY_REASONS"),
        ({"accountId": "123456789012", "invokedBy": "AWS Internal"}, ""),
        ({"type": "IAMUser", "userName": 5}, ""),
    ],
)
def test_username_follows_the_kind_of_identity(identity: dict[str, Any], name: str) -> None:
    assert by_identity(**identity) == name


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (None, ""), ("true", ""), (1, "")])
def test_read_only_is_text_and_only_for_booleans(value: Any, text: str) -> None:
    assert derive.read_only({"readOnly": value}) == text


def test_an_empty_access_key_is_no_attribute() -> None:
    event = {"eventID": "e", "userIdentity": {"type": "IAMUser", "accessKeyId": ""}}

    assert "AccessKeyId" not in dict(derive.lookup_attributes(event))


def test_resources_stated_by_the_event_come_first_and_each_once() -> None:
    event = {
        "eventSource": "s3.amazonaws.com",
        "resources": [
            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::pond", "accountId": "1"},
            {"ARN": "arn:aws:s3:::pond/frog"},
            {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::pond/"},
            {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::pond"},
        ],
        "requestParameters": {"bucketName": "pond", "Host": "pond.s3.amazonaws.com"},
    }

    assert derive.resources(event) == [
        ("AWS::S3::Bucket", "arn:aws:s3:::pond"),
        ("", "arn:aws:s3:::pond/frog"),
        ("AWS::S3::Object", "arn:aws:s3:::pond/"),
        ("AWS::S3::Bucket", "pond"),
    ]


def test_assume_role_names_key_session_and_role() -> None:
    event = {
        "eventSource": "sts.amazonaws.com",
        "requestParameters": {"roleArn": "arn:aws:iam::1:role/R", "roleSessionName": "s"},
        "responseElements": {
            "credentials": {"accessKeyId": "ASIA1", "sessionToken": "t"},
            "assumedRoleUser": {"assumedRoleId": "AROA1:s", "arn": "arn:aws:sts::1:assumed-role/R/s"},
        },
    }

    assert set(derive.resources(event)) == {
        ("AWS::IAM::Role", "arn:aws:iam::1:role/R"),
        ("AWS::IAM::AccessKey", "ASIA1"),
        ("AWS::STS::AssumedRole", "AROA1:s"),
        ("AWS::STS::AssumedRole", "arn:aws:sts::1:assumed-role/R/s"),
    }


def test_names_within_ec2_sets_are_found() -> None:
    instances = {"items": [{"instanceId": "i-1", "subnetId": "subnet-1"}, {"instanceId": "i-2"}]}
    event = {"eventSource": "ec2.amazonaws.com", "responseElements": {"instancesSet": instances}}

    assert derive.resources(event) == [
        ("AWS::EC2::Instance", "i-1"),
        ("AWS::EC2::Subnet", "subnet-1"),
        ("AWS::EC2::Instance", "i-2"),
    ]


def test_a_list_of_names_counts_one_by_one() -> None:
    event = {"eventSource": "lambda.amazonaws.com", "requestParameters": {"functionName": ["f", "g", 3, None]}}

    assert [name for _, name in derive.resources(event)] == ["f", "g"]


def test_resources_of_one_event_are_bounded() -> None:
    stated = [{"ARN": f"arn:{number}"} for number in range(derive.MAX_RESOURCES + 5)]

    assert len(derive.resources({"resources": stated})) == derive.MAX_RESOURCES


def test_deep_and_wide_requests_end_the_search() -> None:
    deep: dict[str, Any] = {"bucketName": "bottom"}
    for _ in range(50):
        deep = {"x": deep}
    wide: dict[str, Any] = {f"m{number}": "v" for number in range(10_000)} | {"bucketName": "last"}

    assert derive.resources({"eventSource": "s3.amazonaws.com", "requestParameters": deep}) == []
    assert derive.resources({"eventSource": "s3.amazonaws.com", "requestParameters": wide}) == []


@pytest.mark.parametrize("garbage", [None, 1, "text", [], [1, None], {"a": 1}, True])
def test_members_of_the_wrong_type_count_as_absent(garbage: Any) -> None:
    members = ("eventID", "eventName", "userIdentity", "readOnly", "resources", "requestParameters", "responseElements")
    event = dict.fromkeys(members, garbage) | {"eventSource": "s3.amazonaws.com"}

    assert all(isinstance(value, str) for _, value in derive.lookup_attributes(event))
    assert derive.lookup_attributes({"eventSource": garbage}) in ([], [("EventSource", "text")])


def test_every_real_record_has_attributes_that_agree_with_it() -> None:
    count = named = 0
    for record in records():
        attributes = derive.lookup_attributes(record)
        count += 1
        named += any(key == "ResourceName" for key, _ in attributes)
        assert ("EventName", record["eventName"]) in attributes
        assert len(attributes) == len(set(attributes))
        assert all(isinstance(value, str) and value for _, value in attributes)

    assert count > 2_900
    assert named > count / 3


def test_real_callers_are_known_by_their_names() -> None:
    names = {derive.username(record) for record in records()}

    assert {"bert-jan", "benjamin", "root"} <= names
