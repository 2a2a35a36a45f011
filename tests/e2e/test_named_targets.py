"""Targets of the settings: a webhook, a command, a chat service and mailboxes, set off by rules, topics and alarms."""

import json
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opentrail.outgoing.signature import signature
from tests.e2e.conftest import MakeServer
from tests.support.mail_server import MailServer, mail_server
from tests.support.moto_server import moto_server
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until
from tests.support.web_endpoint import WebEndpoint, web_endpoint

pytestmark = pytest.mark.e2e

REGION, ACCOUNT = "us-east-1", "123456789012"
SECRET = "a secret of thirty-two characters"
CREATED = json.dumps({"source": ["aws.s3"], "detail": {"eventName": ["CreateBucket"]}})


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def endpoint() -> Iterator[WebEndpoint]:
    with web_endpoint() as running:
        yield running


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def named(name: str) -> str:
    return f"arn:aws:opentrail:{REGION}:{ACCOUNT}:target/{name}"


def a_script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return json.dumps([str(path), str(path.parent)])


def settings(folder: Path, endpoint: WebEndpoint, mails: MailServer) -> dict[str, str]:
    return {
        "OPENTRAIL_TARGET_PAGER_URL": endpoint.url,
        "OPENTRAIL_TARGET_PAGER_SECRET": SECRET,
        "OPENTRAIL_TARGET_REACT_COMMAND": a_script(
            folder / "react",
            'cat > "$1/$OPENTRAIL_INVOCATION_ID.new"',
            'mv "$1/$OPENTRAIL_INVOCATION_ID.new" "$1/told"',
        ),
        "OPENTRAIL_TARGET_OPS_ROOM_CHAT": endpoint.url.replace("http://", "json://").replace("/hook", "/chat"),
        "OPENTRAIL_TARGET_PEOPLE_EMAIL": "ann@example.com",
        "OPENTRAIL_MAIL_SERVER": mails.address,
        "OPENTRAIL_MAIL_SENDER": "trail@example.com",
        "OPENTRAIL_MAIL_TLS": "none",
    }


def posted(endpoint: WebEndpoint) -> list[tuple[dict[str, str], Any]]:
    return [(headers, json.loads(body)) for headers, body in endpoint.received if "webhook-id" in headers]


def chatted(endpoint: WebEndpoint) -> list[dict[str, Any]]:
    return [json.loads(body) for headers, body in endpoint.received if "webhook-id" not in headers]


def test_a_call_sets_off_every_kind_of_named_target(
    make_server: MakeServer, upstream: str, endpoint: WebEndpoint, mails: MailServer, tmp_path: Path
) -> None:
    server = make_server(upstream=upstream, settings=settings(tmp_path, endpoint, mails)).start()
    events, s3 = client(server, "events"), client(server, "s3")
    events.put_rule(Name="buckets", EventPattern=CREATED)
    ids = ("pager", "react", "ops-room", "people")
    targets = [{"Id": name, "Arn": named(name), "InputPath": "$"} for name in ids]
    assert events.put_targets(Rule="buckets", Targets=targets)["FailedEntryCount"] == 0

    s3.create_bucket(Bucket="watched")
    wait_until(lambda: (tmp_path / "told").exists(), "the command to run")
    wait_until(lambda: bool(posted(endpoint) and chatted(endpoint) and mails.received), "the others")

    event = json.loads((tmp_path / "told").read_text())
    assert event["detail"]["requestParameters"]["bucketName"] == "watched"
    [(headers, body)] = posted(endpoint)
    assert body == event
    raw = next(text for each, text in endpoint.received if "webhook-id" in each).encode()
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(SECRET.encode(), headers["webhook-id"], stamp, raw)
    title = f"CreateBucket by arn:aws:iam::{ACCOUNT}:root"
    assert [each["title"] for each in chatted(endpoint)] == [title]
    assert [(each["To"], each["Subject"]) for each in mails.received] == [("ann@example.com", title)]
    listed = json.loads(server.opentrail("targets", "list", "--json").stdout)["targets"]
    assert {each["name"]: (each["kind"], each["delivered"], each["failing_since"]) for each in listed} == {
        "ops-room": ("chat", 1, ""),
        "pager": ("webhook", 1, ""),
        "people": ("e-mail", 1, ""),
        "react": ("command", 1, ""),
    }
    tried = server.opentrail("targets", "test", "react")
    assert (tried.returncode, tried.stdout) == (0, "react took it\n"), tried.stderr
    assert json.loads((tmp_path / "told").read_text())["detail-type"] == "Opentrail Target Test"
    with pytest.raises(events.exceptions.ClientError, match="name no such target"):
        events.put_targets(Rule="buckets", Targets=[{"Id": "x", "Arn": named("else")}])


