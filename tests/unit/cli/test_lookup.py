"""Times and cells of `opentrail lookup`."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from opentrail.cli import app
from opentrail.cli.console import Context, plain, print_error
from opentrail.cli.event_printer import csv_cell, followed_line, terminal_json
from opentrail.cli.lookup import Follower, Search, parse_when
from opentrail.errors import OperatorError
from opentrail.home import Home

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-30T00:00:00Z", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T01:00:00+01:00", datetime(2026, 1, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: datetime | None) -> None:
    assert parse_when(text, NOW) == expected


@pytest.mark.parametrize("text", ["soon", "15", "-5m", "2026-13-01"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(OperatorError, match="15m"):
        parse_when(text, NOW)


def test_a_recorded_text_can_neither_move_the_cursor_nor_style_itself() -> None:
    assert plain("\x1b[31mGet[bold]Object").plain == "\\x1b[31mGet[bold]Object"
    assert plain("a\nb").plain == "a\\x0ab"


@pytest.mark.parametrize(("identity", "name"), [({}, "operator"), ({"type": "AWSService"}, "cloudtrail")])
def test_the_installation_s_own_calls_are_told_from_the_operator_s(identity: dict[str, str], name: str) -> None:
    event = {
        "eventTime": "2026-01-31T12:00:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "userIdentity": {"invokedBy": "cloudtrail.amazonaws.com", **identity},
    }

    shown = followed_line({"event": json.dumps(event), "username": "", "resources": []}, 120)

    assert shown.plain.split()[:3] == ["2026-01-31T12:00:00Z", "sts:AssumeRole", name]


@pytest.mark.parametrize("text", ["9999999999d", "99999999999999999999s"])
def test_a_time_too_long_ago_is_refused_with_examples(text: str) -> None:
    with pytest.raises(OperatorError, match="15m"):
        parse_when(text, NOW)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"])
def test_a_name_that_is_a_formula_stays_a_text_in_a_spreadsheet(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_a_csv_cell_shows_control_characters_and_leaves_other_values_alone() -> None:
    assert csv_cell("a\x1b[2Jb\r\n") == "a\\x1b[2Jb\\x0d\\x0a"
    assert csv_cell("alice") == "alice"
    assert csv_cell(True) == "True"


def test_json_on_a_terminal_is_the_same_value_without_bare_control_or_direction_signs() -> None:
    event = '{"eventName":"a\u009b2Jb\u202ec\x7f ü"}'

    shown = terminal_json(event)

    assert shown == '{"eventName":"a\\u009b2Jb\\u202ec\\u007f ü"}'
    assert json.loads(shown) == json.loads(event)


def test_an_error_sentence_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("no trail \x1b[2Jx\nsecond line")

    assert capsys.readouterr().err.endswith("no trail \\x1b[2Jx\nsecond line\n")


class Recorded(Context):
    """A home in which ``events`` stand, given out whole whatever is asked for."""

    events: list[str]

    def __init__(self, *events: str) -> None:
        super().__init__(Home(Path("unused")), None)
        object.__setattr__(self, "events", list(events))

    def run(self, command: str, **arguments: Any) -> dict[str, Any]:
        assert command == "lookup_events"
        rows = [{"event_id": event, "event_time": event} for event in sorted(self.events, reverse=True)]
        return {"events": rows, "next_token": ""}


def test_following_shows_what_comes_and_nothing_that_the_first_lookup_left_out() -> None:
    home = Recorded("1", "2", "3")
    search = Search(home, [], None, None, "us-east-1")

    follower = Follower(search)
    home.events.append("4")
    follower.skip(islice(search.rows(), 1))
    home.events.append("5")

    assert [row["event_id"] for row in follower.fresh()] == ["5"]
    assert follower.fresh() == []


def test_an_event_that_came_before_the_first_lookup_but_was_not_in_it_is_followed() -> None:
    home = Recorded("1")
    follower = Follower(Search(home, [], None, None, "us-east-1"))

    home.events.append("0")

    assert [row["event_id"] for row in follower.fresh()] == ["0"]


class Named(Context):
    """A home with one event on record under two names of one resource, and one of another under the second."""

    def __init__(self) -> None:
        super().__init__(Home(Path("unused")), None)

    def run(self, command: str, **arguments: Any) -> dict[str, Any]:
        if command == "resource_spellings":
            return {"spellings": [arguments["name"], f"arn:{arguments['name']}"]}
        (key, name), *_ = arguments["attributes"]
        assert key == "ResourceName"
        events = {"bob": ["2"], "arn:bob": ["3", "2"]}[name]
        return {"events": [{"event_id": event, "event_time": "noon"} for event in events], "next_token": ""}


def test_a_resource_is_found_under_each_of_its_names_and_each_event_once() -> None:
    search = Search(Named(), [], None, None, "us-east-1", resource="bob")

    assert sorted(row["event_id"] for row in search.rows()) == ["2", "3"]


def test_settings_as_json_hide_secrets_and_name_origins(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[upstream]\nsecret_access_key = "hunter2"\n')

    result = CliRunner().invoke(
        app, ["--home", str(tmp_path), "settings", "--json"], env={"OPENTRAIL_REGION": "eu-west-1"}
    )

    settings = {entry["name"]: entry for entry in json.loads(result.output)["settings"]}
    assert (settings["region"]["value"], settings["region"]["origin"]) == ("eu-west-1", "OPENTRAIL_REGION")
    assert settings["upstream.secret_access_key"]["value"] == "(hidden)"
    assert "hunter2" not in result.output
