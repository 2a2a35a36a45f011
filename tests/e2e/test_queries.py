"""The lake asked in SQL, as its users do: with the AWS CLI, the command, its prompt, and the signed result file."""

import csv
import gzip
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import must
from tests.support.server import RunningServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # two dozen commands, each a process

WHO = (
    "SELECT userIdentity.type AS who, element_at(requestParameters, 'bucketName') AS bucket "
    "FROM {} WHERE eventName = 'DeleteBucket'"
)

SLOW = (
    "SELECT count(*) FROM event_history a, UNNEST(sequence(1, 10000)) t(x), UNNEST(sequence(1, 10000)) u(y), "
    "UNNEST(sequence(1, 10000)) v(z) WHERE x * y * z = 7"
)


def delivered(server: RunningServer, query_id: str) -> dict[str, str]:
    for _ in range(200):
        described: dict[str, str] = json.loads(must(server, "cloudtrail", "describe-query", "--query-id", query_id))
        if described.get("DeliveryStatus") not in (None, "PENDING"):
            return described
        time.sleep(0.1)
    raise AssertionError(described)


def a_store(server: RunningServer) -> str:
    """Make the store ``audit``, and a bucket that is deleted again; return the store's id."""
    made = json.loads(must(server, "cloudtrail", "create-event-data-store", "--name", "audit"))
    for step in ("mb", "rb"):
        must(server, "s3", step, "s3://doomed")
    return str(made["EventDataStoreArn"]).rpartition("/")[2]


def test_who_deleted_the_bucket_is_asked_in_every_way(make_server: MakeServer) -> None:
    server = make_server().start()
    a_store(server)

    for table in ("audit", "event_history"):
        asked = server.opentrail("query", "--json", WHO.format(table))
        assert json.loads(asked.stdout) == {"who": "Root", "bucket": "doomed"}, asked.stderr
    wrong = server.opentrail("query", "SELECT nothing FROM audit")
    assert (wrong.returncode, wrong.stderr.splitlines()[:2]) == (1, ["1 | SELECT nothing FROM audit", " " * 11 + "^"])

    interrupt(server)
    prompt(server)
    server.stop()
    offline = server.opentrail("query", "--csv", WHO.format("audit"))
    assert offline.stdout.splitlines() == ["who,bucket", "Root,doomed"], offline.stderr


def test_a_result_is_delivered_signed_and_verified(make_server: MakeServer, tmp_path: Path) -> None:
    server, local = make_server().start(), tmp_path / "result"
    store = a_store(server)
    must(server, "s3", "mb", "s3://results")

    asked = ("--query-statement", WHO.format(store), "--delivery-s3-uri", "s3://results/lake")
    described = delivered(server, json.loads(must(server, "cloudtrail", "start-query", *asked))["QueryId"])
    assert described["DeliveryStatus"] == "SUCCESS"
    listed = must(server, "s3", "ls", "--recursive", "s3://results/lake").split()
    folder = next(word for word in listed if word.endswith("result_sign.json")).rpartition("/")[0]
    must(server, "s3", "cp", "--recursive", f"s3://results/{folder}/", str(local))
    text = gzip.decompress((local / "result_1.csv.gz").read_bytes()).decode()
    assert list(csv.reader(io.StringIO(text))) == [["who", "bucket"], ["Root", "doomed"]]

    verified = server.opentrail("verify-query-results", "--s3-bucket", "results", "--s3-prefix", folder)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1] == "Successfully validated sign and query result files"
    with (local / "result_1.csv.gz").open("ab") as file:
        file.write(b"x")
    altered = server.opentrail("verify-query-results", "--local-export-path", str(local), "--json")
    assert altered.returncode == 1
    found = {one["file"]: one["verdict"] for one in json.loads(altered.stdout)["files"]}
    assert found == {"result_sign.json": "valid", "result_1.csv.gz": "altered"}


def command(server: RunningServer, *words: str) -> list[str]:
    return [sys.executable, "-m", "opentrail", "--home", str(server.home), *words]


def interrupt(server: RunningServer) -> None:
    """Ctrl-C ends a running query at once, the engine's process with it."""
    # A test run in the background ignores Ctrl-C, and its children would, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    asking = subprocess.Popen(command(server, "query", SLOW), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    for _ in range(200):
        if engines(server):
            break
        time.sleep(0.1)
    assert engines(server)

    began = time.monotonic()
    asking.send_signal(signal.SIGINT)
    asking.communicate(timeout=20)

    assert asking.returncode == 130
    assert time.monotonic() - began < 10
    assert not engines(server)


def engines(server: RunningServer) -> list[Path]:
    return list((server.home / "queries").glob("spill-[0-9]*"))


def prompt(server: RunningServer) -> None:
    """A statement over two lines is answered at the prompt, and kept in its history."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1"}
    asking = subprocess.Popen(
        command(server, "query"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        start_new_session=True,
    )
    os.close(follower)
    try:
        read_until(leader, b"query>")
        os.write(leader, b"SELECT count(*) AS deleted FROM audit\r")
        os.write(leader, b"WHERE eventName = 'DeleteBucket';\r")
        assert b"deleted" in read_until(leader, b"row;")
        os.write(leader, b"\\q\r")
        assert asking.wait(20) == 0
    finally:
        asking.kill()
        os.close(leader)
    kept = server.home / "query-history"
    assert "WHERE eventName = 'DeleteBucket'" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def read_until(descriptor: int, wanted: bytes) -> bytes:
    read, ends = b"", time.monotonic() + 30
    while wanted not in read:
        assert time.monotonic() < ends, read
        if select.select([descriptor], [], [], 0.5)[0]:
            read += os.read(descriptor, 65536)
    return read
