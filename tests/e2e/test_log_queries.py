"""Logs Insights and subscription filters on a running server: by the API and in the terminal; to a queue."""

import base64
import gzip
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import OPENTRAIL, RunningServer, wait_until

pytestmark = pytest.mark.e2e

REGION = "us-east-1"


def put(logs: Any, messages: list[str]) -> None:
    now = int(time.time() * 1000)
    for first in range(0, len(messages), 2_000):
        told = [{"timestamp": now - 60_000, "message": message} for message in messages[first : first + 2_000]]
        logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=told)


def start(logs: Any, query: str) -> str:
    now = int(time.time())
    answer = logs.start_query(logGroupName="app", startTime=now - 3_600, endTime=now, queryString=query)
    return str(answer["queryId"])


def results(logs: Any, query_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_ended() -> bool:
        found.update(logs.get_query_results(queryId=query_id))
        return found["status"] not in ("Scheduled", "Running")

    wait_until(is_ended, "the query's end", 60)
    return found


def in_terminal(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*OPENTRAIL, "--home", str(home), "logs", "query", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def engines(server: RunningServer) -> list[str]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    commands = [Path(f"/proc/{child}/cmdline") for child in children]
    return [str(path) for path in commands if path.exists() and b"query_engine.worker" in path.read_bytes()]


def test_a_group_is_queried_by_the_api_and_in_the_terminal(make_server: MakeServer) -> None:
    server = make_server().start()
    logs = client(server, "logs")
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    put(logs, [json.dumps({"n": at, "user": {"name": f"u{at % 2}"}}) for at in range(10)] + ["plain"])

    counted = results(logs, start(logs, "filter n > 3 | stats count(*) as c, max(n) by user.name | sort user.name"))
    newest = results(logs, start(logs, "fields n | filter n = 9"))

    assert [{cell["field"]: cell["value"] for cell in row} for row in counted["results"]] == [
        {"user.name": "u0", "c": "3", "max(n)": "8"},
        {"user.name": "u1", "c": "3", "max(n)": "9"},
    ]
    assert counted["status"] == "Complete"
    took = counted["statistics"]
    assert (took["recordsScanned"], took["recordsMatched"]) == (11.0, 6.0)
    assert took["bytesScanned"] > 300
    [[n, pointer]] = newest["results"]
    assert n == {"field": "n", "value": "9"}
    assert logs.get_log_record(logRecordPointer=pointer["value"])["logRecord"]["user.name"] == "u1"

    query = ("stats sum(n) as total by user.name | sort total", "--group", "app")
    beside = in_terminal(server.home, *query, "--json")
    refused = in_terminal(server.home, "fields n | wher n", "--group", "app")
    logs.put_query_definition(name="totals", queryString=query[0], logGroupNames=["app"])
    server.stop()
    alone = in_terminal(server.home, "--saved", "totals", "--csv")
    assert [json.loads(line) for line in beside.stdout.splitlines()] == [
        {"user.name": "u0", "total": 20},
        {"user.name": "u1", "total": 25},
        {"user.name": None, "total": None},
    ]
    assert alone.stdout.splitlines() == ["user.name,total", "u0,20", "u1,25", ","]
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[:2] == ["1 | fields n | wher n", " " * 15 + "^"]
    assert "unexpected symbol found wher" in refused.stderr


def test_a_query_that_is_stopped_leaves_no_process(make_server: MakeServer) -> None:
    server = make_server().start()
    logs = client(server, "logs")
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    put(logs, ["x" * 400] * 6_000)
    slow = " | ".join(
        f"fields replace(replace(concat(@message, '{at}'), 'x', 'yx'), 'x', 'z') as v{at}" for at in range(50)
    )
    query_id = start(logs, f"{slow} | filter {' and '.join(f'v{at} like /(a|b|xz)+$/' for at in range(50))}")
    wait_until(lambda: bool(engines(server)), "the engine's process", 30)

    assert logs.stop_query(queryId=query_id)["success"]

    assert logs.get_query_results(queryId=query_id)["status"] == "Cancelled"
    assert engines(server) == []


def test_a_subscription_filter_sends_to_a_queue_what_calls_and_trails_put(make_server: MakeServer) -> None:
    server = make_server().start()
    logs, sqs, s3 = (client(server, name) for name in ("logs", "sqs", "s3"))
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    pattern = '{ $.level = "error" || $.eventName = "PutBucketTagging" }'
    logs.put_subscription_filter(logGroupName="app", filterName="f", filterPattern=pattern, destinationArn=arn)
    s3.create_bucket(Bucket="audit")
    trails = client(server, "cloudtrail")
    trails.create_trail(
        Name="main",
        S3BucketName="audit",
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:{REGION}:123456789012:log-group:app:*",
        CloudWatchLogsRoleArn="arn:aws:iam::123456789012:role/delivery",
    )
    trails.start_logging(Name="main")

    put(logs, ['{"level": "error"}', '{"level": "info"}'])
    s3.put_bucket_tagging(Bucket="audit", Tagging={"TagSet": []})

    found: dict[str, list[str]] = {}

    def are_there() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            data = json.loads(gzip.decompress(base64.b64decode(json.loads(message["Body"])["awslogs"]["data"])))
            found.setdefault(data["logStream"], []).extend(event["message"] for event in data["logEvents"])
        return len(found) == 2

    wait_until(are_there, "both streams' messages", 60)
    assert found["one"] == ['{"level": "error"}']
    assert json.loads(found[f"123456789012_CloudTrail_{REGION}"][0])["eventName"] == "PutBucketTagging"
