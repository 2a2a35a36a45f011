"""``opentrail replay`` on a running server and on a home without one, over Event history and an event data store."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.e2e.test_first_steps import must
from tests.support.server import RunningServer

pytestmark = pytest.mark.e2e

REFUSED = '{ $.errorCode = "*NotFound*" }'


def report(server: RunningServer, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = server.opentrail("replay", *arguments, "--json")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_rules_are_replayed_over_history_and_a_store_with_and_without_a_server(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server().start()
    must(server, "cloudtrail", "create-event-data-store", "--name", "audit", "--no-termination-protection-enabled")
    for name in ("one", "two"):
        assert server.aws("cloudtrail", "get-trail", "--name", name).returncode != 0

    deadline = time.monotonic() + 20
    asked = report(server, REFUSED, "--threshold", "2", "--period", "60")[1]
    while asked["Rules"][0]["Matches"] < 2 and time.monotonic() < deadline:
        asked = report(server, REFUSED, "--threshold", "2", "--period", "60")[1]
    _, stored = report(server, REFUSED, "EventName=GetTrail", "--event-data-store", "audit", "--since", "1h")
    file = tmp_path / "replay.html"
    shown = server.opentrail("replay", f"refused={REFUSED}", "--html", str(file), "--explain")
    code, nothing = report(server, "EventName=NeverCalled")
    wrong = server.opentrail("replay", "{ $.errorCode = ")

    assert asked["Rules"][0]["Matches"] == 2
    assert [rule["Matches"] for rule in stored["Rules"]] == [2, 2]
    assert stored["Source"].startswith("arn:aws:cloudtrail:")
    assert "2 matches in" in shown.stdout
    assert "cloudtrail:GetTrail" in shown.stdout
    assert file.read_text().startswith("<!doctype html>")
    assert (code, nothing["Rules"][0]["Matches"]) == (1, 0)
    assert wrong.returncode == 2
    assert "is not valid" in wrong.stderr

    server.stop()
    _, alone = report(server, REFUSED)
    _, store_alone = report(server, REFUSED, "--event-data-store", "audit")
    assert alone["Rules"][0]["Matches"] == store_alone["Rules"][0]["Matches"] == 2
