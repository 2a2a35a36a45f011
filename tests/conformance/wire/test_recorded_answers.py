"""CloudTrail's own answers, as they were recorded, against ours to the same calls: members, values and text forms.

Members that CloudTrail has added since a recording was made may be in ours beside those recorded.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from opentrail.aws.server import ApiServer
from opentrail.identity import Credential
from opentrail.resource.trail import Trail
from tests.builders import World, a_credential, a_root, an_archive
from tests.memory.archives import InMemoryArchives
from tests.support.api import api_server, call_cloudtrail

RECORDED = Path(__file__).parents[3] / ".." / "shared" / "corpus" / "conformance" / "c7n-recorded-responses"
NEWER = {"HasInsightSelectors", "IsOrganizationTrail", "RecursiveLogging"}
LEFT_OUT_OF_RECORDINGS = {"S3BucketName"}
SETTINGS = {
    "S3BucketName": "s3_bucket_name",
    "S3KeyPrefix": "s3_key_prefix",
    "IncludeGlobalServiceEvents": "includes_global_service_events",
    "IsMultiRegionTrail": "is_multi_region",
    "LogFileValidationEnabled": "is_log_file_validation_enabled",
    "CloudWatchLogsLogGroupArn": "cloud_watch_logs_log_group_arn",
    "CloudWatchLogsRoleArn": "cloud_watch_logs_role_arn",
    "KmsKeyId": "kms_key_id",
    "SnsTopicName": "sns_topic_name",
    "SnsTopicARN": "sns_topic_arn",
    "HasCustomEventSelectors": "has_custom_event_selectors",
    "IsOrganizationTrail": "is_organization",
}
"""Members of a recorded trail, and which of ours they are."""


def answers(operation: str) -> list[dict[str, Any]]:
    """Return what was recorded of an operation, without transport metadata."""
    if not RECORDED.exists():
        assert not os.environ.get("CI")
        return []
    paths = sorted(RECORDED.rglob(f"cloudtrail.{operation}_*.json"))
    bodies = [orjson.loads(path.read_bytes())["data"] for path in paths]
    return [{name: value for name, value in body.items() if name != "ResponseMetadata"} for body in bodies]


def recorded_trails() -> list[dict[str, Any]]:
    return [trail for answer in answers("DescribeTrails") for trail in answer["trailList"]]


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def trail_of(recorded: dict[str, Any]) -> Trail:
    account = account_of(recorded["TrailARN"])
    known = {ours: recorded[theirs] for theirs, ours in SETTINGS.items() if theirs in recorded}
    if recorded.get("IsOrganizationTrail"):
        known |= {"organization_id": "o-abcdefghij", "member_account_ids": (account,)}
    return Trail(
        **({"s3_bucket_name": "logs"} | known),
        arn=recorded["TrailARN"],
        name=recorded["Name"],
        account_id=account,
        home_region=recorded["HomeRegion"],
    )


async def served(account: str) -> tuple[World, ApiServer, Credential]:
    world = World(archives=InMemoryArchives(an_archive(account_id=account)))
    credential = a_credential(a_root(account))
    await world.identities.add_credential(credential)
    return world, api_server(world), credential


@pytest.mark.parametrize("recorded", recorded_trails(), ids=lambda trail: trail["Name"])
async def test_described_trail_has_the_recorded_members(recorded: dict[str, Any]) -> None:
    world, server, credential = await served(account_of(recorded["TrailARN"]))
    await world.put_trail(trail_of(recorded))
    signing = {"credential": credential, "region": recorded["HomeRegion"]}

    _, output = await call_cloudtrail(server, world, "DescribeTrails", **signing)

    shown = output["trailList"][0]
    assert {name: shown[name] for name in recorded} == recorded
    assert set(shown) - set(recorded) <= NEWER | LEFT_OUT_OF_RECORDINGS


@pytest.mark.parametrize("recorded", answers("GetTrailStatus"))
async def test_status_has_the_recorded_members_and_texts(recorded: dict[str, Any]) -> None:
    world, server, credential = await served("644160558196")
    deliveries = {name: value for name, value in recorded.items() if name.startswith("Latest")}
    texts = {name: value for name, value in deliveries.items() if isinstance(value, str)}
    times = dict.fromkeys(deliveries.keys() - texts.keys(), "2026-11-20T12:00:00Z")
    trail = Trail(
        arn="arn:aws:cloudtrail:us-east-1:644160558196:trail/main",
        name="main",
        account_id="644160558196",
        home_region="us-east-1",
        s3_bucket_name="logs",
        is_logging=recorded["IsLogging"],
        logging_started_at=moment(recorded["TimeLoggingStarted"]),
        logging_stopped_at=moment(recorded["TimeLoggingStopped"]),
    )
    await world.put_trail(trail)
    await world.delivery_log.set_status(trail.arn, "us-east-1", texts | times)

    _, status = await call_cloudtrail(server, world, "GetTrailStatus", {"Name": "main"}, credential=credential)

    assert set(status) == set(recorded)
    for name, value in recorded.items():
        if isinstance(value, str | bool):
            assert status[name] == value
        else:
            assert isinstance(status[name], int | float), name


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize("recorded", [*answers("PutEventSelectors"), *answers("GetEventSelectors")])
async def test_recorded_selectors_are_taken_and_answered_alike(recorded: dict[str, Any]) -> None:
    account, name = account_of(recorded["TrailARN"]), recorded["TrailARN"].rpartition("/")[2]
    region = recorded["TrailARN"].split(":")[3]
    world, server, credential = await served(account)
    await world.put_trail(Trail(recorded["TrailARN"], name, account, region, "logs"))
    signing: dict[str, Any] = {"credential": credential, "region": region}
    kind = "AdvancedEventSelectors" if "AdvancedEventSelectors" in recorded else "EventSelectors"

    parameters = {"TrailName": name, kind: recorded[kind]}
    response, put = await call_cloudtrail(server, world, "PutEventSelectors", parameters, **signing)
    _, got = await call_cloudtrail(server, world, "GetEventSelectors", {"TrailName": name}, **signing)

    assert response.status == 200, put
    expected = [({"ExcludeManagementEventSources": []} if kind == "EventSelectors" else {}) | s for s in recorded[kind]]
    assert put == got == {"TrailARN": recorded["TrailARN"], kind: expected}


@pytest.mark.parametrize("recorded", answers("CreateTrail"))
async def test_recorded_creation_is_answered_alike(recorded: dict[str, Any]) -> None:
    world, server, credential = await served(account_of(recorded["TrailARN"]))
    parameters = {
        "Name": recorded["Name"],
        "S3BucketName": "logs",
        "S3KeyPrefix": recorded.get("S3KeyPrefix", ""),
        "IsMultiRegionTrail": recorded["IsMultiRegionTrail"],
        "EnableLogFileValidation": recorded["LogFileValidationEnabled"],
    }

    _, output = await call_cloudtrail(server, world, "CreateTrail", parameters, credential=credential)

    assert without_newer(output) == recorded | {"S3BucketName": "logs"}


@pytest.mark.parametrize("recorded", answers("UpdateTrail"))
async def test_recorded_update_that_removes_a_topic_is_answered_alike(recorded: dict[str, Any]) -> None:
    account, name = account_of(recorded["TrailARN"]), recorded["Name"]
    world, server, credential = await served(account)
    await world.put_trail(Trail(recorded["TrailARN"], name, account, "us-east-1", recorded["S3BucketName"]))
    parameters = {"Name": name, "SnsTopicName": "", "IsMultiRegionTrail": True}

    _, output = await call_cloudtrail(server, world, "UpdateTrail", parameters, credential=credential)

    assert without_newer(output) == recorded


def without_newer(output: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in output.items() if name not in NEWER}
