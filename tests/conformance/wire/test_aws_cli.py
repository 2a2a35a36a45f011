"""The AWS CLI against the API, as users type it."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ACCOUNT, REGION, a_credential, a_key
from tests.support.api import ApiInThread
from tests.support.clients import require_aws_cli

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def aws(api: ApiInThread, tmp_path: Path) -> Run:
    """Run the AWS CLI with the owner's key against every service of the API server."""
    command = require_aws_cli()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": api.url,
        "AWS_ACCESS_KEY_ID": a_credential().access_key_id,
        "AWS_SECRET_ACCESS_KEY": a_credential().secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [command, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def output_of(result: "subprocess.CompletedProcess[str]") -> Any:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) if result.stdout.strip() else None


def test_a_trail_from_the_command_line(aws: Run) -> None:
    created = output_of(aws("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", "logs"))
    output_of(aws("cloudtrail", "start-logging", "--name", "main"))
    status = output_of(aws("cloudtrail", "get-trail-status", "--name", "main"))
    selectors = '[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]'
    put = output_of(
        aws(
            *("cloudtrail", "put-event-selectors", "--trail-name", "main"),
            *("--advanced-event-selectors", selectors),
        )
    )
    tags = "Key=team,Value=audit"
    output_of(aws("cloudtrail", "add-tags", "--resource-id", created["TrailARN"], "--tags-list", tags))
    listed = output_of(aws("cloudtrail", "list-tags", "--resource-id-list", created["TrailARN"]))
    missing = aws("cloudtrail", "get-trail", "--name", "missing")

    assert status["IsLogging"] is True
    assert put["AdvancedEventSelectors"][0]["FieldSelectors"][0]["Field"] == "eventCategory"
    assert listed["ResourceTagList"][0]["TagsList"] == [{"Key": "team", "Value": "audit"}]
    assert missing.returncode != 0
    assert "(TrailNotFoundException)" in missing.stderr
    assert f"Unknown trail: missing for the user: {ACCOUNT}" in missing.stderr


def test_trail_with_insights_and_every_setting_from_the_command_line(api: ApiInThread, aws: Run) -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:deliveries"
    api.world.topics.topic_arns.add(topic)
    api.do(api.world.add_key(a_key(), "alias/trails"))
    insights = '[{"InsightType":"ApiCallRateInsight"},{"InsightType":"ApiErrorRateInsight"}]'
    data = '[{"ReadWriteType":"All","DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]'
    aggregations = '[{"EventCategory":"Data","Templates":["API_ACTIVITY"]}]'
    trail = ("--name", "audit")
    trail_name = ("--trail-name", "audit")

    created = output_of(
        aws(
            *("cloudtrail", "create-trail", *trail, "--s3-bucket-name", "logs", "--is-multi-region-trail"),
            *("--enable-log-file-validation", "--sns-topic-name", "deliveries", "--kms-key-id", "alias/trails"),
            *("--tags-list", "Key=team,Value=audit"),
        )
    )
    output_of(aws("cloudtrail", "put-insight-selectors", *trail_name, "--insight-selectors", insights))
    output_of(aws("cloudtrail", "put-event-selectors", *trail_name, "--event-selectors", data))
    output_of(aws("cloudtrail", "put-event-configuration", *trail_name, "--aggregation-configurations", aggregations))
    shown = output_of(aws("cloudtrail", "get-insight-selectors", *trail_name))
    configured = output_of(aws("cloudtrail", "get-event-configuration", *trail_name))
    updated = output_of(aws("cloudtrail", "update-trail", *trail, "--sns-topic-name", "", "--kms-key-id", ""))
    described = output_of(aws("cloudtrail", "describe-trails", "--trail-name-list", "audit"))["trailList"]

    assert (created["SnsTopicARN"], created["KmsKeyId"]) == (topic, a_key().arn)
    assert [selector["InsightType"] for selector in shown["InsightSelectors"]] == [
        "ApiCallRateInsight",
        "ApiErrorRateInsight",
    ]
    assert configured["AggregationConfigurations"] == json.loads(aggregations)
    assert (updated["SnsTopicARN"], "KmsKeyId" in updated) == ("", False)
    assert (described[0]["HasInsightSelectors"], "SnsTopicARN" in described[0]) == (True, False)


