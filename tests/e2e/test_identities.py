"""Who called, as a whole server has it on record: one-time codes and what an upstream told, across a restart."""

import json
import time
from base64 import b32decode
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from opentrail.identity.mfa import STEP_SECONDS, code_at
from tests.e2e.conftest import MakeServer
from tests.support.moto_server import moto_server
from tests.support.server import RunningServer, wait_until

pytestmark = pytest.mark.e2e

SERIAL = "arn:aws:iam::123456789012:mfa/bob"
WITH_MFA = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*",'
    '"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}]}'
)


def client(server: RunningServer, service: str, key: dict[str, str]) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        aws_session_token=key.get("session_token"),
        config=Config(retries={"total_max_attempts": 1}),
    )


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as failure:
        call()
    code: str = failure.value.response["Error"]["Code"]
    return code


def recorded(server: RunningServer, name: str) -> list[dict[str, Any]]:
    lines = server.opentrail("lookup", "--json", "--max", "100", "--event-name", name).stdout.splitlines()
    return [json.loads(line) for line in lines]


def the_event(server: RunningServer, name: str) -> dict[str, Any]:
    """Return the newest event of a name, once there is one."""
    wait_until(lambda: bool(recorded(server, name)), f"{name} on record")
    return recorded(server, name)[0]


def test_a_spent_code_stays_spent_and_its_session_goes_on_after_a_restart(make_server: MakeServer) -> None:
    server = make_server().start()
    policy = server.home.with_name("policy.json")
    policy.write_text(WITH_MFA)
    assert server.opentrail("users", "create", "bob", "--policy", str(policy)).returncode == 0
    assert server.opentrail("keys", "create", "--user", "bob", "--save").returncode == 0
    key = json.loads((server.home / "user-keys" / "bob.json").read_text())
    device = json.loads(server.opentrail("users", "mfa", "enable", "bob", "--json").stdout)
    code = code_at(b32decode(device["secret"]), int(time.time()) // STEP_SECONDS)

    assert refused(client(server, "cloudtrail", key).list_trails) == "AccessDeniedException"
    given = client(server, "sts", key).get_session_token(SerialNumber=SERIAL, TokenCode=code)["Credentials"]
    server.stop()
    server.start()

    sts = client(server, "sts", key)
    assert refused(lambda: sts.get_session_token(SerialNumber=SERIAL, TokenCode=code)) == "AccessDenied"
    session = {
        "access_key_id": given["AccessKeyId"],
        "secret_access_key": given["SecretAccessKey"],
        "session_token": given["SessionToken"],
    }
    client(server, "cloudtrail", session).list_trails()
    client(server, "s3", session).list_buckets()
    for name in ("ListTrails", "ListBuckets"):
        identity = the_event(server, name)["userIdentity"]
        assert (identity["type"], identity["userName"]) == ("IAMUser", "bob")
        assert identity["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"
    assert device["secret"] not in server.log.read_text()
    assert device["secret"].encode() not in b"".join(
        path.read_bytes() for path in server.home.rglob("*") if path.is_file()
    )


def test_a_user_seen_before_a_restart_is_joined_with_a_key_made_after_it(make_server: MakeServer) -> None:
    with moto_server() as upstream:
        server = make_server(upstream=upstream, settings={"OPENTRAIL_UPSTREAM_TRUSTED": "true"}).start()
        client(server, "iam", server.owner_key()).create_user(UserName="ann", Path="/team/")
        server.stop()
        server.start()

        made = client(server, "iam", server.owner_key()).create_access_key(UserName="ann")["AccessKey"]
        key = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
        client(server, "s3", key).list_buckets()

        event = the_event(server, "ListBuckets")
        identity = event["userIdentity"]
        assert (identity["type"], identity["userName"]) == ("IAMUser", "ann")
        assert identity["arn"] == "arn:aws:iam::123456789012:user/team/ann"
        assert event["additionalEventData"]["opentrail"]["identity"] == "claimed"
