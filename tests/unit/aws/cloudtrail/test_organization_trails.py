"""Organization trails through the API: whose they are, who sees them, who may touch them."""

from typing import Any

import pytest

from opentrail.aws import cloudtrail
from opentrail.aws.cloudtrail import errors
from opentrail.ports.object_store import AccessRefused
from tests.builders import AUDIT, DEV, MANAGEMENT, World, a_credential, a_root, an_organization

ARN = f"arn:aws:cloudtrail:us-east-1:{MANAGEMENT}:trail/all"
OUTSIDER = "999999999999"
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("UpdateTrail", {"Name": ARN}),
    ("UpdateTrail", {"Name": ARN, "IsOrganizationTrail": False}),
    ("DeleteTrail", {"Name": ARN}),
    ("StartLogging", {"Name": ARN}),
    ("StopLogging", {"Name": ARN}),
    ("PutEventSelectors", {"TrailName": ARN, "EventSelectors": [{"ReadWriteType": "All"}]}),
    ("PutInsightSelectors", {"TrailName": ARN, "InsightSelectors": []}),
    ("AddTags", {"ResourceId": ARN, "TagsList": [{"Key": "team", "Value": "audit"}]}),
    ("RemoveTags", {"ResourceId": ARN, "TagsList": [{"Key": "team"}]}),
]
LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("GetTrail", {"Name": ARN}),
    ("GetTrailStatus", {"Name": ARN}),
    ("GetEventSelectors", {"TrailName": ARN}),
    ("ListTags", {"ResourceIdList": [ARN]}),
]


@pytest.fixture
async def world() -> World:
    """An organization with one trail, ``all``, made by the management account."""
    world = World(organization=an_organization())
    await call(world, "CreateTrail", {"Name": "all", "S3BucketName": "logs", "IsOrganizationTrail": True})
    return world


async def call(
    world: World, operation: str, parameters: dict[str, Any] | None = None, *, by: str = MANAGEMENT, region: str = ""
) -> Any:
    """Make a call as the Root of an account, with all that the server does for it."""
    where = {"region": region} if region else {}
    made = world.call(operation, parameters, credential=a_credential(a_root(by)), **where)
    handler = cloudtrail.SERVICE.handlers[operation]
    if handler.prepare is not None:
        made = await handler.prepare(world.ports, made)
    outcome = await handler.run(world.ports, made)
    await world.carry_out(outcome)
    return outcome.output


async def test_an_organization_trail_delivers_below_the_organization_s_id(world: World) -> None:
    trail = await world.trails.trail(ARN)

    assert trail is not None
    assert (trail.is_organization, trail.organization_id) == (True, "o-exampleorgid")
    assert trail.account_ids == tuple(sorted([MANAGEMENT, AUDIT, DEV]))
    assert (await call(world, "GetTrail", {"Name": "all"}))["Trail"]["IsOrganizationTrail"] is True


async def test_the_bucket_is_asked_for_the_organization_s_path() -> None:
    world = World(organization=an_organization())
    asked = []

    async def check_delivery(marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        asked.append((marker_key, trail_arn))
        if "/o-exampleorgid/" in marker_key:
            raise AccessRefused("AccessDenied", "no")

    world.bucket.check_delivery = check_delivery  # type: ignore[method-assign]
    ordinary = {"Name": "own", "S3BucketName": "logs", "S3KeyPrefix": "p"}
    await call(world, "CreateTrail", ordinary)

    with pytest.raises(errors.InsufficientS3BucketPolicyException):
        await call(world, "CreateTrail", ordinary | {"Name": "all", "IsOrganizationTrail": True})
    with pytest.raises(errors.InsufficientS3BucketPolicyException):
        await call(world, "UpdateTrail", {"Name": "own", "IsOrganizationTrail": True})

    assert asked[1] == (f"p/AWSLogs/o-exampleorgid/{MANAGEMENT}/CloudTrail/", ARN)
    assert await world.trails.trail(ARN) is None


async def test_a_delegated_administrator_s_trail_is_the_management_account_s() -> None:
    world = World(organization=an_organization())

    made = await call(
        world, "CreateTrail", {"Name": "all", "S3BucketName": "logs", "IsOrganizationTrail": True}, by=AUDIT
    )

    assert made["TrailARN"] == ARN
    assert [trail["Name"] for trail in (await call(world, "ListTrails"))["Trails"]] == ["all"]
    with pytest.raises(errors.TrailNotFoundException):
        await call(world, "StartLogging", {"Name": "all"}, by=AUDIT)
    await call(world, "StartLogging", {"Name": ARN}, by=AUDIT)
    assert (await call(world, "GetTrailStatus", {"Name": "all"}))["IsLogging"] is True


async def test_a_delegated_administrator_s_own_trails_are_its_own(world: World) -> None:
    made = await call(world, "CreateTrail", {"Name": "own", "S3BucketName": "logs"}, by=AUDIT)

    assert made["TrailARN"] == f"arn:aws:cloudtrail:us-east-1:{AUDIT}:trail/own"
    assert made["IsOrganizationTrail"] is False
    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, "UpdateTrail", {"Name": "own", "IsOrganizationTrail": True}, by=AUDIT)


