"""AWS CLI v1: everyday sessions of a user, unmodified."""

import hashlib
import os
import urllib.request
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.clients.stage import (
    ACCOUNT,
    Stage,
    assert_recorded,
    identities,
    parameters_of,
    user_identity,
)
from tests.support.clients import require_aws_cli

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "cli-user"
MIB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def _user(stage: Stage) -> None:
    stage.make_user(USER, "AWSCloudTrail_FullAccess")


def aws(stage: Stage, *arguments: str, stdin: bytes | None = None) -> bytes:
    return stage.run([require_aws_cli(), *arguments], USER, stdin=stdin)


def answer(stage: Stage, *arguments: str) -> Any:
    printed = aws(stage, *arguments, "--output", "json")
    return orjson.loads(printed) if printed.strip() else None


def test_objects_go_up_and_down_whole_and_every_call_is_on_record(stage: Stage, tmp_path: Path) -> None:
    large = os.urandom(20 * MIB + 17)
    (tmp_path / "large").write_bytes(large)
    (tmp_path / "folder").mkdir()
    for name in ("one", "two words", "drei-ü"):
        (tmp_path / "folder" / name).write_bytes(name.encode() * 1000)
    mark = stage.mark()

    aws(stage, "s3", "mb", "s3://cli-objects")
    aws(stage, "s3", "cp", str(tmp_path / "large"), "s3://cli-objects/a b/large", "--quiet")
    aws(stage, "s3", "cp", "-", "s3://cli-objects/piped", stdin=b"from a pipe")
    aws(stage, "s3", "cp", "s3://cli-objects/a b/large", str(tmp_path / "back"), "--quiet")
    piped = aws(stage, "s3", "cp", "s3://cli-objects/piped", "-")
    aws(stage, "s3", "sync", str(tmp_path / "folder"), "s3://cli-objects/folder", "--quiet")
    aws(stage, "s3", "sync", "s3://cli-objects/folder", str(tmp_path / "copy"), "--quiet")
    listed = aws(stage, "s3", "ls", "--recursive", "s3://cli-objects").decode()
    aws(stage, "s3", "rm", "s3://cli-objects/piped", "--quiet")
    events = mark.events()

    stored = stage.upstream("s3").get_object(Bucket="cli-objects", Key="a b/large")["Body"].read()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(large).digest()
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(large).digest()
    assert piped == b"from a pipe"
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()
    }
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == [
        *("a b/large", "folder/drei-ü", "folder/one", "folder/two words", "piped")
    ]
    assert mark.assert_unchanged() == len(events)
    assert_recorded(mark, events, USER)
    parts = parameters_of(events, "UploadPart")
    assert sorted(part["partNumber"] for part in parts) == ["1", "2", "3"]
    assert {part["key"] for part in parts} == {"a b/large"}
    assert {put["key"] for put in parameters_of(events, "PutObject")} == {
        *("piped", "folder/drei-ü", "folder/one", "folder/two words")
    }
    assert parameters_of(events, "DeleteObject")[0]["key"] == "piped"
    assert len(parameters_of(events, "CompleteMultipartUpload")) == 1


