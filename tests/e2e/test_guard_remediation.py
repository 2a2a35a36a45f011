"""The guard puts a trail right on a running server, also after a restart, until somebody insists."""

from functools import partial
from typing import Any

import orjson
import pytest

from opentrail.admin.guarding.enabling import REMEDIATION_ROLE
from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

READS_ALONE = [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]


def is_logging(trails: Any) -> bool:
    return bool(trails.get_trail_status(Name="main")["IsLogging"])


def selectors(trails: Any) -> Any:
    return trails.get_event_selectors(TrailName="main")["EventSelectors"]


def is_in_alarm(server: RunningServer, alarm: str) -> bool:
    name = f"opentrail-guard-tampering-{alarm}"
    [found] = client(server, "cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return bool(found["StateValue"] == "ALARM")


def test_a_trail_is_put_right_also_after_a_restart_until_somebody_insists(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "vault").returncode == 0
    trails = client(server, "cloudtrail")
    trails.create_trail(Name="main", S3BucketName="vault", IsMultiRegionTrail=True)
    trails.start_logging(Name="main")
    enabled = server.opentrail("guard", "enable", "tampering", "--remediate", "--yes")
    assert enabled.returncode == 0, enabled.stderr

    trails.stop_logging(Name="main")
    wait_until(lambda: is_logging(trails), "the trail to log again")
    before = selectors(trails)
    trails.put_event_selectors(TrailName="main", EventSelectors=READS_ALONE)
    wait_until(lambda: bool(selectors(trails) == before), "the selectors as they were")
    for alarm in ("LoggingStopped", "SelectorsNarrowed"):
        wait_until(partial(is_in_alarm, server, alarm), f"the alarm {alarm}")

    server.stop()
    server.start()
    trails = client(server, "cloudtrail")
    trails.stop_logging(Name="main")
    wait_until(lambda: is_logging(trails), "the trail to log once more")
    trails.stop_logging(Name="main")
    wait_until(lambda: "put right no more" in server.log.read_text(), "the guard to give way")
    assert not is_logging(trails)
    status = server.opentrail("guard", "status")
    assert (status.returncode, "is put right no more since" in status.stderr) == (1, True)

    recorded = [orjson.loads(line) for line in server.opentrail("lookup", "--json", "--max", "200").stdout.splitlines()]
    session = f"assumed-role/{REMEDIATION_ROLE}/opentrail-guard"
    calls = [event["eventName"] for event in recorded if session in event["userIdentity"].get("arn", "")]
    assert sorted(calls) == ["PutEventSelectors", "StartLogging", "StartLogging"]
    assert "TrailRemediationStopped" in {event["eventName"] for event in recorded}
