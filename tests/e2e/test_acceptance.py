"""What users type, verbatim: the commands of ``acceptance/cli.txt`` in their order."""

import json
import shlex
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.clients import require_aws_cli
from tests.support.corpus import shared
from tests.support.server import RunningServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]  # a dozen commands, each two processes


def run(server: RunningServer, line: str, **variables: str) -> str:
    """Run one line in a shell under ``opentrail exec``, ``aws`` being the real one."""
    given = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    path = f"PATH={shlex.quote(str(Path(require_aws_cli()).parent))}:$PATH"
    finished = server.opentrail("exec", "--", "bash", "-c", "; ".join([path, *given, line]))
    assert finished.returncode == 0, (line, finished.stdout, finished.stderr)
    return finished.stdout


def test_published_commands_succeed_in_their_order(make_server: MakeServer) -> None:
    lines = shared("acceptance", "cli.txt").read_text().splitlines()
    server = make_server().start()
    run(server, "aws s3 mb s3://my-cloudtrail-bucket")
    answers: dict[str, str] = {}
    store = ""

    for line in filter(None, lines):
        answer = run(server, line, EDS_ID=store)
        operation = line.split()[2]
        answers[operation] = answer
        if operation == "create-event-data-store":
            store = json.loads(answer)["EventDataStoreArn"].rpartition("/")[2]

    assert json.loads(answers["create-trail"])["LogFileValidationEnabled"] is True
    assert json.loads(answers["get-trail-status"])["IsLogging"] is True
    assert "Events" in json.loads(answers["lookup-events"])
    assert {one["InsightType"] for one in json.loads(answers["put-insight-selectors"])["InsightSelectors"]} == {
        "ApiCallRateInsight",
        "ApiErrorRateInsight",
    }
    assert "Results requested for 2026-01-01T00:00:00Z" in answers["validate-logs"]
    query = json.loads(answers["start-query"])["QueryId"]
    described = json.loads(run(server, f"aws cloudtrail describe-query --query-id {query}"))
    assert described["QueryStatus"] in ("QUEUED", "RUNNING", "FINISHED")
    assert json.loads(run(server, "aws cloudtrail get-trail-status --name audit"))["IsLogging"] is False
