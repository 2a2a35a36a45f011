"""`opentrail logs`: what is printed of a log group, and that following repeats nothing."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from opentrail.admin.log_reading import LogReading
from opentrail.cli import app
from opentrail.cli.console import Context
from opentrail.cli.logs import LogFollower, LogSearch, RowPrinter, trail_event
from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.ports.log_store import LogEvent
from opentrail.resource.log_group import LogGroup, LogStream
from tests.builders import ACCOUNT, NOON, REGION, World

NOON_MS = int(NOON.timestamp() * 1000)
CONTEXT = Context(Home(Path("/nowhere")), None)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.log_groups.create(LogGroup("g", ACCOUNT, REGION, "audit", NOON))
    for name in ("one", "two"):
        await made.log_groups.create_stream("g", LogStream(f"id-{name}", name, NOON))
    return made


async def put(world: World, message: str, offset: int = 0, stream: str = "one") -> None:
    await world.log_store.append("g", [LogEvent(f"id-{stream}", NOON_MS + offset, NOON_MS, message)])


def reading(world: World) -> LogReading:
    return LogReading(ACCOUNT, REGION, world.log_groups, world.log_store, world.clock)


async def messages(world: World, **how: Any) -> list[str]:
    answer = await reading(world).filter_log_events("audit", **how)
    return [event["message"] for event in answer["events"]]


async def test_a_page_is_chosen_by_pattern_time_and_stream(world: World) -> None:
    await put(world, '{"n": 1}')
    await put(world, '{"n": 2}', 1, "two")
    await put(world, "text", 2)

    assert await messages(world) == ['{"n": 1}', '{"n": 2}', "text"]
    assert await messages(world, pattern="{ $.n > 1 }") == ['{"n": 2}']
    assert await messages(world, start=NOON_MS + 1, end=NOON_MS + 2) == ['{"n": 2}']
    assert await messages(world, stream_prefix="t") == ['{"n": 2}']
    assert await messages(world, is_newest_first=True, limit=2) == ["text", '{"n": 2}']
    first = await reading(world).filter_log_events("audit", limit=2)
    assert await messages(world, after=tuple(first["next"])) == ["text"]


async def test_an_answer_is_bounded_and_a_huge_message_cut(world: World) -> None:
    await put(world, "x" * 400_000)
    await put(world, "y" * 400_000)
    await put(world, "\x01" * 400_000)

    first = await reading(world).filter_log_events("audit")
    second = await reading(world).filter_log_events("audit", after=tuple(first["next"]))
    third = await reading(world).filter_log_events("audit", after=tuple(second["next"]))

    shown = [[event["message"] for event in page["events"]] for page in (first, second, third)]
    assert [[message[0] for message in page] for page in shown] == [["x"], ["y"], ["\x01"]]
    assert shown[2][0].endswith("(cut: the API gives it whole)")


async def test_a_group_that_is_not_there_and_a_pattern_that_is_none_are_explained(world: World) -> None:
    with pytest.raises(OperatorError, match=r"no log group missing .* log groups there: audit"):
        await reading(world).filter_log_events("missing")
    with pytest.raises(OperatorError, match="Invalid metric filter pattern"):
        await reading(world).filter_log_events("audit", "{ $.a == 1 }")


def a_server(rows: list[dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """What stands in for the server: it answers ``rows`` in pages of two."""

    def run(self: Context, command: str, **arguments: Any) -> dict[str, Any]:
        assert command == "filter_log_events"
        ordered = sorted(rows, key=lambda row: row["id"], reverse=arguments["is_newest_first"])
        found = [row for row in ordered if row["timestamp"] >= arguments["start"]]
        if arguments["after"] is not None:
            last = next(number for number, row in enumerate(found) if row["id"] == arguments["after"])
            found = found[last + 1 :]
        return {"events": found[:2], "next": found[1]["id"] if len(found) > 2 else None}

    return run


def a_row(number: int, message: str) -> dict[str, Any]:
    return {"id": [NOON_MS + number, number], "timestamp": NOON_MS + number, "stream": "one", "message": message}


def test_following_shows_each_event_once_also_one_that_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [a_row(number, str(number)) for number in (1, 2, 4, 5)]
    monkeypatch.setattr(Context, "run", a_server(rows))
    follower = LogFollower(LogSearch(CONTEXT, "audit", "", NOON, None, "", "", ""))

    assert [row["message"] for row in follower.fresh()] == ["1", "2", "4", "5"]
    rows.append(a_row(3, "3"))
    assert [row["message"] for row in follower.fresh(NOON - timedelta(hours=1))] == ["3"]
    assert list(follower.fresh()) == []


def test_events_are_printed_oldest_first_and_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [a_row(number, f"\x1b[31m{number}") for number in range(5)]
    monkeypatch.setattr(Context, "run", a_server(rows))

    shown = CliRunner().invoke(app, ["logs", "filter", "audit", "--max", "3"])

    assert shown.exit_code == 0
    assert [line for line in shown.stdout.splitlines() if line.startswith("2026")] == [
        f"2026-11-20T12:00:00.00{number}Z one \\x1b[31m{number}" for number in (2, 3, 4)
    ]


def test_in_a_terminal_a_trail_s_events_are_a_table_and_others_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {
        "eventTime": "2026-11-20T12:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "CreateBucket",
        "userIdentity": {"type": "Root"},
        "sourceIPAddress": "192.0.2.7",
        "errorCode": "\x1b[31mAccessDenied",
        "requestParameters": {"bucketName": "photos"},
    }
    rows = [a_row(1, json.dumps(event)), a_row(2, "plain"), a_row(3, json.dumps(event))]

    for raw in (False, True):
        monkeypatch.setattr("opentrail.cli.logs.output", Console(force_terminal=True, width=140, no_color=True))
        RowPrinter(as_json=False, raw=raw).print(rows)
    table, _, raw_lines = capsys.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "").rpartition("2026")

    header, first, other, last = table.splitlines()[:4]
    assert header.split() == ["Time", "Event", "User", "From", "Result", "Resources"]
    assert first == last
    assert first.split()[:4] == ["2026-11-20T12:00:00Z", "s3:CreateBucket", "root", "192.0.2.7"]
    assert ("\\x1b[31mAccessDenied" in first, "photos" in first) == (True, True)
    assert other.endswith("Z one plain")
    assert '"eventName": "CreateBucket"' in raw_lines


@pytest.mark.parametrize(
    "message",
    [
        "text",
        "[1]",
        '{"eventTime": 1, "eventSource": "s", "eventName": "n"}',
        '{"eventTime": "t", "eventSource": "s", "eventName": "n", "userIdentity": "me"}',
        '{"eventTime": "t", "eventSource": "s", "eventName": "n", "errorCode": 5}',
    ],
)
def test_what_only_looks_like_a_trail_s_event_is_none(message: str) -> None:
    assert trail_event(message) is None


def test_events_are_printed_as_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "run", a_server([a_row(1, '{"a": "\u202e"}')]))

    shown = CliRunner().invoke(app, ["logs", "tail", "audit", "--since", "2026-01-01", "--json"])

    assert "\u202e" not in shown.stdout
    assert json.loads(shown.stdout) == {"timestamp": NOON_MS + 1, "stream": "one", "message": '{"a": "\u202e"}'}
