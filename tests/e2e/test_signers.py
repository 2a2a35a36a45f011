"""Digests signed by keys in the home, in a KMS and on a PKCS#11 token, through a rotation: valid to the AWS CLI."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import TRAIL_ARN, an_hour_ago, must
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer, wait_until
from tests.support.soft_hsm import soft_hsm_token

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["local", "kms", "kms-named", "pkcs11"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "local":
        yield {}
    elif request.param == "pkcs11":
        token = soft_hsm_token()
        yield {
            "OPENTRAIL_SIGNER_KIND": "pkcs11",
            "OPENTRAIL_SIGNER_MODULE": token.module,
            "OPENTRAIL_SIGNER_TOKEN": token.label,
            "OPENTRAIL_SIGNER_PIN": token.pin,
            "SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"],
        }
    else:
        with moto_server() as url:
            yield {
                "OPENTRAIL_SIGNER_KIND": "kms",
                "OPENTRAIL_SIGNER_URL": url,
                "OPENTRAIL_SIGNER_ACCESS_KEY_ID": "test",
                "OPENTRAIL_SIGNER_SECRET_ACCESS_KEY": "test",
                "OPENTRAIL_SIGNER_KEYS": ",".join(named_keys(url)) if request.param == "kms-named" else "",
            }


def named_keys(url: str) -> list[str]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("kms", endpoint_url=url, region_name="us-east-1", **keys)
    made = [client.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY") for _ in range(2)]
    return [str(key["KeyMetadata"]["KeyId"]) for key in made]


def signing_fingerprints(server: RunningServer) -> list[str]:
    """Return the fingerprint of each delivered digest, oldest first."""
    folder = server.home / "archives" / "audit-archive"
    found = sorted(path for path in folder.rglob("*_CloudTrail-Digest_*.json.gz") if path.is_file())
    return [json.loads(gzip.decompress(path.read_bytes()))["digestPublicKeyFingerprint"] for path in found]


def test_the_aws_cli_validates_a_chain_through_a_rotation(make_server: MakeServer, settings: dict[str, str]) -> None:
    server = make_server(settings=settings).start()
    assert server.opentrail("archive", "create", "audit-archive").returncode == 0
    where = ("--s3-bucket-name", "audit-archive", "--enable-log-file-validation")
    must(server, "cloudtrail", "create-trail", "--name", "audit", *where)
    must(server, "cloudtrail", "start-logging", "--name", "audit")
    must(server, "iam", "create-user", "--user-name", "alice")
    wait_until(lambda: len(signing_fingerprints(server)) >= 2, "digests")

    rotated = server.opentrail("signing-keys", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    must(server, "iam", "create-user", "--user-name", "bob")
    wait_until(lambda: len(set(signing_fingerprints(server))) == 2, "a digest signed by the new key")

    validate = ("validate-logs", "--trail-arn", TRAIL_ARN, "--start-time", an_hour_ago())
    theirs = server.aws("cloudtrail", *validate)
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    assert "digest files valid" in theirs.stdout
    assert "INVALID" not in theirs.stdout
    assert server.opentrail(*validate).returncode == 0
    listed = json.loads(must(server, "cloudtrail", "list-public-keys"))["PublicKeyList"]
    assert {key["Fingerprint"] for key in listed} == set(signing_fingerprints(server))
    assert len(listed) == 2
    files = list(Path(server.home / "signing-keys").rglob("*.json"))
    assert all(("sealed_private_key" in path.read_text()) == (not settings) for path in files)
