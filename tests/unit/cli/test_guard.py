"""``opentrail guard`` before it asks anybody: what it lists, and what it refuses."""

from pathlib import Path

import orjson
from typer.testing import CliRunner

from opentrail.cli import app
from opentrail.errors import OperatorError
from opentrail.guard.pack import PACKS


def refusal(*arguments: str) -> str:
    error = CliRunner().invoke(app, ["guard", *arguments]).exception
    assert isinstance(error, OperatorError)
    return str(error)


def test_every_pack_is_listed_with_its_rules_and_where_they_are_from() -> None:
    listed = orjson.loads(CliRunner().invoke(app, ["guard", "list", "--json"]).stdout)
    shown = CliRunner().invoke(app, ["guard", "list"]).stdout

    assert [pack["name"] for pack in listed] == list(PACKS)
    assert all(pack["source"] and pack["rules"] for pack in listed)
    assert all(rule["title"] in shown for pack in listed for rule in pack["rules"])


def test_a_home_without_a_server_is_told_how_to_start_one(tmp_path: Path) -> None:
    for arguments in (("enable", "cis", "--dry-run"), ("disable", "cis", "--yes"), ("status",)):
        assert refusal(*arguments, "--home", str(tmp_path)).startswith(f"no server holds {tmp_path}: start one")


def test_a_webhook_is_a_web_address(tmp_path: Path) -> None:
    said = refusal("enable", "cis", "--webhook", "ftp://hooks.example.com", "--home", str(tmp_path))

    assert said == "--webhook takes an http or https URL, not ftp://hooks.example.com"


def test_a_pack_that_there_is_not_is_refused() -> None:
    finished = CliRunner().invoke(app, ["guard", "enable", "everything"])

    assert finished.exit_code == 2
    assert "everything" in finished.output
