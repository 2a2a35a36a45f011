"""Keys of the own key ring in a whole server: what trails encrypt with them, through rotation, outage and crash."""

import gzip
import time
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import MakeServer
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def client(server: RunningServer, service: str, door: str = "gateway_url") -> Any:
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=server.ready[door],
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        config=CONFIG,
    )


def delivered(server: RunningServer) -> list[dict[str, Any]]:
    """Return the events of all log files, read through S3 as the owner."""
    s3 = client(server, "s3")
    events: list[dict[str, Any]] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="logs", Prefix="AWSLogs/"):
        for item in page.get("Contents", ()):
            if "/CloudTrail/" in item["Key"] and item["Size"]:
                body = s3.get_object(Bucket="logs", Key=item["Key"])["Body"].read()
                events += orjson.loads(gzip.decompress(body))["Records"]
    return events


def mark(server: RunningServer, name: str) -> None:
    """Make a call that is found again by its name."""
    with pytest.raises(ClientError):
        client(server, "cloudtrail").get_trail(Name=name)


def has(server: RunningServer, name: str) -> bool:
    return any((event.get("requestParameters") or {}).get("name") == name for event in delivered(server))


def files_with(folder: Path, text: bytes) -> list[Path]:
    """Return the files that hold a text, as they are or inflated."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
            found += [path] if text in plain else []
    return found


def test_a_trail_s_files_are_sealed_and_outlive_rotation_a_disabled_key_and_a_crash(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "logs").returncode == 0
    kms, cloudtrail = client(server, "kms"), client(server, "cloudtrail")
    key = kms.create_key(Description="log files")["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/logs", TargetKeyId=key)
    trail = cloudtrail.create_trail(
        Name="main", S3BucketName="logs", KmsKeyId="alias/logs", EnableLogFileValidation=True
    )
    cloudtrail.start_logging(Name="main")
    assert trail["KmsKeyId"] == key

    mark(server, "before-rotation")
    wait_until(lambda: has(server, "before-rotation"), "the first log file")
    kms.rotate_key_on_demand(KeyId=key)
    mark(server, "after-rotation")
    wait_until(lambda: has(server, "after-rotation"), "a log file of the new material")
    kms.disable_key(KeyId=key)
    mark(server, "while-disabled")
    wait_until(
        lambda: bool(cloudtrail.get_trail_status(Name="main").get("LatestDeliveryError")), "the status to tell", 60
    )
    with pytest.raises(ClientError, match=r"KMS|disabled|AccessDenied"):
        delivered(server)
    kms.enable_key(KeyId=key)
    wait_until(lambda: has(server, "while-disabled"), "the delivery to go on", 90)
    server.kill()
    server.start()
    mark(server, "after-crash")
    wait_until(lambda: has(server, "after-crash"), "the delivery after the crash", 60)

    assert has(server, "before-rotation")
    assert files_with(server.home / "archives", b"before-rotation") == []
    names = [event["eventName"] for event in delivered(server) if event["eventSource"] == "kms.amazonaws.com"]
    assert sorted(names) == ["DisableKey", "EnableKey", "RotateKeyOnDemand"]
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    checked = server.opentrail("validate-logs", "--trail-arn", trail["TrailARN"], "--start-time", start)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def spoil(path: Path, place: int, byte: bytes) -> None:
    """Change one byte of an archive's file, as who has the disk can."""
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:place] + byte + content[place + 1 :])


def test_an_altered_encrypted_file_is_named_by_both_verifiers(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "logs").returncode == 0
    key = client(server, "kms").create_key()["KeyMetadata"]["Arn"]
    cloudtrail = client(server, "cloudtrail")
    arn = cloudtrail.create_trail(Name="main", S3BucketName="logs", KmsKeyId=key, EnableLogFileValidation=True)
    cloudtrail.start_logging(Name="main")
    folder = server.home / "archives" / "logs"
    wait_until(lambda: len(list(folder.rglob("*_CloudTrail_*.json.gz"))) >= 1, "a log file")
    ended = len(list(folder.rglob("*_CloudTrail-Digest_*.json.gz")))
    wait_until(lambda: len(list(folder.rglob("*_CloudTrail-Digest_*.json.gz"))) >= ended + 3, "a digest after its own")
    log_file = min(folder.rglob("*_CloudTrail_*.json.gz"))
    digest = max(folder.rglob("*_CloudTrail-Digest_*.json.gz"))
    content = log_file.read_bytes()
    name_of_the_key = content.index(b'"data_key":"') + 24
    spoil(log_file, name_of_the_key, b"B" if content[name_of_the_key] != ord("B") else b"C")
    spoil(digest, digest.stat().st_size - 1, bytes([digest.read_bytes()[-1] ^ 1]))
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    question = ("validate-logs", "--trail-arn", arn["TrailARN"], "--start-time", start)

    aws, own = server.aws("cloudtrail", *question), server.opentrail(*question)

    assert "Traceback" not in aws.stderr
    for judged in (aws, own):
        assert judged.returncode == 1, judged.stdout + judged.stderr
        [line] = [line for line in judged.stderr.splitlines() if log_file.name in line]
        assert line.endswith("INVALID: invalid format")
        [line] = [line for line in judged.stderr.splitlines() if digest.name in line]
        assert "INVALID" in line
        assert "digest files valid" in judged.stdout


def test_with_an_upstream_for_kms_its_keys_are_asked_for(make_server: MakeServer) -> None:
    server = make_server().start()
    own = client(server, "kms").create_key()["KeyMetadata"]["Arn"]
    moto = server.ready["upstream_url"]
    other = make_server("other", upstream=moto, settings={"OPENTRAIL_UPSTREAM_KMS": moto}).start()
    kms = client(other, "kms")

    with pytest.raises(ClientError, match="NotFoundException"):
        kms.describe_key(KeyId=own)
    assert kms.create_key()["KeyMetadata"]["Arn"] != own
    ring = client(other, "kms", "api_url")
    kept = ring.create_key()["KeyMetadata"]["KeyId"]
    assert [key["KeyId"] for key in ring.list_keys()["Keys"]] == [kept]
    assert kept not in [key["KeyId"] for key in kms.list_keys()["Keys"]]


def test_what_was_sealed_opens_after_a_change_of_the_master_key(make_server: MakeServer) -> None:
    server = make_server(upstream="").start()
    kms = client(server, "kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    held = server.opentrail("master-key", "rotate")
    server.stop()
    before = (server.home / "master.key").read_bytes()

    changed = server.opentrail("master-key", "rotate")

    assert held.returncode != 0
    assert "is held by a running opentrail" in held.stderr
    assert changed.returncode == 0, changed.stderr
    assert (server.home / "master.key").read_bytes() != before
    server.start()
    kms = client(server, "kms")
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
    found = client(server, "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RotateMasterKey"}]
    )
    assert len(found["Events"]) == 1
