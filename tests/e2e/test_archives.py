"""Archives as operators and auditors use them: encrypted, locked, on two disks, with the real AWS CLI."""

import json
import time
from base64 import b32decode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opentrail.identity.mfa import code_at, step_at
from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ACCOUNT = "123456789012"
TRAIL_ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"
MAGIC = b"OTENC"
KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": ["kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:SourceArn": TRAIL_ARN},
                "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/*"},
            },
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
    ],
}


def must(server: RunningServer, *arguments: str) -> str:
    finished = server.aws(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def must_run(server: RunningServer, *arguments: str) -> str:
    finished = server.opentrail(*arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def bodies(server: RunningServer, kind: str = "_CloudTrail_") -> list[Path]:
    return sorted((server.home / "archives" / "vault").rglob(f"*{kind}*.json.gz"))


def shown(server: RunningServer) -> dict[str, object]:
    holds: dict[str, object] = json.loads(must_run(server, "archive", "show", "vault", "--json"))["holds"]
    return holds


def make_trail(server: RunningServer, *options: str) -> None:
    must(
        server,
        *("cloudtrail", "create-trail", "--name", "audit", "--s3-bucket-name", "vault"),
        *("--is-multi-region-trail", "--enable-log-file-validation", *options),
    )
    must(server, "cloudtrail", "start-logging", "--name", "audit")


def test_an_encrypted_archive_validates_and_is_read_by_whom_the_key_policy_lets(make_server: MakeServer) -> None:
    server = make_server().start()
    must_run(server, "archive", "create", "vault")
    key = json.loads(must(server, "kms", "create-key", "--policy", json.dumps(KEY_POLICY)))["KeyMetadata"]["Arn"]
    make_trail(server, "--kms-key-id", key)
    may_read = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = server.home.with_name("policy.json")
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [may_read]}))
    must_run(server, "users", "create", "bob", "--policy", str(policy))
    must_run(server, "keys", "create", "--user", "bob", "--save")
    wait_until(
        lambda: len(bodies(server)) >= 2 and len(bodies(server, "_CloudTrail-Digest_")) >= 2, "files and digests"
    )

    assert all(path.read_bytes().startswith(MAGIC) for path in bodies(server))
    validate = ("validate-logs", "--trail-arn", TRAIL_ARN, "--start-time", _an_hour_ago())
    theirs = server.aws("cloudtrail", *validate)
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    assert "log files valid" in theirs.stdout
    assert "INVALID" not in theirs.stdout
    ours = server.opentrail(*validate, "--verbose")
    assert ours.returncode == 0, ours.stdout + ours.stderr

    listed = json.loads(must(server, "s3api", "list-objects-v2", "--bucket", "vault"))["Contents"]
    name = next(item["Key"] for item in listed if "_CloudTrail_" in item["Key"])
    target = str(server.home.with_name("got.json.gz"))
    got = json.loads(must(server, "s3api", "get-object", "--bucket", "vault", "--key", name, target))
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"]) == ("aws:kms", key)
    assert Path(target).read_bytes()[:2] == b"\x1f\x8b"
    refused = server.aws("s3api", "get-object", "--bucket", "vault", "--key", name, target, as_user="bob")
    assert refused.returncode != 0
    assert "AccessDenied" in refused.stderr
    assert "kms:Decrypt" in refused.stderr
    assert shown(server)["encrypted_objects"] != 0

    victim = next(path for path in bodies(server) if path.name in ours.stdout)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)
    verdict = server.opentrail(*validate)
    assert verdict.returncode == 1, verdict.stdout + verdict.stderr
    assert victim.name in verdict.stdout + verdict.stderr


