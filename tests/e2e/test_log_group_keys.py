"""A log group with a KMS key on a running server: nothing of its events lies in the home, and the key decides."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import OPENTRAIL, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REGION, ACCOUNT = "us-east-1", "123456789012"
CANARY = "canary-of-the-log-group"
RESULTS = f"arn:aws:logs:{REGION}:{ACCOUNT}:query-result:*"


def a_key(kms: Any) -> str:
    owner = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
    service = {**owner, "Principal": {"Service": f"logs.{REGION}.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, service]})
    return str(kms.create_key(Policy=policy)["KeyMetadata"]["Arn"])


def put(logs: Any, *messages: str) -> None:
    now = int(time.time() * 1000)
    told = [{"timestamp": now, "message": message} for message in messages]
    logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=told)


def messages(logs: Any) -> list[str]:
    return [event["message"] for event in logs.filter_log_events(logGroupName="app")["events"]]


def code_of(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return str(refused.value.response["Error"]["Code"])


def holders(home: Path, text: str) -> list[str]:
    files = [path for path in home.rglob("*") if path.is_file()]
    return [str(path.relative_to(home)) for path in files if text.encode() in path.read_bytes()]


def result(logs: Any, query: str) -> dict[str, Any]:
    now = int(time.time())
    query_id = logs.start_query(logGroupName="app", startTime=now - 600, endTime=now + 60, queryString=query)["queryId"]
    found: dict[str, Any] = {}

    def is_ended() -> bool:
        found.update(logs.get_query_results(queryId=query_id))
        return found["status"] not in ("Scheduled", "Running")

    wait_until(is_ended, "the query's end", 60)
    return found | {"id": query_id}


def test_nothing_of_a_group_with_a_key_lies_in_the_home_and_its_key_decides(make_server: MakeServer) -> None:
    server = make_server(upstream="").start()
    logs, kms = client(server, "logs"), client(server, "kms")
    key = a_key(kms)
    logs.create_log_group(logGroupName="app", kmsKeyId=key)
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    metric = [{"metricName": "M", "metricNamespace": "N", "metricValue": "1"}]
    logs.put_metric_filter(logGroupName="app", filterName="m", filterPattern="canary", metricTransformations=metric)
    logs.put_subscription_filter(
        logGroupName="app",
        filterName="s",
        filterPattern="",
        destinationArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere",
    )

    put(logs, f"{CANARY} 1", f"{CANARY} 2")
    found = result(logs, "fields @message | sort @message")
    words = [*OPENTRAIL, "--home", str(server.home), "logs", "query", "fields @message", "--group", "app", "--json"]
    in_terminal = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    assert messages(logs) == [f"{CANARY} 1", f"{CANARY} 2"]
    assert [row[0]["value"] for row in found["results"]] == [f"{CANARY} 1", f"{CANARY} 2"]
    assert in_terminal.stdout.count(CANARY) == 2, in_terminal.stderr
    monitoring = client(server, "cloudwatch")
    wait_until(lambda: monitoring.list_metrics(Namespace="N")["Metrics"], "the metric")
    assert holders(server.home, CANARY) == []

    kms.disable_key(KeyId=key)
    assert code_of(logs.filter_log_events, logGroupName="app") == "AccessDeniedException"
    assert code_of(logs.get_query_results, queryId=found["id"]) == "AccessDeniedException"
    assert result(logs, "fields @message")["status"] == "Failed"
    event = {"timestamp": int(time.time() * 1000), "message": "refused"}
    refused = {"logGroupName": "app", "logStreamName": "one", "logEvents": [event]}
    assert code_of(logs.put_log_events, **refused) == "AccessDeniedException"

    kms.enable_key(KeyId=key)
    logs.disassociate_kms_key(logGroupName="app")
    assert len(result(logs, "fields @message")["results"]) == 2
    assert holders(server.home, CANARY) == []
    logs.associate_kms_key(resourceIdentifier=RESULTS, kmsKeyId=a_key(kms))
    server.kill()
    server = make_server(upstream="").start()
    logs = client(server, "logs")
    put(logs, "in plain again")
    assert messages(logs) == [f"{CANARY} 1", f"{CANARY} 2", "in plain again"]
    assert result(logs, "fields @message | filter @message like /canary/")["statistics"]["recordsMatched"] == 2.0
    assert holders(server.home, CANARY) == []
    assert holders(server.home, "in plain again") != []
