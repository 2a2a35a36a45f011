"""What the benchmarks of reactions share: the upstream beside a server, clients, rules, and the server's figures."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import boto3
import orjson
from botocore.config import Config

from bench.gateway import free_port
from tests.support.server import RunningServer

QUEUE = "arn:aws:sqs:us-east-1:123456789012:bench"
HITS = '{"source":["aws.iam"],"detail":{"requestParameters":{"userName":[{"prefix":"hit-"}]}}}'
QUIET = '{{"source":["aws.iam"],"detail":{{"eventName":["CreateUser"],"sourceIPAddress":["192.0.2.{number}"]}}}}'
SETUP_THREADS = 4
PATIENCE_S = 120.0


@contextmanager
def an_upstream() -> Iterator[str]:
    """Run the upstream with its queues in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.react_upstream", str(port)])
    try:
        wait_until(lambda: can_connect(port), "the upstream")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def taken(upstream: str) -> list[tuple[int, float]]:
    """Return what queues got since the last time."""
    with urlopen(f"{upstream}/taken") as answer:
        found: list[tuple[int, float]] = orjson.loads(answer.read())
    return found


def figure(server: RunningServer, name: str) -> float:
    """Return the sum of one of the server's metrics."""
    with urlopen(server.ready["api_url"] + "/metrics") as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def client(server: RunningServer, service: str) -> Any:
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        config=Config(max_pool_connections=SETUP_THREADS),
    )


def put_rule(events: Any, name: str, pattern: str) -> None:
    events.put_rule(Name=name, EventPattern=pattern)
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": QUEUE}])


def put_quiet_rules(events: Any, number: int) -> None:
    """Set so many rules that name the calls' source and name, and an address from which none comes."""
    with ThreadPoolExecutor(SETUP_THREADS) as threads:
        list(threads.map(lambda each: put_rule(events, f"quiet-{each}", QUIET.format(number=each)), range(number)))


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
