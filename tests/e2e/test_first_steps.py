"""What a newcomer does in the first five minutes, with the real AWS CLI."""

import gzip
import json
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

TRAIL_ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"


def must(server: RunningServer, *arguments: str) -> str:
    finished = server.aws(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def log_files(server: RunningServer, bucket: str) -> list[Path]:
    return sorted((server.home / "archives" / bucket).rglob("*_CloudTrail_*.json.gz"))


def digested_log_files(server: RunningServer, bucket: str) -> list[Path]:
    """Return the log files that a digest lists: only those can be found altered."""
    paths = (server.home / "archives" / bucket).rglob("*_CloudTrail-Digest_*.json.gz")
    digests = [json.loads(gzip.decompress(path.read_bytes())) for path in paths]
    listed = {file["s3Object"].rpartition("/")[2] for digest in digests for file in digest["logFiles"]}
    return [path for path in log_files(server, bucket) if path.name in listed]


def delivered_events(server: RunningServer, bucket: str) -> list[dict[str, object]]:
    return [
        event
        for path in log_files(server, bucket)
        for event in json.loads(gzip.decompress(path.read_bytes()))["Records"]
    ]


def an_hour_ago() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))


def test_a_call_is_looked_up_delivered_digested_validated_and_its_alteration_found(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    must(
        server,
        "cloudtrail",
        "create-trail",
        "--name",
        "audit",
        "--s3-bucket-name",
        "audit-archive",
        "--is-multi-region-trail",
        "--enable-log-file-validation",
    )
    must(server, "cloudtrail", "start-logging", "--name", "audit")

    must(server, "s3", "mb", "s3://figures")
    must(server, "s3", "rb", "s3://figures")

    query = "Events[].[EventName,Username,Resources[0].ResourceName]"
    found = must(
        server,
        "cloudtrail",
        "lookup-events",
        "--lookup-attributes",
        "AttributeKey=EventName,AttributeValue=DeleteBucket",
        "--query",
        query,
        "--output",
        "text",
    )
    assert found.split()[:2] == ["DeleteBucket", "root"]
    assert "figures" in found
    wait_until(
        lambda: any(event["eventName"] == "DeleteBucket" for event in delivered_events(server, "audit-archive")),
        "the log file",
    )
    wait_until(lambda: bool(digested_log_files(server, "audit-archive")), "the digest that lists the log file")
    validate = ("validate-logs", "--trail-arn", TRAIL_ARN, "--start-time", an_hour_ago())
    clean = server.aws("cloudtrail", *validate)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert "log files valid" in clean.stdout
    assert "INVALID" not in clean.stdout
    ours = server.opentrail(*validate)
    assert ours.returncode == 0, ours.stdout + ours.stderr

    victim = digested_log_files(server, "audit-archive")[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)

    for verdict in (server.aws("cloudtrail", *validate), server.opentrail(*validate)):
        assert verdict.returncode == 1
        assert victim.name in verdict.stdout + verdict.stderr
        assert "INVALID" in verdict.stdout + verdict.stderr


def test_a_trail_delivers_to_a_bucket_of_the_upstream(make_server: MakeServer) -> None:
    server = make_server().start()
    must(server, "s3", "mb", "s3://my-cloudtrail-bucket")
    must(
        server,
        "cloudtrail",
        "create-trail",
        "--name",
        "audit",
        "--s3-bucket-name",
        "my-cloudtrail-bucket",
        "--is-multi-region-trail",
        "--enable-log-file-validation",
    )
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    must(server, "iam", "create-user", "--user-name", "alice")

    def listed(kind: str) -> int:
        return server.aws("s3", "ls", "--recursive", "s3://my-cloudtrail-bucket").stdout.count(kind)

    wait_until(lambda: listed("_CloudTrail_") >= 1 and listed("_CloudTrail-Digest_") >= 2, "log files and digests")
    validate = ("validate-logs", "--trail-arn", TRAIL_ARN, "--start-time", an_hour_ago())
    verdict = server.aws("cloudtrail", *validate)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert "digest files valid" in verdict.stdout
    assert server.opentrail(*validate).returncode == 0


def test_who_may_not_is_refused_and_the_refusal_is_on_record(make_server: MakeServer) -> None:
    server = make_server().start()
    server.opentrail("archive", "create", "audit-archive")
    must(server, "cloudtrail", "create-trail", "--name", "audit", "--s3-bucket-name", "audit-archive")
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    assert server.opentrail("users", "create", "bob", "--managed", "AWSCloudTrail_ReadOnlyAccess").returncode == 0
    assert server.opentrail("keys", "create", "--user", "bob", "--save").returncode == 0

    refused = server.aws("cloudtrail", "stop-logging", "--name", "audit", as_user="bob")

    assert refused.returncode != 0
    assert "AccessDeniedException" in refused.stderr
    assert "arn:aws:iam::123456789012:user/bob is not authorized to perform: cloudtrail:StopLogging" in refused.stderr
    status = json.loads(must(server, "cloudtrail", "get-trail-status", "--name", "audit"))
    assert status["IsLogging"] is True
    found = server.opentrail("lookup", "--user", "bob", "--event-name", "StopLogging", "--json").stdout
    event = json.loads(found)
    assert event["errorCode"].startswith("AccessDenied")
    assert event["responseElements"] is None
    assert event["userIdentity"]["userName"] == "bob"


def test_commands_on_a_held_home_go_through_the_server_and_work_without_one(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("users", "create", "carol").returncode == 0
    assert "carol" in server.opentrail("users", "list").stdout
    assert server.stop() == 0

    listed = server.opentrail("users", "list")

    assert listed.returncode == 0, listed.stderr
    assert "carol" in listed.stdout
    created = server.opentrail("lookup", "--event-name", "CreateUser", "--json").stdout
    assert '"carol"' in created


def test_a_second_server_on_the_same_home_is_refused_with_a_sentence(make_server: MakeServer) -> None:
    server = make_server().start()

    second = server.opentrail("serve", "--gateway", "127.0.0.1:0", "--api", "127.0.0.1:0")

    assert second.returncode == 2
    assert "held by a running opentrail" in second.stderr


def test_health_and_metrics_answer_without_a_signature(make_server: MakeServer) -> None:
    import urllib.request

    server = make_server().start()
    must(server, "s3", "ls")

    with urllib.request.urlopen(server.ready["api_url"] + "/healthz") as response:
        assert response.status == 200
    with urllib.request.urlopen(server.ready["api_url"] + "/metrics") as response:
        text = response.read().decode()

    assert "opentrail_events_recorded_total" in text
    assert "opentrail_journal_size_bytes" in text