def test_subscriptions_of_the_older_commands(aws: Run) -> None:
    bucket = ("--s3-use-bucket", "logs")

    created = aws("cloudtrail", "create-subscription", "--name", "main", *bucket)
    updated = aws("cloudtrail", "update-subscription", "--name", "main", *bucket, "--s3-prefix", "audit")
    status = output_of(aws("cloudtrail", "get-trail-status", "--name", "main"))
    trail = output_of(aws("cloudtrail", "get-trail", "--name", "main"))["Trail"]

    assert (created.returncode, updated.returncode) == (0, 0), created.stderr + updated.stderr
    assert "Logs will be delivered to logs" in created.stdout
    assert (status["IsLogging"], trail["S3KeyPrefix"]) == (True, "audit")


def test_who_am_i(aws: Run) -> None:
    assert output_of(aws("sts", "get-caller-identity"))["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_events_are_looked_up(aws: Run) -> None:
    output_of(aws("sts", "get-caller-identity"))

    found = output_of(
        aws(
            *("cloudtrail", "lookup-events", "--lookup-attributes"),
            "AttributeKey=EventName,AttributeValue=GetCallerIdentity",
        )
    )

    event = json.loads(found["Events"][0]["CloudTrailEvent"])
    assert (event["eventSource"], event["userAgent"].split("/")[0]) == ("sts.amazonaws.com", "aws-cli")


def test_archive_is_listed_and_copied(api: ApiInThread, aws: Run, tmp_path: Path) -> None:
    large = bytes(range(256)) * 40_000  # over the CLI's 8 MB threshold, so that it is fetched in ranges
    for key, body in (("AWSLogs/a.json.gz", b"small"), ("AWSLogs/b.json.gz", large)):
        api.do(api.world.bucket.put_if_absent(key, body, content_type="application/json"))

    top = aws("s3", "ls", "s3://logs")
    listing = aws("s3", "ls", "s3://logs/AWSLogs/", "--recursive")
    copy = aws("s3", "cp", "s3://logs/AWSLogs/", str(tmp_path / "copy"), "--recursive", "--quiet")
    write = aws("s3", "cp", str(tmp_path / "copy" / "a.json.gz"), "s3://logs/x")

    assert "PRE AWSLogs/" in top.stdout
    assert [line.split()[-1] for line in listing.stdout.splitlines()] == ["AWSLogs/a.json.gz", "AWSLogs/b.json.gz"]
    assert copy.returncode == 0, copy.stderr
    assert (tmp_path / "copy" / "a.json.gz").read_bytes() == b"small"
    assert (tmp_path / "copy" / "b.json.gz").read_bytes() == large
    assert "AccessDenied" in write.stderr


def test_a_log_group_from_the_command_line(aws: Run) -> None:
    now = time.time_ns() // 1_000_000
    output_of(aws("logs", "create-log-group", "--log-group-name", "/audit", "--tags", "team=audit"))
    output_of(aws("logs", "put-retention-policy", "--log-group-name", "/audit", "--retention-in-days", "30"))
    named = ("--log-group-name", "/audit", "--log-stream-name", "app")
    output_of(aws("logs", "create-log-stream", *named))
    events = json.dumps([{"timestamp": now + number, "message": f'{{"n": {number}}}'} for number in range(5)])
    put = output_of(aws("logs", "put-log-events", *named, "--log-events", events))
    pattern = ("--filter-pattern", "{ $.n >= 1 }", "--page-size", "2")
    found = output_of(aws("logs", "filter-log-events", "--log-group-name", "/audit", *pattern))
    [group] = output_of(aws("logs", "describe-log-groups"))["logGroups"]
    missing = aws("logs", "delete-log-stream", "--log-group-name", "/audit", "--log-stream-name", "missing")

    assert set(put) == {"nextSequenceToken"}
    assert [event["message"] for event in found["events"]] == [f'{{"n": {number}}}' for number in range(1, 5)]
    assert (group["retentionInDays"], group["storedBytes"]) == (30, 5 * (8 + 26))
    assert "(ResourceNotFoundException)" in missing.stderr
    assert "The specified log stream does not exist." in missing.stderr