def test_topics_and_alarms_tell_named_targets(
    make_server: MakeServer, upstream: str, endpoint: WebEndpoint, mails: MailServer, tmp_path: Path
) -> None:
    server = make_server(upstream=upstream, settings=settings(tmp_path, endpoint, mails)).start()
    sns, cloudwatch = client(server, "sns"), client(server, "cloudwatch")
    topic = sns.create_topic(Name="told")["TopicArn"]
    told = sns.subscribe(TopicArn=topic, Protocol="application", Endpoint=named("ops-room"))["SubscriptionArn"]
    assert told.startswith(topic + ":")
    cloudwatch.put_metric_alarm(
        AlarmName="root",
        Namespace="Audit",
        MetricName="Root",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[named("people"), named("react"), topic],
    )

    sns.publish(TopicArn=topic, Message="hello", Subject="Alarm")
    cloudwatch.set_alarm_state(AlarmName="root", StateValue="ALARM", StateReason="tried")

    wait_until(lambda: len(chatted(endpoint)) == 2 and bool(mails.received), "chat and mail")
    wait_until(lambda: (tmp_path / "told").exists(), "the command to run")
    by_title = {each["title"]: each["message"] for each in chatted(endpoint)}
    assert by_title["Alarm"] == "hello"
    assert mails.received[0]["Subject"] == 'ALARM: "root" in US East (N. Virginia)'
    assert by_title['ALARM: "root" in US East (N. Virginia)'].startswith("tried\n")
    assert json.loads((tmp_path / "told").read_text())["NewStateValue"] == "ALARM"


def test_kills_and_failures_lose_nothing_and_a_command_that_hangs_keeps_none_waiting(
    make_server: MakeServer, upstream: str, endpoint: WebEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "done").mkdir()
    lines = ("[ -e $1/open ] || exit 75", "number=$(cat)", "cp /dev/null $1/done/$number-$OPENTRAIL_INVOCATION_ID")
    chosen = {
        "OPENTRAIL_TARGET_PAGER_URL": endpoint.url,
        "OPENTRAIL_TARGET_PAGER_SECRET": SECRET,
        "OPENTRAIL_TARGET_LATE_COMMAND": a_script(tmp_path / "late", *lines),
        "OPENTRAIL_TARGET_HUNG_COMMAND": a_script(tmp_path / "hung", "sleep 60"),
    }
    server = make_server(upstream=upstream, settings=chosen).start()
    sqs = client(server, "sqs", upstream)
    letters = sqs.create_queue(QueueName="named-letters")["QueueUrl"]
    letters_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:named-letters"
    events = client(server, "events")
    events.put_rule(Name="app", EventPattern='{"source":["shop"]}')
    number = {"InputPath": "$.detail.number"}
    once = {"RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": letters_arn}}
    events.put_targets(
        Rule="app",
        Targets=[
            {"Id": "late", "Arn": named("late"), **number},
            {"Id": "hung", "Arn": named("hung"), **number},
            {"Id": "pager", "Arn": named("pager"), **number},
        ],
    )
    put(events, range(5))
    server.kill()
    server.start()
    events = client(server, "events")
    put(events, range(5, 10))

    wait_until(lambda: {body for _, body in posted(endpoint)} == set(range(10)), "the webhook to be told all")
    failing = f'opentrail_target_failing{{target="{named("late")}"}} 1.0'
    wait_until(lambda: failing in metrics_of(server), "the command to be told as failing")
    (tmp_path / "open").touch()
    wait_until(lambda: runs(tmp_path) == set(map(str, range(10))), "the command to run for all", 60)

    events.remove_targets(Rule="app", Ids=["hung", "pager", "late"])
    (tmp_path / "open").unlink()
    events.put_targets(Rule="app", Targets=[{"Id": "late", "Arn": named("late"), **once}])
    put(events, [99])
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        answer = sqs.receive_message(QueueUrl=letters, MessageAttributeNames=["All"])
        found.extend(answer.get("Messages", ()))
        return bool(found)

    wait_until(is_there, "the letter")
    assert json.loads(found[0]["Body"])["detail"] == {"number": 99}
    said = {name: value["StringValue"] for name, value in found[0]["MessageAttributes"].items()}
    assert (said["ERROR_MESSAGE"], said["TARGET_ARN"]) == ("the command late ended with exit status 75", named("late"))


def put(events: Any, numbers: Iterable[int]) -> None:
    entries = [{"Source": "shop", "DetailType": "order", "Detail": json.dumps({"number": one})} for one in numbers]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0


def metrics_of(server: RunningServer) -> str:
    with urllib.request.urlopen(f"{server.ready['api_url']}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def runs(folder: Path) -> set[str]:
    return {file.name.partition("-")[0] for file in (folder / "done").iterdir()}
