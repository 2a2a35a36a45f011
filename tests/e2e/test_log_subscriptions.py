"""Subscription filters on running servers: log events at a webhook, and at another Opentrail that was out of reach."""

import base64
import gzip
import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until
from tests.support.web_endpoint import web_endpoint

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REGION, ACCOUNT = "us-east-1", "123456789012"
SECRET = "a secret of thirty-two characters"


def subscribe(logs: Any, name: str, target: str) -> None:
    logs.put_subscription_filter(
        logGroupName="app",
        filterName=name,
        filterPattern='{ $.level = "error" }',
        destinationArn=f"arn:aws:opentrail:{REGION}:{ACCOUNT}:target/{target}",
    )


def put(logs: Any, moment: int, *messages: str) -> None:
    events = [{"timestamp": moment, "message": message} for message in messages]
    logs.put_log_events(logGroupName="app", logStreamName="one", logEvents=events)


def messages_at(server: RunningServer) -> list[tuple[str, str, int]]:
    logs = client(server, "logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    events = logs.filter_log_events(logGroupName="app")["events"] if "app" in groups else []
    return [(one["logStreamName"], one["message"], one["timestamp"]) for one in events]


def test_another_installation_and_a_webhook_get_what_a_filter_picks(make_server: MakeServer) -> None:
    with web_endpoint() as hook:
        central = make_server("central", upstream="").start()
        address = central.ready["gateway_url"].removeprefix("http://")
        key = central.owner_key()
        settings = {
            "OPENTRAIL_TARGET_CENTRAL_OPENTRAIL": "http://127.0.0.1:1",
            "OPENTRAIL_TARGET_CENTRAL_ACCESS_KEY_ID": key["access_key_id"],
            "OPENTRAIL_TARGET_CENTRAL_SECRET_ACCESS_KEY": key["secret_access_key"],
            "OPENTRAIL_TARGET_HOOK_URL": hook.url,
            "OPENTRAIL_TARGET_HOOK_SECRET": SECRET,
        }
        branch = make_server("branch", upstream="", settings=settings).start()
        logs = client(branch, "logs")
        logs.create_log_group(logGroupName="app")
        logs.create_log_stream(logGroupName="app", logStreamName="one")
        for name in ("central", "hook"):
            subscribe(logs, name, name)
        moment = int(time.time() * 1000)

        put(logs, moment, '{"level": "error", "n": 1}', '{"level": "info"}')
        wait_until(lambda: len(hook.received) == 1, "the event at the webhook")
        wait_until(lambda: "a target does not answer" in branch.log.read_text(), "the other installation to be missed")
        branch.kill()
        settings["OPENTRAIL_TARGET_CENTRAL_OPENTRAIL"] = f"http://{address}"
        make_server("branch", upstream="", settings=settings).start()
        wait_until(lambda: len(messages_at(central)) == 1, "the event at the other installation")

        data = json.loads(gzip.decompress(base64.b64decode(json.loads(hook.received[0][1])["awslogs"]["data"])))
        assert (data["logGroup"], data["logStream"], data["subscriptionFilters"]) == ("app", "one", ["hook"])
        assert [event["message"] for event in data["logEvents"]] == ['{"level": "error", "n": 1}']
        assert messages_at(central) == [("one", '{"level": "error", "n": 1}', moment)]
