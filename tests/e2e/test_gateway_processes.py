"""Several gateway processes behave as one: what one of them or the operator does, all of them know."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

SEVERAL = {"OPENTRAIL_GATEWAY_PROCESSES": "3"}
ENOUGH_CONNECTIONS = 24
"""New connections that miss one of three processes once in 17,000 times."""


def client(server: RunningServer, service: str, key: dict[str, str]) -> Any:
    """Return a client with a connection of its own."""
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def list_everywhere(server: RunningServer, key: dict[str, str]) -> None:
    for _ in range(ENOUGH_CONNECTIONS):
        client(server, "s3", key).list_buckets()


def found(server: RunningServer, *arguments: str) -> list[dict[str, Any]]:
    output = server.opentrail("lookup", "--json", "--max", "1000", *arguments)
    assert output.returncode == 0, output.stderr
    return [json.loads(line) for line in output.stdout.splitlines()]


def test_a_key_that_the_operator_imports_is_known_to_every_process_at_once(make_server: MakeServer) -> None:
    server = make_server(settings=SEVERAL).start()
    key = {"access_key_id": "AKIAIMPORTED00000001", "secret_access_key": "the secret of bob"}
    list_everywhere(server, key)

    imported = server.opentrail(
        "keys", "import", key["access_key_id"], "--user", "bob", input_text=key["secret_access_key"]
    )
    assert imported.returncode == 0, imported.stderr
    list_everywhere(server, key)

    def names() -> list[str]:
        events = found(server, "--event-name", "ListBuckets", "--access-key", key["access_key_id"])
        return [event["userIdentity"].get("userName", "") for event in events]

    wait_until(lambda: len(names()) == 2 * ENOUGH_CONNECTIONS, "every call to be on record")
    assert Counter(names()) == {"": ENOUGH_CONNECTIONS, "bob": ENOUGH_CONNECTIONS}


def test_an_identity_that_one_process_learns_is_known_to_every_other(make_server: MakeServer) -> None:
    server = make_server(settings={**SEVERAL, "OPENTRAIL_UPSTREAM_TRUSTED": "true"}).start()
    admin = {"access_key_id": "AKIAUPSTREAM00000001", "secret_access_key": "what only the upstream knows"}
    alice = client(server, "iam", admin).create_user(UserName="alice")["User"]

    made = client(server, "iam", admin).create_access_key(UserName="alice")["AccessKey"]
    key = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
    list_everywhere(server, key)

    def arns() -> list[str]:
        events = found(server, "--event-name", "ListBuckets", "--access-key", key["access_key_id"])
        return [event["userIdentity"].get("arn", "") for event in events]

    wait_until(lambda: len(arns()) == ENOUGH_CONNECTIONS, "every call to be on record")
    assert set(arns()) == {alice["Arn"]}


def test_our_own_api_and_a_new_archive_answer_through_every_process(make_server: MakeServer) -> None:
    server = make_server(settings=SEVERAL).start()
    key = server.owner_key()
    for _ in range(ENOUGH_CONNECTIONS):
        with pytest.raises(ClientError, match="404"):
            client(server, "s3", key).head_bucket(Bucket="made-later")

    assert server.opentrail("archive", "create", "made-later").returncode == 0
    for _ in range(ENOUGH_CONNECTIONS):
        assert client(server, "s3", key).list_objects_v2(Bucket="made-later")["KeyCount"] == 0
        assert client(server, "cloudtrail", key).describe_trails()["trailList"] == []

    events = found(server, "--event-name", "DescribeTrails")
    assert len(events) == ENOUGH_CONNECTIONS
    assert {event["sourceIPAddress"] for event in events} == {"127.0.0.1"}
    assert {event["userIdentity"]["type"] for event in events} == {"Root"}


def test_an_interrupt_from_the_terminal_drains_every_process(make_server: MakeServer) -> None:
    server = make_server(settings=SEVERAL).start()
    client(server, "s3", server.owner_key()).create_bucket(Bucket="one")
    processes = [server.pid, *gateway_processes(server)]

    for pid in processes:  # as a terminal does
        os.kill(pid, signal.SIGINT)
    wait_until(lambda: not any(is_running(pid) for pid in processes[1:]), "the gateway processes to end")

    assert server.stop() == 0
    assert "calls that a crash interrupted" not in server.start().log.read_text()
    assert [event["requestParameters"]["bucketName"] for event in found(server, "--event-name", "CreateBucket")] == [
        "one"
    ]


def test_an_address_that_another_server_shares_is_refused(make_server: MakeServer) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        home = make_server(settings=SEVERAL).home
        command = [sys.executable, "-m", "opentrail", "--home", str(home), "serve", "--gateway", f"127.0.0.1:{port}"]
        ended = subprocess.run(
            [*command, "--api", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, env={**os.environ, **SEVERAL},
        )  # fmt: skip

    assert ended.returncode != 0
    assert f"the gateway cannot listen on 127.0.0.1:{port}" in ended.stderr


def gateway_processes(server: RunningServer) -> list[int]:
    output = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(server.pid)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in output.stdout.splitlines() if "gateway_process" in line]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
