"""`opentrail exec` points a client at the gateway, and only at the gateway."""

import stat
from pathlib import Path

import pytest

from opentrail.cli.execution import client_environment, read_key, warn_of_bypass
from opentrail.errors import OperatorError
from opentrail.home import Home

SERVING = {"gateway_url": "http://127.0.0.1:4700", "region": "eu-central-1"}
KEY = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "secret"}


def test_what_would_override_the_gateway_is_taken_out() -> None:
    inherited = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "old",
        "AWS_ENDPOINT_URL_S3": "http://elsewhere",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }

    environment = client_environment(SERVING, KEY, inherited)

    assert environment == {
        "PATH": "/bin",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4700",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_a_region_chosen_by_the_user_stays() -> None:
    environment = client_environment(SERVING, KEY, {"AWS_REGION": "ap-south-1"})

    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "ap-south-1"


def an_aws(folder: Path, version: str) -> str:
    script = folder / "aws"
    script.write_text(f"#!/bin/sh\necho '{version}'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.mark.parametrize(
    ("version", "command", "is_warned"),
    [
        ("aws-cli/1.46.2", ["aws", "sqs", "list-queues"], True),
        ("aws-cli/1.46.2", ["aws", "--region", "us-east-1", "rds", "describe-db-instances"], True),
        ("aws-cli/1.46.2", ["aws", "s3", "ls"], False),
        ("aws-cli/1.46.2", ["aws", "sqs", "list-queues", "--endpoint-url", "http://x"], False),
        ("aws-cli/2.30.0", ["aws", "sqs", "list-queues"], False),
    ],
)
def test_commands_that_bypass_the_gateway_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, command: list[str], is_warned: bool
) -> None:
    warn_of_bypass(command, an_aws(tmp_path, version), "http://127.0.0.1:4700")

    assert ("--endpoint-url http://127.0.0.1:4700" in capsys.readouterr().err) is is_warned


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="opentrail keys create --user bob --save"):
        read_key(Home(tmp_path), "bob")


def test_keys_of_users_of_other_accounts_are_kept_apart(tmp_path: Path) -> None:
    home = Home(tmp_path)
    paths = [home.user_key_file(name) for name in ("dev", "333333333333/dev", "333333333333_dev", "../dev", "12/dev")]

    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(tmp_path / "user-keys") and ".." not in path.parts for path in paths)
    with pytest.raises(OperatorError, match="keys create --user dev --save --account 333333333333"):
        read_key(home, "333333333333/dev")