def test_a_body_is_asked_for_before_it_is_sent(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(b"expected")
    aws(stage, "s3", "mb", "s3://cli-expect")

    aws(stage, "s3", "cp", str(tmp_path / "object"), "s3://cli-expect/object", "--quiet")

    connection = stage.before.connections[-1]
    [request] = connection.requests()
    assert request.header("expect") == "100-continue"
    assert [response.status for response in connection.responses()] == [100, 200]


def test_conditions_ranges_and_heads_keep_their_answers(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(bytes(range(256)) * 16)
    aws(stage, "s3", "mb", "s3://cli-answers")
    aws(stage, "s3", "cp", str(tmp_path / "object"), "s3://cli-answers/object", "--quiet")
    key = ("--bucket", "cli-answers", "--key", "object")
    mark = stage.mark()

    head = answer(stage, "s3api", "head-object", *key)
    part = answer(stage, "s3api", "get-object", *key, "--range", "bytes=256-511", str(tmp_path / "part"))
    with pytest.raises(AssertionError, match=r"\(304\)"):
        aws(stage, "s3api", "get-object", *key, "--if-none-match", head["ETag"], str(tmp_path / "none"))
    with pytest.raises(AssertionError, match=r"\(404\)"):
        aws(stage, "s3api", "head-object", "--bucket", "cli-answers", "--key", "missing")
    with pytest.raises(AssertionError, match="InvalidRange"):
        aws(stage, "s3api", "get-object", *key, "--range", "bytes=9000-9001", str(tmp_path / "none"))
    events = mark.events()

    assert head["ContentLength"] == 4096
    assert (part["ContentRange"], (tmp_path / "part").read_bytes()) == ("bytes 256-511/4096", bytes(range(256)))
    assert sorted(response.status for _, response in mark.sent()) == [200, 206, 304, 404, 416]
    assert mark.assert_unchanged() == 5
    assert_recorded(mark, events, USER)
    codes = [event.get("errorCode") for event in events]
    assert codes == [None, None, "NotModified", "NoSuchKey", "InvalidRange"]


def test_a_presigned_url_of_the_command_line_opens_its_object(stage: Stage) -> None:
    aws(stage, "s3", "mb", "s3://cli-presigned")
    aws(stage, "s3", "cp", "-", "s3://cli-presigned/note", stdin=b"signed beforehand")
    mark = stage.mark()

    url = aws(stage, "s3", "presign", "s3://cli-presigned/note").decode().strip()
    with urllib.request.urlopen(url) as opened:
        data = opened.read()
    [event] = mark.events()

    assert data == b"signed beforehand"
    assert (event["eventName"], event["requestParameters"]["key"]) == ("GetObject", "note")
    assert identities([event]) == {user_identity(USER)}
    assert mark.assert_unchanged() == 1


SESSION: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("iam create-user --user-name ann", "CreateUser", {"userName": "ann"}),
    ("iam list-users", "ListUsers", None),
    (
        "ec2 run-instances --image-id ami-12345678 --instance-type t3.micro --count 1",
        "RunInstances",
        {"instanceType": "t3.micro"},
    ),
    ("ec2 describe-instances", "DescribeInstances", {}),
    (
        "dynamodb create-table --table-name pets --billing-mode PAY_PER_REQUEST --attribute-definitions "
        "AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH",
        "CreateTable",
        {"tableName": "pets", "billingMode": "PAY_PER_REQUEST"},
    ),
    ('dynamodb put-item --table-name pets --item {"id":{"S":"1"}}', "PutItem", {"tableName": "pets"}),
    ("ssm put-parameter --name /a/b --type String --value v", "PutParameter", {"name": "/a/b", "type": "String"}),
    ("secretsmanager create-secret --name s --secret-string hush-hush", "CreateSecret", {"name": "s"}),
    ("kms create-key --description mine", "CreateKey", {"description": "mine"}),
    ("logs create-log-group --log-group-name /app", "CreateLogGroup", {"logGroupName": "/app"}),
    ("route53 create-hosted-zone --name a.example --caller-reference 1", "CreateHostedZone", {"name": "a.example"}),
    ("sqs create-queue --queue-name jobs --endpoint-url ENDPOINT", "CreateQueue", {"queueName": "jobs"}),
    ("rds describe-db-instances --endpoint-url ENDPOINT", "DescribeDBInstances", None),
    ("cloudformation list-stacks", "ListStacks", None),
    ("lambda list-functions", "ListFunctions20150331", None),
    ("cloudtrail describe-trails", "DescribeTrails", None),
    ("sts get-caller-identity", "GetCallerIdentity", None),
)
"""Command, the event it leaves, and what that event's parameters have among others (None: nothing is claimed)."""


def test_a_session_over_every_protocol_is_on_record_with_its_parameters(stage: Stage) -> None:
    mark = stage.mark()

    for command, _, _ in SESSION:
        aws(stage, *command.replace("ENDPOINT", stage.before.url).split())
    events = mark.events()

    assert [event["eventName"] for event in events] == [name for _, name, _ in SESSION]
    for event, (command, _, expected) in zip(events, SESSION, strict=True):
        requested = event["requestParameters"] or {}
        assert {name: requested.get(name) for name in expected or {}} == (expected or {}), command
        assert "errorCode" not in event, command
    assert "hush-hush" not in str(events)
    assert mark.assert_unchanged() == len(events) - 2
    assert_recorded(mark, events, USER)
    found = answer(
        stage,
        *("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=ResourceName,AttributeValue=pets"),
    )
    assert [(event["EventName"], event["Username"]) for event in found["Events"]] == [("CreateTable", USER)]
    assert f":{ACCOUNT}:user/{USER}" in found["Events"][0]["CloudTrailEvent"]
