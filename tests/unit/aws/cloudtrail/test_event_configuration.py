from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.event_configuration import get_event_configuration, put_event_configuration
from tests.builders import World, a_trail

S3_DATA = ({"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]},)
AGGREGATION = {"EventCategory": "Data", "Templates": ["API_ACTIVITY", "USER_ACTIONS"]}


async def world_with(**changes: Any) -> World:
    world = World()
    await world.put_trail(a_trail(**{"event_selectors": S3_DATA} | changes))
    return world


async def put(world: World, **members: Any) -> dict[str, Any]:
    outcome = await put_event_configuration(world.ports, world.call("PutEventConfiguration", members))
    await world.carry_out(outcome)
    assert outcome.weakens_record
    return outcome.output


async def get(world: World, **members: Any) -> dict[str, Any]:
    return (await get_event_configuration(world.ports, world.call("GetEventConfiguration", members))).output


async def test_aggregations_are_kept_and_answered() -> None:
    world = await world_with()

    output = await put(world, TrailName="main", AggregationConfigurations=[AGGREGATION])

    assert output == {"TrailARN": a_trail().arn, "AggregationConfigurations": [AGGREGATION]}
    assert await get(world, TrailName=a_trail().arn) == output


async def test_empty_list_removes_aggregations() -> None:
    world = await world_with()
    await put(world, TrailName="main", AggregationConfigurations=[AGGREGATION])

    output = await put(world, TrailName="main", AggregationConfigurations=[])

    assert output["AggregationConfigurations"] == []
    assert await get(world, TrailName="main") == output


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"TrailName": "main"}, errors.InvalidParameterException),
        ({"TrailName": "main", "MaxEventSize": "Large"}, errors.InvalidParameterCombinationException),
        ({"TrailName": "main", "ContextKeySelectors": []}, errors.InvalidParameterCombinationException),
        (
            {"TrailName": "main", "AggregationConfigurations": [AGGREGATION | {"Templates": ["API_ACTIVITY"] * 2}]},
            errors.InvalidParameterException,
        ),
    ],
)
async def test_settings_that_no_trail_has_are_refused(members: dict[str, Any], error: type[Exception]) -> None:
    world = await world_with()

    with pytest.raises(error):
        await put(world, **members)


async def test_aggregation_needs_a_trail_that_logs_data_events() -> None:
    world = await world_with(event_selectors=({"ReadWriteType": "All"},))

    with pytest.raises(errors.InvalidParameterCombinationException):
        await put(world, TrailName="main", AggregationConfigurations=[AGGREGATION])
    removed = await put(world, TrailName="main", AggregationConfigurations=[])

    assert removed["AggregationConfigurations"] == []


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({}, errors.InvalidParameterException),
        ({"TrailName": "main", "EventDataStore": "x"}, errors.InvalidParameterCombinationException),
        ({"EventDataStore": "not one"}, errors.EventDataStoreARNInvalidException),
        ({"EventDataStore": "99999999-9999-4999-8999-999999999999"}, errors.EventDataStoreNotFoundException),
        (
            {
                "EventDataStore": "arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/"
                "99999999-9999-4999-8999-999999999999"
            },
            errors.EventDataStoreNotFoundException,
        ),
        ({"TrailName": "nowhere"}, errors.TrailNotFoundException),
    ],
)
async def test_target_must_be_one_trail(members: dict[str, Any], error: type[Exception]) -> None:
    world = await world_with()

    with pytest.raises(error):
        await put(world, **members, AggregationConfigurations=[])
    with pytest.raises(error):
        await get(world, **members)


async def test_configuration_is_changed_from_the_home_region_only() -> None:
    world = await world_with(is_multi_region=True)
    parameters = {"TrailName": a_trail().arn, "AggregationConfigurations": []}

    with pytest.raises(errors.InvalidHomeRegionException):
        await put_event_configuration(world.ports, world.call("PutEventConfiguration", parameters, region="eu-west-1"))
