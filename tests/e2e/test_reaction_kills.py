"""SIGKILLs of the whole process while calls run through it: whatever was recorded still sets off what it must.

A rule sends every CreateUser to a queue. A trail puts them into a log group, where the names of each of the server's
lives have a metric filter and an alarm of their own; the alarms tell a topic, and the topic another queue.
"""

import asyncio
import json
import os
import random
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_restart import an_upstream, call_until, history, recorded_names
from tests.support.moto_server import moto_server
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1700)]

KILLS = 200 if os.environ.get("OPENTRAIL_SIMULATE") == "full" else 10
CALLERS = 2
ANSWERS = (0, 1, 5, 30)
"""How many calls are answered before a kill: after none, what the last life left is still being made up for."""

LONGEST_WAIT = 0.3
"""Seconds from then until the kill, at most."""

ACCOUNT, REGION = "123456789012", "us-east-1"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trails:*"
CREATED = json.dumps({"source": ["aws.iam"], "detail": {"eventName": ["CreateUser"]}})
LIVES_WITH_ALARMS = 10
LIVES_BESIDE_A_DEAD_QUEUE = KILLS // 2
PERIOD = 300


@pytest.fixture(scope="module")
def queues() -> Iterator[str]:
    with moto_server() as url:
        yield url


class Drained:
    """A queue, and the different texts that were taken out of it so far."""

    def __init__(self, sqs: Any, name: str) -> None:
        self._sqs = sqs
        self._url = sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.found: list[dict[str, Any]] = []

    def drain(self) -> list[dict[str, Any]]:
        """Take out what is there; return all that was taken out."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            self.found += [json.loads(message["Body"]) for message in messages]
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return self.found

    def users(self) -> set[str]:
        return {each["detail"]["requestParameters"]["userName"] for each in self.drain()}

    def alarms(self) -> Counter[str]:
        """Return how often the queue was told of each alarm's ALARM."""
        return Counter(each["AlarmName"] for each in self.drain() if each.get("NewStateValue") == "ALARM")


def set_up(server: RunningServer, calls: Drained, alarms: Drained) -> None:
    """Set the rule, the trail with its log group, and filter, alarm and topic of each of the first lives."""
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    logs, trails = client(server, "logs"), client(server, "cloudtrail")
    sns, cloudwatch = client(server, "sns"), client(server, "cloudwatch")
    set_rule(server, calls)
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=alarms.arn, Attributes={"RawMessageDelivery": "true"})
    logs.create_log_group(logGroupName="trails")
    put_filter(logs, "all", '{ $.eventName = "CreateUser" }')
    for life in range(LIVES_WITH_ALARMS):
        put_filter(logs, f"life-{life}", f'{{ $.requestParameters.userName = "u{life}-*" }}')
        cloudwatch.put_metric_alarm(
            AlarmName=f"life-{life}",
            Namespace="Audit",
            MetricName=f"life-{life}",
            Statistic="Sum",
            Period=PERIOD,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[topic],
        )
    role = f"arn:aws:iam::{ACCOUNT}:role/delivery"
    trails.create_trail(
        Name="main", S3BucketName="audit-archive", CloudWatchLogsLogGroupArn=GROUP, CloudWatchLogsRoleArn=role
    )
    trails.start_logging(Name="main")


def set_rule(server: RunningServer, calls: Drained) -> None:
    """Send every CreateUser to a queue."""
    events = client(server, "events")
    events.put_rule(Name="users", EventPattern=CREATED)
    events.put_targets(Rule="users", Targets=[{"Id": "queue", "Arn": calls.arn}])


def put_filter(logs: Any, name: str, pattern: str) -> None:
    counted = {"metricNamespace": "Audit", "metricName": name, "metricValue": "1"}
    logs.put_metric_filter(
        logGroupName="trails", filterName=name, filterPattern=pattern, metricTransformations=[counted]
    )


async def test_sigkills_lose_no_match_and_no_alarm(make_server: MakeServer, queues: str) -> None:
    chance, answered = random.Random(7), Counter[str]()
    async with an_upstream(Counter()) as upstream:
        server = make_server(upstream=upstream, settings={"OPENTRAIL_UPSTREAM_SQS": queues})
        await asyncio.to_thread(server.start)
        sqs = client(server, "sqs", queues)
        calls, alarms = Drained(sqs, "calls"), Drained(sqs, "alarms")
        await asyncio.to_thread(set_up, server, calls, alarms)
        for life in range(KILLS):
            await call_and_kill(server, answered, life, chance)
            await asyncio.to_thread(server.start)
        await asyncio.to_thread(check, server, answered, calls, alarms)


