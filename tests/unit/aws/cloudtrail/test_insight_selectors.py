from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.insight_selectors import (
    check_put_insight_selectors,
    get_insight_selectors,
    prepare_put_insight_selectors,
    put_insight_selectors,
)
from opentrail.aws.cloudtrail.trails import get_trail
from opentrail.ports.object_store import AccessRefused
from opentrail.resource.trail import Trail
from tests.builders import World, a_trail

CALL_RATE = {"InsightType": "ApiCallRateInsight"}
ERROR_RATE = {"InsightType": "ApiErrorRateInsight"}


async def world_with(**changes: Any) -> World:
    world = World()
    await world.put_trail(a_trail(**changes))
    return world


def basic(**members: Any) -> dict[str, Any]:
    return {"event_selectors": ({"ReadWriteType": "All", "IncludeManagementEvents": True} | members,)}


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"event_selectors": (), "advanced_event_selectors": ({"FieldSelectors": list(fields)},)}


async def put(world: World, *selectors: dict[str, Any], **members: Any) -> dict[str, Any]:
    parameters = {"TrailName": "main", "InsightSelectors": list(selectors)} | members
    check_put_insight_selectors(parameters)
    outcome = await put_insight_selectors(world.ports, world.call("PutInsightSelectors", parameters))
    await world.carry_out(outcome)
    assert outcome.weakens_record
    return outcome.output


async def get(world: World, **members: Any) -> dict[str, Any]:
    call = world.call("GetInsightSelectors", members or {"TrailName": "main"})
    return (await get_insight_selectors(world.ports, call)).output


async def test_selectors_are_kept_with_management_events_as_their_default() -> None:
    world = await world_with()

    put_output = await put(world, CALL_RATE, ERROR_RATE)

    expected = [selector | {"EventCategories": ["Management"]} for selector in (CALL_RATE, ERROR_RATE)]
    assert put_output == {"TrailARN": a_trail().arn, "InsightSelectors": expected}
    assert await get(world) == put_output


async def test_given_categories_replace_the_old_ones() -> None:
    selector = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}
    world = await world_with(**basic(DataResources=[selector]))
    await put(world, CALL_RATE)

    await put(world, CALL_RATE | {"EventCategories": ["Data"]})

    assert (await get(world))["InsightSelectors"] == [CALL_RATE | {"EventCategories": ["Data"]}]


async def test_empty_list_ends_insights() -> None:
    world = await world_with()
    await put(world, CALL_RATE)

    output = await put(world)

    assert output["InsightSelectors"] == []
    with pytest.raises(errors.InsightNotEnabledException):
        await get(world)


async def test_trail_says_whether_it_has_insight_selectors() -> None:
    world = await world_with()
    call = world.call("GetTrail", {"Name": "main"})

    before = (await get_trail(world.ports, call)).output["Trail"]["HasInsightSelectors"]
    await put(world, ERROR_RATE)
    after = (await get_trail(world.ports, call)).output["Trail"]["HasInsightSelectors"]

    assert (before, after) == (False, True)


