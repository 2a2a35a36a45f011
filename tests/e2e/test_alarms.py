"""Alarms of a running server: from a call through the gateway to ALARM and its topic, back to OK, across a kill."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.conftest import MakeServer
from tests.support.clients import JS_CLIENT, require_library
from tests.support.moto_server import moto_server
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ACCOUNT, REGION = "123456789012", "us-east-1"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trails:*"
PLAY = Path(__file__).parent / "clients" / "programs" / "alarm.yml"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


def a_topic_with_a_queue(server: RunningServer, upstream: str) -> tuple[str, Any, str]:
    """Make a topic and a queue that hears of it on the upstream; return the topic's ARN and the queue."""
    sns, sqs = client(server, "sns", upstream), client(server, "sqs", upstream)
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return topic, sqs, queue


def told(sqs: Any, queue: str, found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return which (alarm, state) the queue was told of so far."""
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    for message in answer.get("Messages", ()):
        found.append(json.loads(message["Body"]))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [(each["AlarmName"], each["NewStateValue"]) for each in found if "AlarmName" in each]


def put_alarm(cloudwatch: Any, name: str, metric: str, topic: str) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Audit",
        MetricName=metric,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
        OKActions=[topic],
    )


def state(cloudwatch: Any, name: str) -> str:
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])


def test_a_call_makes_an_alarm_and_an_alarm_goes_back_across_a_kill(make_server: MakeServer, upstream: str) -> None:
    settings = {"OPENTRAIL_UPSTREAM_SNS": upstream}
    server = make_server(upstream=upstream, settings=settings).start()
    logs, trails, s3 = client(server, "logs"), client(server, "cloudtrail"), client(server, "s3")
    cloudwatch = client(server, "cloudwatch")
    topic, sqs, queue = a_topic_with_a_queue(server, upstream)
    s3.create_bucket(Bucket="audit")
    logs.create_log_group(logGroupName="trails")
    logs.create_log_stream(logGroupName="trails", logStreamName="app")
    transformation = {"metricNamespace": "Audit", "metricValue": "1"}
    for name, pattern, more in (
        ("Deletions", '{ $.eventName = "DeleteBucket" }', {}),
        ("Errors", '{ $.level = "error" }', {"defaultValue": 0.0}),
    ):
        logs.put_metric_filter(
            logGroupName="trails",
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[transformation | {"metricName": name} | more],
        )
        put_alarm(cloudwatch, name.lower(), name, topic)
    role = f"arn:aws:iam::{ACCOUNT}:role/delivery"
    trails.create_trail(
        Name="main", S3BucketName="audit", CloudWatchLogsLogGroupArn=GROUP_ARN, CloudWatchLogsRoleArn=role
    )
    trails.start_logging(Name="main")
    s3.create_bucket(Bucket="doomed")

    s3.delete_bucket(Bucket="doomed")

    found: list[dict[str, Any]] = []
    wait_until(lambda: ("deletions", "ALARM") in told(sqs, queue, found), "the topic to be told")
    assert state(cloudwatch, "deletions") == "ALARM"

    now = int(time.time()) // 60 * 60_000
    put_event(logs, now - 110_000, "error")
    wait_until(lambda: ("errors", "ALARM") in told(sqs, queue, found), "the topic to be told of the error")
    server.kill()
    server.start()
    logs, cloudwatch = client(server, "logs"), client(server, "cloudwatch")
    assert state(cloudwatch, "deletions") == "ALARM"
    put_event(logs, now - 50_000, "info")
    wait_until(lambda: ("errors", "OK") in told(sqs, queue, found), "the topic to be told that all is well")
    history = cloudwatch.describe_alarm_history(AlarmName="deletions", HistoryItemType="Action")
    assert [item["HistorySummary"] for item in history["AlarmHistoryItems"]] == [
        f"Successfully executed action {topic}"
    ]
    assert len(told(sqs, queue, found)) == len(set(told(sqs, queue, found)))


def put_event(logs: Any, timestamp: int, level: str) -> None:
    event = {"timestamp": timestamp, "message": json.dumps({"level": level})}
    logs.put_log_events(logGroupName="trails", logStreamName="app", logEvents=[event])


def test_a_play_makes_log_group_filter_and_alarm_changes_nothing_again_and_removes_them(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(upstream="").start()
    report = tmp_path / "report"

    done = server.opentrail(
        "exec",
        "--",
        *(require_library("ansible-playbook"), str(PLAY), "-i", "localhost,"),
        *("-e", f"ansible_python_interpreter={require_library('python')}", "-e", f"report={report}"),
        seconds=200,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert orjson.loads(report.read_bytes()) == {
        "group": [True, False, True, True],
        "filter": [True, False, True, True],
        "alarm": [True, False, True, False, True],
    }
    assert client(server, "cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client(server, "logs").describe_log_groups()["logGroups"] == []


def test_an_alarm_lives_and_dies_over_cbor(make_server: MakeServer) -> None:
    server = make_server(upstream="").start()

    done = server.opentrail("exec", "--", require_library("node"), str(JS_CLIENT / "alarm.mjs"))

    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {
        "alarm": ["OK", "by hand", 1.5, True],
        "history": ["StateUpdate", "ConfigurationUpdate"],
        "series": [[3], True, "Complete"],
        "refused": ["ResourceNotFound", 404],
        "left": 0,
        "forms": ["rpc-v2-cbor rpc-v2-cbor"],
    }