def test_a_locked_archive_outlasts_a_kill_and_is_emptied_by_nobody(make_server: MakeServer) -> None:
    server = make_server().start()
    must_run(server, "archive", "create", "vault", "--worm", "compliance", "--days", "30")
    make_trail(server)
    wait_until(lambda: len(bodies(server)) >= 1, "a log file")
    server.kill()
    server.start()
    key = next(
        item["Key"]
        for item in json.loads(must(server, "s3api", "list-objects-v2", "--bucket", "vault"))["Contents"]
        if item["Key"].endswith(".gz")
    )
    named = ("--bucket", "vault", "--key", key)
    version = json.loads(must(server, "s3api", "head-object", *named))["VersionId"]

    for arguments in (
        ("s3", "rm", f"s3://vault/{key}"),
        ("s3api", "delete-object", *named, "--version-id", version, "--bypass-governance-retention"),
        ("s3api", "put-object-retention", *named, "--retention", "{}", "--bypass-governance-retention"),
    ):
        refused = server.aws(*arguments)
        assert refused.returncode != 0, arguments
        assert "AccessDenied" in refused.stderr
    must(server, "cloudtrail", "delete-trail", "--name", "audit")
    for command in (("delete", "vault", "--purge"), ("set", "vault", "--worm", "none", "--allow-weaker")):
        refused = server.opentrail("archive", *command)
        assert refused.returncode == 2
        assert "locked" in refused.stderr or "nobody can shorten" in refused.stderr
    holds = shown(server)
    assert holds["locked_objects"] == holds["objects"]


def test_objects_move_to_another_disk_and_validate_from_there(make_server: MakeServer, tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    cold.mkdir()
    server = make_server()
    server.home.mkdir()
    must_run(server, "archive", "create", "vault", "--cold-folder", str(cold), "--cold-after-days", "1")
    server.start()
    make_trail(server)
    wait_until(lambda: len(bodies(server)) >= 1 and len(bodies(server, "_CloudTrail-Digest_")) >= 2, "digests")
    must(server, "cloudtrail", "stop-logging", "--name", "audit")
    server.stop()
    for sidecar in (server.home / "archives").rglob("*.gz%meta"):  # written long ago, as far as the archive knows
        values = json.loads(sidecar.read_bytes())
        sidecar.chmod(0o600)
        sidecar.write_text(json.dumps(values | {"written_at": "2026-01-01T00:00:00Z"}))

    server.start()

    wait_until(lambda: not bodies(server, "_CloudTrail"), "all to move")
    assert list(cold.rglob("*_CloudTrail_*.json.gz"))
    validate = ("validate-logs", "--trail-arn", TRAIL_ARN, "--start-time", _an_hour_ago())
    for verdict in (server.aws("cloudtrail", *validate), server.opentrail(*validate)):
        assert verdict.returncode == 0, verdict.stdout + verdict.stderr
        assert "log files valid" in verdict.stdout
    assert shown(server)["cold_objects"] != 0


def test_deleting_takes_the_owners_code_and_the_archive_is_forgotten_everywhere(make_server: MakeServer) -> None:
    server = make_server(settings={"OPENTRAIL_GATEWAY_PROCESSES": "2"}).start()
    refused = server.opentrail("archive", "create", "vault", "--mfa-delete")
    assert "users mfa enable --owner" in refused.stderr
    device = json.loads(must_run(server, "users", "mfa", "enable", "--owner", "--json"))
    must_run(server, "archive", "create", "vault", "--mfa-delete")
    make_trail(server)
    wait_until(lambda: len(bodies(server)) >= 1, "a log file")
    must(server, "cloudtrail", "delete-trail", "--name", "audit")
    assert json.loads(must(server, "s3api", "get-bucket-versioning", "--bucket", "vault"))["MFADelete"] == "Enabled"

    refused = server.opentrail("archive", "delete", "vault", "--purge")
    assert refused.returncode == 2
    assert "--mfa CODE" in refused.stderr
    must_run(server, "archive", "delete", "vault", "--purge", "--mfa", _code(device["secret"]))

    assert not (server.home / "archives" / "vault").exists()
    gone = server.aws("s3api", "list-objects-v2", "--bucket", "vault")
    assert "NoSuchBucket" in gone.stderr


def _code(secret: str) -> str:
    return code_at(b32decode(secret), step_at(datetime.now(UTC)))


def _an_hour_ago() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
