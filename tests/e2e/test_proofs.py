"""One event proved to someone who has the proof and a public key and nothing else."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import digested_log_files, must
from tests.support.server import OPENTRAIL, RunningServer, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(make_server: MakeServer) -> RunningServer:
    server = make_server().start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    where = ("--s3-bucket-name", "audit-archive")
    must(server, "cloudtrail", "create-trail", "--name", "audit", *where, "--enable-log-file-validation")
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    must(server, "iam", "create-user", "--user-name", "alice")
    must(server, "iam", "create-user", "--user-name", "mallory")
    return server


def event_id_of(server: RunningServer, user: str) -> str:
    events = server.opentrail("lookup", "--event-name", "CreateUser", "--json").stdout.splitlines()
    [found] = [event for event in map(json.loads, events) if event["requestParameters"]["userName"] == user]
    return str(found["eventID"])


def test_an_event_is_proved_and_the_proof_checked_with_a_key_alone(server: RunningServer, tmp_path: Path) -> None:
    event_id = event_id_of(server, "alice")
    proof, keys, elsewhere = tmp_path / "alice.proof", tmp_path / "keys.json", tmp_path / "elsewhere"
    wait_until(lambda: len(digested_log_files(server, "audit-archive")) >= 1, "the digest that lists the log file")
    wait_until(lambda: server.opentrail("prove", event_id, "--output", str(proof)).returncode == 0, "a proof")
    keys.write_text(must(server, "cloudtrail", "list-public-keys"))

    checked = server.opentrail("--home", str(elsewhere), "check-proof", str(proof), "--public-key", str(keys))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"Proved: event {event_id}" in checked.stdout
    assert "CreateUser (iam.amazonaws.com)" in checked.stdout
    assert str(keys) in checked.stdout
    assert not elsewhere.exists()
    assert "mallory" not in proof.read_text()
    assert server.opentrail("check-proof", str(proof)).returncode == 0
    remote = server.opentrail(
        "exec", "--", *OPENTRAIL, "check-proof", str(proof), "--endpoint-url", server.ready["gateway_url"]
    )
    assert remote.returncode == 0, remote.stderr

    proof.write_text(proof.read_text().replace("alice", "mallory"))
    refused = server.opentrail("check-proof", str(proof), "--json")

    assert refused.returncode == 1
    assert json.loads(refused.stdout)["is_proved"] is False


def test_a_trail_that_cannot_be_searched_for_a_proof_is_named(server: RunningServer) -> None:
    must(server, "s3", "mb", "s3://gone")
    must(server, "cloudtrail", "create-trail", "--name", "a-first", "--s3-bucket-name", "gone")
    must(server, "s3", "rb", "--force", "s3://gone")
    event_id = event_id_of(server, "alice")

    wait_until(lambda: server.opentrail("prove", event_id).returncode == 0, "a proof")

    unknown = server.opentrail("prove", "no-such-event")
    assert unknown.returncode == 2
    assert "a-first" in unknown.stderr