async def test_only_administrators_make_organization_trails(world: World) -> None:
    asked = {"Name": "mine", "S3BucketName": "logs", "IsOrganizationTrail": True}

    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, "CreateTrail", asked, by=DEV)
    with pytest.raises(errors.OrganizationsNotInUseException):
        await call(world, "CreateTrail", asked, by=OUTSIDER)
    with pytest.raises(errors.OrganizationsNotInUseException):
        await call(World(), "CreateTrail", asked)


async def test_a_name_is_taken_for_all_who_may_make_it(world: World) -> None:
    with pytest.raises(errors.TrailAlreadyExistsException, match=f"all already exists for customer: {MANAGEMENT}"):
        await call(world, "CreateTrail", {"Name": "all", "S3BucketName": "logs", "IsOrganizationTrail": True}, by=AUDIT)


@pytest.mark.parametrize(("operation", "parameters"), CHANGES)
async def test_members_cannot_touch_it(world: World, operation: str, parameters: dict[str, Any]) -> None:
    before = await world.trails.trail(ARN)

    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, operation, parameters, by=DEV)

    assert await world.trails.trail(ARN) == before


@pytest.mark.parametrize(("operation", "parameters"), LOOKS)
async def test_members_see_it_by_its_arn(world: World, operation: str, parameters: dict[str, Any]) -> None:
    assert await call(world, operation, parameters, by=DEV) == await call(world, operation, parameters)
    with pytest.raises((errors.TrailNotFoundException, errors.ResourceNotFoundException)):
        await call(world, operation, parameters, by=OUTSIDER)


async def test_members_do_not_see_it_by_its_name_alone(world: World) -> None:
    for operation in ("GetTrail", "GetTrailStatus", "StopLogging"):
        with pytest.raises(errors.TrailNotFoundException):
            await call(world, operation, {"Name": "all"}, by=DEV)


async def test_it_is_listed_in_every_member_account_as_a_shadow(world: World) -> None:
    await call(world, "CreateTrail", {"Name": "own", "S3BucketName": "logs"}, by=DEV)

    shown = (await call(world, "DescribeTrails", by=DEV))["trailList"]
    own = (await call(world, "DescribeTrails", {"includeShadowTrails": False}, by=DEV))["trailList"]

    assert [(trail["Name"], trail["HomeRegion"]) for trail in shown] == [("all", "us-east-1"), ("own", "us-east-1")]
    assert [trail["Name"] for trail in own] == ["own"]
    assert (await call(world, "ListTrails", by=DEV))["Trails"][0]["TrailARN"] == ARN
    assert (await call(world, "DescribeTrails", {"trailNameList": [ARN]}, by=DEV))["trailList"][0]["Name"] == "all"
    assert (await call(world, "DescribeTrails", by=OUTSIDER))["trailList"] == []
    assert (await call(world, "DescribeTrails", by=DEV, region="eu-west-1"))["trailList"] == []


async def test_an_ordinary_trail_of_the_management_account_stays_unseen(world: World) -> None:
    await call(world, "CreateTrail", {"Name": "private", "S3BucketName": "logs"})

    assert [trail["Name"] for trail in (await call(world, "ListTrails", by=DEV))["Trails"]] == ["all"]


@pytest.mark.parametrize("by", [MANAGEMENT, AUDIT])
async def test_administrators_change_it_without_leaving_the_organization(world: World, by: str) -> None:
    changed = await call(world, "UpdateTrail", {"Name": ARN, "EnableLogFileValidation": True}, by=by)

    assert (changed["LogFileValidationEnabled"], changed["IsOrganizationTrail"]) == (True, True)


async def test_the_management_account_turns_it_into_a_trail_of_its_own_and_back(world: World) -> None:
    alone = await call(world, "UpdateTrail", {"Name": "all", "IsOrganizationTrail": False})
    seen_alone = (await call(world, "ListTrails", by=DEV))["Trails"]
    with pytest.raises(errors.TrailNotFoundException):  # an ordinary trail of another account
        await call(world, "UpdateTrail", {"Name": ARN, "IsOrganizationTrail": True}, by=AUDIT)
    again = await call(world, "UpdateTrail", {"Name": "all", "IsOrganizationTrail": True})

    assert (alone["IsOrganizationTrail"], again["IsOrganizationTrail"]) == (False, True)
    assert seen_alone == []
    assert [trail["Name"] for trail in (await call(world, "ListTrails", by=DEV))["Trails"]] == ["all"]


async def test_a_delegated_administrator_cannot_take_the_trail_from_the_organization(world: World) -> None:
    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, "UpdateTrail", {"Name": ARN, "IsOrganizationTrail": False}, by=AUDIT)
