"""``opentrail users``, ``keys`` and ``roles``: what they say, and what they print for programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from opentrail.cli import app

SECRET = "minio-secret-never-printed"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that no server holds."""
    path = tmp_path / "home"
    path.mkdir()
    return path


def opentrail(home: Path, *arguments: str, given: str = "") -> Result:
    result = CliRunner().invoke(app, ["--home", str(home), *arguments], input=given)
    assert result.exit_code == 0, result.output
    return result


def listed(home: Path, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(opentrail(home, what, "list", "--json").stdout)[what]
    return found


def test_importing_a_key_says_that_it_made_the_user_and_does_so_once(home: Path) -> None:
    first = opentrail(home, "keys", "import", "minioadmin", "--user", "storage", given=f"{SECRET}\n")
    second = opentrail(home, "keys", "import", "minio-two", "--user", "storage", given=f"{SECRET}\n")

    assert "Made the user storage, who has no policy" in first.output
    assert "Made the user" not in second.output
    assert SECRET not in first.output + second.output
    assert listed(home, "users") == [
        {"name": "storage", "arn": "arn:aws:iam::123456789012:user/storage", "has_policy": False, "has_mfa": False}
    ]
    imported = [key for key in listed(home, "keys") if key["origin"] == "imported"]
    assert [(key["access_key_id"], key["status"]) for key in imported] == [
        ("minio-two", "Active"),
        ("minioadmin", "Active"),
    ]


def test_an_mfa_device_is_shown_once_as_a_uri_for_authenticators(home: Path) -> None:
    opentrail(home, "users", "create", "bob")

    enabled = opentrail(home, "users", "mfa", "enable", "bob")

    lines = enabled.stdout.splitlines()
    (uri,) = [line for line in lines if line.startswith("otpauth://totp/Opentrail:bob@123456789012?secret=")]
    secret = uri.partition("secret=")[2].partition("&")[0]
    assert any(secret in line for line in lines if line != uri)
    assert len([line for line in lines if line.startswith("████")]) == 23
    assert "--serial-number arn:aws:iam::123456789012:mfa/bob" in enabled.stdout
    assert secret not in opentrail(home, "users", "list", "--json").stdout
    assert [user["has_mfa"] for user in listed(home, "users")] == [True]
    opentrail(home, "users", "mfa", "disable", "bob")
    assert [user["has_mfa"] for user in listed(home, "users")] == [False]


def test_an_mfa_device_can_be_printed_for_programs(home: Path) -> None:
    opentrail(home, "users", "create", "bob")

    answer = json.loads(opentrail(home, "users", "mfa", "enable", "bob", "--json").stdout)

    assert sorted(answer) == ["name", "otpauth_uri", "secret", "serial_number"]
    assert f"secret={answer['secret']}&" in answer["otpauth_uri"]


def test_a_user_of_a_member_account_is_told_the_next_command_with_its_account(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        '[organization]\nid = "o-exampleorgid"\nmember_accounts = ["333333333333"]\n'
    )

    made = opentrail(tmp_path, "users", "create", "alice", "--account", "333333333333")

    assert "Next: opentrail keys create --user alice --account 333333333333 --save" in made.output