async def test_sigkills_while_a_queue_is_dead_lose_no_match(make_server: MakeServer, queues: str) -> None:
    chance, answered = random.Random(8), Counter[str]()
    refusing = socket.socket()
    refusing.bind(("127.0.0.1", 0))  # and does not listen
    nobody = f"http://127.0.0.1:{refusing.getsockname()[1]}"
    async with an_upstream(Counter()) as upstream:
        with refusing:
            dead = make_server(upstream=upstream, settings={"OPENTRAIL_UPSTREAM_SQS": nobody})
            for life in range(LIVES_BESIDE_A_DEAD_QUEUE):
                await asyncio.to_thread(dead.start)
                if life == 0:
                    calls = Drained(client(dead, "sqs", queues), "dead-for-a-while")
                    await asyncio.to_thread(set_rule, dead, calls)
                await call_and_kill(dead, answered, life, chance, lambda: batches(dead) > 0)
        back = make_server(upstream=upstream, settings={"OPENTRAIL_UPSTREAM_SQS": queues})
        await asyncio.to_thread(back.start)
        await asyncio.to_thread(check_calls, back, answered, calls)


def batches(server: RunningServer) -> int:
    """Return how many batches of invocations wait for targets that take nothing."""
    with closing(sqlite3.connect(server.home / "metadata.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM invocation_batches").fetchone()[0])


async def call_and_kill(
    server: RunningServer,
    answered: Counter[str],
    life: int,
    chance: random.Random,
    until: Callable[[], bool] = lambda: True,
) -> None:
    """Call until some were answered and ``until`` says so too, and kill the server a moment later."""
    stop = asyncio.Event()
    callers = [
        asyncio.create_task(call_until(stop, server, answered, f"u{life}-{caller}")) for caller in range(CALLERS)
    ]
    enough = len(answered) + chance.choice(ANSWERS)
    await asyncio.to_thread(wait_for_answers, answered, enough)
    await asyncio.to_thread(wait_until, until, "what a killed server is to leave", 60)
    await asyncio.sleep(chance.uniform(0, LONGEST_WAIT))
    await asyncio.to_thread(server.kill)
    stop.set()
    await asyncio.gather(*callers)


def wait_for_answers(answered: Counter[str], number: int) -> None:
    """Wait until so many calls were answered."""
    wait_until(lambda: len(answered) >= number, f"{number} answered calls", 60)


def check(server: RunningServer, answered: Counter[str], calls: Drained, alarms: Drained) -> None:
    """What is on record reached the queue; it is in the log group and in the metric once; and every alarm was told."""
    recorded = check_calls(server, answered, calls)
    lives = {name.partition("-")[0] for name in recorded}
    wanted = {f"life-{life}" for life in range(LIVES_WITH_ALARMS) if f"u{life}" in lives}
    assert len(wanted) >= LIVES_WITH_ALARMS / 2
    wait_until(lambda: alarms.alarms().keys() >= wanted, "every alarm to be told", 120)
    assert log_names(server) == recorded
    wait_until(lambda: counted(server) >= recorded.total(), "every event to be counted", 60)
    assert counted(server) == recorded.total()


def check_calls(server: RunningServer, answered: Counter[str], calls: Drained) -> Counter[str]:
    """What was answered is on record, and what is on record reached the queue; return that."""
    recorded = recorded_names(history(server))
    assert set(answered) <= set(recorded)
    wait_until(lambda: calls.users() >= set(recorded), "every match to reach the queue", 120)
    assert calls.users() == set(recorded)
    return recorded


def log_names(server: RunningServer) -> Counter[str]:
    pages = client(server, "logs").get_paginator("filter_log_events").paginate(logGroupName="trails")
    events = [json.loads(event["message"]) for page in pages for event in page["events"]]
    return recorded_names(events)


def counted(server: RunningServer) -> float:
    """Return what the metric filter on every CreateUser counted."""
    now = datetime.now(UTC)
    found = client(server, "cloudwatch").get_metric_statistics(
        Namespace="Audit",
        MetricName="all",
        Period=3600,
        Statistics=["Sum"],
        StartTime=now - timedelta(hours=6),
        EndTime=now + timedelta(hours=1),
    )
    return float(sum(point["Sum"] for point in found["Datapoints"]))
