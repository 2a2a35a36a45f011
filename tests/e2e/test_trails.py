"""Trails of a running server: several Regions, a topic, a key, left-out events; changed as Terraform changes them."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.builders import TRAILS_KEY_POLICY
from tests.e2e.conftest import MakeServer
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

HOME_REGION, ELSEWHERE = "us-east-1", "ap-southeast-2"
BUCKET = "trails-of-all-regions"
ARN = f"arn:aws:cloudtrail:{HOME_REGION}:123456789012:trail/audit"

Client = Any


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


def topic_of(upstream: str, name: str) -> str:
    """Make a topic at the upstream, past the gateway."""
    sns = boto3.client("sns", HOME_REGION, endpoint_url=upstream, aws_access_key_id="x", aws_secret_access_key="x")
    return str(sns.create_topic(Name=name)["TopicArn"])


def client(server: RunningServer, service: str, region: str = HOME_REGION) -> Client:
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name=region,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def delivered(s3: Client, region: str) -> list[dict[str, Any]]:
    """Return the events in all log files of a Region."""
    prefix = f"AWSLogs/123456789012/CloudTrail/{region}/"
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    bodies = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return [event for body in bodies for event in json.loads(gzip.decompress(body))["Records"]]


def names(events: list[dict[str, Any]]) -> set[str]:
    return {event["eventName"] for event in events}


def test_trail_follows_into_a_region_that_appears_later_and_tells_its_topic(
    make_server: MakeServer, upstream: str
) -> None:
    server = make_server(upstream=upstream, settings={"OPENTRAIL_UPSTREAM_SNS": "upstream"}).start()
    trails, s3 = client(server, "cloudtrail"), client(server, "s3")
    s3.create_bucket(Bucket=BUCKET)
    topic = client(server, "sns").create_topic(Name="deliveries")["TopicArn"]
    quiet = {"Field": "eventSource", "NotEquals": ["s3.amazonaws.com", "cloudtrail.amazonaws.com"]}
    management = {"Field": "eventCategory", "Equals": ["Management"]}

    trails.create_trail(Name="audit", S3BucketName=BUCKET, IsMultiRegionTrail=True, SnsTopicName="deliveries")
    trails.put_event_selectors(TrailName="audit", AdvancedEventSelectors=[{"FieldSelectors": [management, quiet]}])
    trails.start_logging(Name="audit")
    client(server, "ec2", ELSEWHERE).create_key_pair(KeyName="there")
    client(server, "iam", ELSEWHERE).create_user(UserName="everywhere")
    s3.create_bucket(Bucket="not-to-be-seen")

    wait_until(lambda: "CreateKeyPair" in names(delivered(s3, ELSEWHERE)), "the other Region's log file")
    wait_until(lambda: "CreateUser" in names(delivered(s3, HOME_REGION)), "the global service event's log file")
    shadow = client(server, "cloudtrail", ELSEWHERE)
    wait_until(lambda: "LatestNotificationTime" in shadow.get_trail_status(Name=ARN), "the topic to be told")
    status = shadow.get_trail_status(Name=ARN)
    assert {event["awsRegion"] for event in delivered(s3, ELSEWHERE)} == {ELSEWHERE}
    assert not names(delivered(s3, HOME_REGION)) & {"CreateBucket", "StartLogging"}
    assert shadow.describe_trails()["trailList"][0]["SnsTopicARN"] == topic
    assert (status["IsLogging"], "LatestDeliveryError" in status) == (True, False)


def test_topic_and_key_that_are_not_there_are_refused_and_those_that_are_come_and_go(
    make_server: MakeServer, upstream: str
) -> None:
    server = make_server(upstream=upstream).start()
    assert server.opentrail("archive", "create", "sealed").returncode == 0
    trails, kms = client(server, "cloudtrail"), client(server, "kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/trails", TargetKeyId=key["KeyId"])
    kms.put_key_policy(KeyId=key["KeyId"], Policy=TRAILS_KEY_POLICY, BypassPolicyLockoutSafetyCheck=True)

    for members, error in (
        ({"SnsTopicName": "nowhere"}, trails.exceptions.InsufficientSnsTopicPolicyException),
        ({"KmsKeyId": "alias/nowhere"}, trails.exceptions.KmsKeyNotFoundException),
    ):
        with pytest.raises(error):
            trails.create_trail(Name="audit", S3BucketName="sealed", **members)
    topic_of(upstream, "deliveries")
    created = trails.create_trail(
        Name="audit", S3BucketName="sealed", SnsTopicName="deliveries", KmsKeyId="alias/trails"
    )
    trails.start_logging(Name="audit")
    wait_until(lambda: "LatestDeliveryTime" in trails.get_trail_status(Name="audit"), "an encrypted log file")
    sealed = _first_log_file(server).read_bytes()
    trails.update_trail(Name=ARN, SnsTopicName="", KmsKeyId="")
    server.stop()
    server.start()
    after = client(server, "cloudtrail").get_trail(Name="audit")["Trail"]

    assert created["KmsKeyId"] == key["Arn"]
    assert not sealed.startswith(b"\x1f\x8b")
    assert {"SnsTopicARN", "KmsKeyId"}.isdisjoint(after)


def _first_log_file(server: RunningServer) -> Path:
    return min((server.home / "archives" / "sealed").rglob("*_CloudTrail_*.json.gz"))
