"""A server with every kind of witness: told within seconds, asked by validate-logs, and a forged chain caught."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import boto3
import orjson
import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import must
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer, wait_until
from tests.support.time_stamp_server import Authority, SetClockReplies, time_stamp_server
from tests.support.webhook_receiver import SECRET, WebhookReceiver, webhook_receiver

pytestmark = pytest.mark.e2e

WITNESSES = ("vault", "clock", "far-away")


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def server(make_server: MakeServer, tmp_path: Path, receiver: WebhookReceiver) -> Iterator[RunningServer]:
    with ExitStack() as stack:
        moto = stack.enter_context(moto_server())
        authority = Authority()
        clock = stack.enter_context(time_stamp_server(SetClockReplies(authority, lambda: datetime.now(UTC))))
        certificates = tmp_path / "root.pem"
        certificates.write_bytes(authority.certificates)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        (home / "settings.toml").write_text(
            f'[witness.vault]\nkind = "s3-bucket"\nbucket = "vault"\nurl = "{moto}"\n'
            'access_key_id = "test"\nsecret_access_key = "test"\nretention = "1d"\n'
            f'[witness.clock]\nkind = "time-stamp"\nurl = "{clock.url}"\ncertificates = "{certificates}"\n'
            f'[witness.far-away]\nkind = "webhook"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n'
        )
        server = make_server().start()
        assert server.opentrail("archive", "create", "audit-archive").returncode == 0
        where = ("--s3-bucket-name", "audit-archive")
        must(server, "cloudtrail", "create-trail", "--name", "audit", *where, "--enable-log-file-validation")
        must(server, "cloudtrail", "start-logging", "--name", "audit")
        must(server, "iam", "create-user", "--user-name", "alice")
        yield server
        server.close()


def validate(server: RunningServer, *witnesses: str) -> tuple[int, str]:
    asked = [argument for name in witnesses for argument in ("--witness", name)]
    done = server.opentrail("validate-logs", "--trail-arn", "audit", "--start-time", "1h", *asked)
    return done.returncode, done.stdout + done.stderr


def receipts(server: RunningServer, witness: str) -> list[Path]:
    return sorted((server.home / "archives").rglob(f"*_{witness}.json"))


def test_digests_are_attested_within_seconds_and_a_validation_asks_every_witness(
    server: RunningServer, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    wait_until(lambda: all(len(receipts(server, name)) >= 2 for name in WITNESSES), "receipts of every witness")
    must(server, "cloudtrail", "stop-logging", "--name", "audit")
    wait_until(lambda: _has_last_digest(server), "the last digest")
    wait_until(lambda: _is_all_attested(server), "receipts of the last digest")
    wait_until(lambda: _waiting(server) == dict.fromkeys(WITNESSES, "0"), "status to tell that none waits")
    kept = tmp_path / "received.jsonl"
    kept.write_bytes(receiver.log())

    code, said = validate(server, *WITNESSES, str(kept))

    assert code == 0, said
    for name in (*WITNESSES, str(kept)):
        [line] = [line for line in said.splitlines() if line.startswith(f"Witness {name}:")]
        assert "digests attested" in line
        assert "," not in line, line

    # The copy that the receiver has speaks against a digest that was replaced.
    kept.write_bytes(kept.read_bytes().replace(b'"digestSignature":"', b'"digestSignature":"00'))
    code, said = validate(server, str(kept))
    assert code == 1
    assert "INVALID: contradicted" in said


def test_a_witness_that_was_down_is_told_after_a_restart(server: RunningServer, receiver: WebhookReceiver) -> None:
    receiver.status = 503
    wait_until(lambda: len(receipts(server, "vault")) >= 2, "receipts of the witness that is up")
    wait_until(lambda: int(_waiting(server)["far-away"]) >= 2, "digests that wait for the other one")
    server.stop()

    receiver.status = 200
    server.start()

    wait_until(lambda: len(receiver.lines) >= 2, "the witness to be told")


def test_a_name_that_is_no_witness_is_refused(server: RunningServer) -> None:
    code, said = validate(server, "nobody")

    assert code == 2
    assert "neither a file nor a witness of the settings (there: clock, far-away, vault)" in " ".join(said.split())


def _is_all_attested(server: RunningServer) -> bool:
    """Say whether each witness's receipt of each digest is in the bucket; the status is as of its last look."""
    digests = list((server.home / "archives").rglob("*_CloudTrail-Digest_*.json.gz"))
    return all(len(receipts(server, name)) == len(digests) >= 2 for name in WITNESSES)


def _has_last_digest(server: RunningServer) -> bool:
    """Say whether what was delivered after StopLogging is there; a status has times in seconds since 1970."""
    status = orjson.loads(must(server, "cloudtrail", "get-trail-status", "--name", "audit"))
    return float(status["LatestDigestDeliveryTime"]) >= int(float(status["StopLoggingTime"]))


def _waiting(server: RunningServer) -> dict[str, str]:
    rows = orjson.loads(server.opentrail("status", "--json").stdout)["witnesses"]
    return {row["witness"]: row["not_attested"] for row in rows}
