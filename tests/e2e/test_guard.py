"""The guard on a running server: a pack tried, switched on, set off by an attack, switched off."""

import re

import orjson
import pytest

from opentrail.guard.pack import read_pack
from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def guard(server: RunningServer, *arguments: str) -> str:
    finished = server.opentrail("guard", *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def states(server: RunningServer) -> dict[str, str]:
    [region] = orjson.loads(server.opentrail("guard", "status", "--json").stdout)
    return {rule["name"]: rule["state"] for rule in region["rules"]}


def test_a_pack_is_tried_switched_on_set_off_and_switched_off(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.opentrail("archive", "create", "vault").returncode == 0
    trails = client(server, "cloudtrail")
    trails.create_trail(Name="main", S3BucketName="vault", IsMultiRegionTrail=True)
    trails.start_logging(Name="main")
    trails.stop_logging(Name="main")
    trails.start_logging(Name="main")

    tried = server.opentrail("guard", "enable", "tampering", input_text="")
    assert re.search("LoggingStopped +1 +[01] +20", tried.stdout), "history has the call that stopped the trail"
    assert (tried.returncode, "nothing was changed" in tried.stderr) == (2, True)
    assert "CloudWatchLogsLogGroupArn" not in trails.describe_trails()["trailList"][0]

    guard(server, "enable", "tampering", "--yes")
    assert "Nothing to do" in guard(server, "enable", "tampering", "--yes")
    assert server.opentrail("archive", "set", "vault", "--retention-days", "4000", "--allow-weaker").returncode == 0
    trails.stop_logging(Name="main")
    wait_until(lambda: states(server)["LoggingStopped"] == "ALARM", "the alarm on the stopped trail")
    wait_until(lambda: states(server)["ArchiveTouched"] == "ALARM", "the alarm on the changed archive")
    trails.start_logging(Name="main")

    told_by = "LatestCloudWatchLogsDeliveryTime"
    wait_until(lambda: told_by in trails.get_trail_status(Name="main"), "the trail's status")

    guard(server, "enable", "cis", "--yes")

    size = len(read_pack("tampering").rules)
    gone = f"The pack tampering is off: {size} alarms and {size} metric filters are gone"
    assert gone in guard(server, "disable", "tampering", "--yes")
    assert states(server).keys() == {rule.name for rule in read_pack("cis").rules}
    recorded = server.opentrail("lookup", "--json", "--max", "500").stdout
    for name in ("PutMetricFilter", "PutMetricAlarm", "CreateTopic", "CreateLogGroup", "UpdateTrail", "DeleteAlarms"):
        assert f'"{name}"' in recorded, f"{name} is on record"
