"""Log groups of a running server: a trail's events in one across a kill, a full batch through the gateway, the CLI."""

import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import wait_until

pytestmark = pytest.mark.e2e

ACCOUNT, REGION = "123456789012", "us-east-1"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trails:*"


def events_in(logs: Any) -> list[dict[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="trails")
    return [json.loads(event["message"]) for page in pages for event in page["events"]]


def buckets_made(logs: Any) -> list[str]:
    made = [event for event in events_in(logs) if event["eventName"] == "CreateBucket"]
    return [event["requestParameters"]["bucketName"] for event in made]


def test_a_trail_s_events_are_in_its_log_group_once_across_a_kill(make_server: MakeServer) -> None:
    server = make_server().start()
    logs, trails, s3 = client(server, "logs"), client(server, "cloudtrail"), client(server, "s3")
    s3.create_bucket(Bucket="audit")
    logs.create_log_group(logGroupName="trails")
    role = f"arn:aws:iam::{ACCOUNT}:role/delivery"
    trails.create_trail(
        Name="main", S3BucketName="audit", CloudWatchLogsLogGroupArn=GROUP_ARN, CloudWatchLogsRoleArn=role
    )
    trails.start_logging(Name="main")
    for number in range(10):
        s3.create_bucket(Bucket=f"before-{number}")
    wait_until(lambda: bool(buckets_made(logs)), "the first event in the group")

    server.kill()
    server.start()
    logs, trails, s3 = client(server, "logs"), client(server, "cloudtrail"), client(server, "s3")
    for number in range(10):
        s3.create_bucket(Bucket=f"after-{number}")
    expected = {f"{when}-{number}" for when in ("before", "after") for number in range(10)}
    wait_until(lambda: expected <= set(buckets_made(logs)), "every event in the group")

    told = events_in(logs)
    assert len({event["eventID"] for event in told}) == len(told)
    assert sorted(buckets_made(logs)) == sorted(expected)
    told_by = "LatestCloudWatchLogsDeliveryTime"
    wait_until(lambda: told_by in trails.get_trail_status(Name="main"), "the trail's status")


def test_a_full_batch_passes_the_gateway_and_is_found_in_the_terminal(make_server: MakeServer) -> None:
    server = make_server(upstream="").start()
    logs = client(server, "logs")
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    now = time.time_ns() // 1_000_000
    batch = [{"timestamp": now, "message": f'"{number:05d}"' + "x" * 71} for number in range(10_000)]

    logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=batch)

    [group] = logs.describe_log_groups()["logGroups"]
    assert group["storedBytes"] == 10_000 * (78 + 26)
    told = server.opentrail("logs", "filter", "app", '"09999"', "--json")
    assert json.loads(told.stdout)["message"] == batch[-1]["message"]
