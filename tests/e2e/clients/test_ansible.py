"""An Ansible play with modules of amazon.aws, unmodified."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.clients.stage import (
    ACCOUNT,
    Stage,
    assert_recorded,
    parameters_of,
    user_identity,
)
from tests.support.clients import require_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PLAY = Path(__file__).parent / "programs" / "play.yml"
USER = "play-user"
ARN = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/play-trail"


def play(stage: Stage, folder: Path) -> Any:
    """Run the play; return what it saw."""
    (folder / "source").write_bytes(bytes(range(256)) * 1000)
    stage.run(
        [
            *(require_library("ansible-playbook"), str(PLAY), "-i", "localhost,"),
            *("-e", f"ansible_python_interpreter={require_library('python')}"),
            *("-e", f"source={folder / 'source'}", "-e", f"target={folder / 'target'}"),
            *("-e", f"report={folder / 'report'}"),
        ],
        USER,
        ANSIBLE_LOCALHOST_WARNING="False",
        ANSIBLE_RETRY_FILES_ENABLED="False",
    )
    return orjson.loads((folder / "report").read_bytes())


def test_a_play_makes_changes_and_removes_and_every_call_is_on_record(stage: Stage, tmp_path: Path) -> None:
    stage.make_user(USER, "AWSCloudTrail_FullAccess")
    assert stage.server.opentrail("archive", "create", "play-archive").returncode == 0
    mark = stage.mark()

    told = play(stage, tmp_path)
    events = mark.events()

    assert told["arn"] == user_identity(USER)[1]
    assert (told["same_bucket"], told["same_trail"]) == (False, False)
    assert told["trail"]["trail_arn"] == ARN
    [about] = told["about"]
    assert (about["name"], about["is_multi_region_trail"], about["is_logging"]) == ("play-trail", True, False)
    assert about["tags"] == {"team": "security"}
    assert (tmp_path / "target").read_bytes() == (tmp_path / "source").read_bytes()
    assert_recorded(mark, events, USER)
    own = [event for event in events if event["eventSource"].startswith(("cloudtrail.", "sts."))]
    assert mark.assert_unchanged() == len(mark.sent()) - len(own)
    changes = [event["eventName"] for event in own if not event["readOnly"]]
    assert changes == ["CreateTrail", "StartLogging", "UpdateTrail", "StopLogging", "AddTags", "DeleteTrail"]
    [created] = parameters_of(events, "CreateTrail")
    assert created["name"] == "play-trail"
    assert parameters_of(events, "CreateVpc")[0]["cidrBlock"] == "10.7.0.0/16"
    assert parameters_of(events, "CreateRole")[0]["roleName"] == "play-role"
    assert parameters_of(events, "PutMetricAlarm")[0]["alarmName"] == "play-alarm"
    assert parameters_of(events, "PutObject")[0]["key"] == "folder/from-a-play"
    assert parameters_of(events, "CreateUser")[0]["userName"] == "play-made"
    assert parameters_of(events, "DeleteRole") == [{"roleName": "play-role"}]