@pytest.mark.parametrize(
    ("selectors", "logged"),
    [
        ([CALL_RATE], basic(ReadWriteType="ReadOnly")),
        ([CALL_RATE], basic(IncludeManagementEvents=False)),
        ([ERROR_RATE], basic(IncludeManagementEvents=False)),
        ([CALL_RATE | {"EventCategories": ["Data"]}], basic()),
        (
            [ERROR_RATE | {"EventCategories": ["Data"]}],
            basic(DataResources=[{"Type": "AWS::S3::Object", "Values": []}]),
        ),
        ([CALL_RATE], advanced({"Field": "eventCategory", "Equals": ["NetworkActivity"]})),
        (
            [CALL_RATE],
            advanced({"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["true"]}),
        ),
    ],
)
async def test_insights_on_what_the_trail_does_not_log_are_refused(
    selectors: list[dict[str, Any]], logged: dict[str, Any]
) -> None:
    world = await world_with(**logged)

    with pytest.raises(errors.InvalidInsightSelectorsException):
        await put(world, *selectors)


@pytest.mark.parametrize(
    ("selectors", "logged"),
    [
        ([ERROR_RATE], basic(ReadWriteType="ReadOnly")),
        ([CALL_RATE, ERROR_RATE], advanced({"Field": "eventCategory", "Equals": ["Management"]})),
        (
            [CALL_RATE | {"EventCategories": ["Data"]}],
            advanced({"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "readOnly", "Equals": ["true"]}),
        ),
    ],
)
async def test_insights_on_what_the_trail_logs_are_taken(
    selectors: list[dict[str, Any]], logged: dict[str, Any]
) -> None:
    world = await world_with(**logged)

    output = await put(world, *selectors)

    assert len(output["InsightSelectors"]) == len(selectors)


@pytest.mark.parametrize(
    ("selectors", "message"),
    [
        (
            [{"InsightType": "ApiCallVolume"}],
            "Value ApiCallVolume for InsightType is invalid. Valid values are: ApiCallRateInsight, ApiErrorRateInsight",
        ),
        ([{}], "Value  for InsightType is invalid. Valid values are: ApiCallRateInsight, ApiErrorRateInsight"),
        ([CALL_RATE, CALL_RATE], "ApiCallRateInsight is specified more than once."),
        (
            [CALL_RATE | {"EventCategories": ["Insight"]}],
            "Value Insight for EventCategories is invalid. Valid values are: Management, Data",
        ),
        ([CALL_RATE | {"EventCategories": ["Data", "Data"]}], "Data, Data is specified more than once."),
    ],
)
async def test_malformed_selectors_are_refused_ahead_of_the_models_own_constraints(
    selectors: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(errors.InvalidInsightSelectorsException) as refused:
        check_put_insight_selectors({"TrailName": "main", "InsightSelectors": selectors})

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({}, errors.InvalidParameterException),
        ({"EventDataStore": "99999999-9999-4999-8999-999999999999"}, errors.InvalidParameterException),
        ({"TrailName": "main", "EventDataStore": "store"}, errors.InvalidParameterCombinationException),
        ({"TrailName": "main", "InsightsDestination": "store"}, errors.InvalidParameterCombinationException),
        ({"TrailName": "nowhere"}, errors.TrailNotFoundException),
        ({"TrailName": "x"}, errors.InvalidTrailNameException),
        ({"TrailName": "arn:aws:s3:::logs"}, errors.CloudTrailARNInvalidException),
    ],
)
async def test_target_must_be_one_trail(members: dict[str, Any], error: type[Exception]) -> None:
    world = await world_with()

    with pytest.raises(error):
        await put_insight_selectors(world.ports, world.call("PutInsightSelectors", {"InsightSelectors": []} | members))
    with pytest.raises(error):
        await get_insight_selectors(world.ports, world.call("GetInsightSelectors", members))


async def test_insights_are_changed_from_the_home_region_only() -> None:
    world = await world_with(is_multi_region=True)
    parameters = {"TrailName": a_trail().arn, "InsightSelectors": [CALL_RATE]}

    with pytest.raises(errors.InvalidHomeRegionException):
        await put_insight_selectors(world.ports, world.call("PutInsightSelectors", parameters, region="eu-west-1"))


async def test_bucket_is_proved_to_take_insights_events() -> None:
    world = await world_with()
    call = world.call("PutInsightSelectors", {"TrailName": "main", "InsightSelectors": [CALL_RATE]})
    ending = world.call("PutInsightSelectors", {"TrailName": "main", "InsightSelectors": []})

    await prepare_put_insight_selectors(world.ports, call)
    world.bucket.failure = AccessRefused("AccessDenied", "Access Denied")
    with pytest.raises(errors.InsufficientS3BucketPolicyException):
        await prepare_put_insight_selectors(world.ports, call)
    await prepare_put_insight_selectors(world.ports, ending)
    world.bucket.failure = None
    await world.put_trail(a_trail(**basic(ReadWriteType="ReadOnly"), s3_key_prefix="elsewhere"))
    with pytest.raises(errors.InvalidInsightSelectorsException):
        await prepare_put_insight_selectors(world.ports, call)

    assert world.bucket.puts == ["AWSLogs/123456789012/CloudTrail-Insight/"]


def test_snapshot_of_a_trail_carries_them() -> None:
    trail = a_trail(insight_selectors=(CALL_RATE,), aggregation_configurations=({"EventCategory": "Data"},))

    assert Trail.from_json(trail.to_json()) == trail
