"""An application's own event, from a few lines of Python to an answer in SQL."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.e2e.conftest import MakeServer

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys
from opentrail.client import AuditLog

with AuditLog(sys.argv[1], source="orders.example.com") as audit:
    audit.record("CancelOrder", principal="anaya", request={"order": 7})
"""


def test_an_audit_event_of_a_python_program_is_found_in_sql(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server().start()
    selectors = '[{"FieldSelectors":[{"Field":"eventCategory","Equals":["ActivityAuditLog"]}]}]'
    made = server.aws("cloudtrail", "create-event-data-store", "--name", "app", "--advanced-event-selectors", selectors)
    store = orjson.loads(made.stdout)["EventDataStoreArn"]
    destination = f"Type=EVENT_DATA_STORE,Location={store}"
    named = ("--name", "app", "--source", "Custom", "--destinations", destination)
    channel = orjson.loads(server.aws("cloudtrail", "create-channel", *named).stdout)["ChannelArn"]
    program = tmp_path / "app.py"
    program.write_text(PROGRAM)

    done: subprocess.CompletedProcess[str] = server.opentrail("exec", "--", sys.executable, str(program), channel)
    answer = server.opentrail(
        "query", "SELECT eventData.eventName, eventData.userIdentity.principalId FROM app", "--csv"
    )

    assert done.returncode == 0, done.stderr
    assert "CancelOrder,anaya" in answer.stdout, answer.stderr
