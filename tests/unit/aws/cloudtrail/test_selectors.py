from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.selectors import get_event_selectors, put_event_selectors
from opentrail.aws.service import Outcome
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.trail import Trail
from tests.builders import World, a_trail

ADVANCED = [{"Name": "writes", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
DEFAULT = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": True,
    "DataResources": [],
    "ExcludeManagementEventSources": [],
}


async def world_with(trail: Trail) -> World:
    world = World()
    await world.carry_out(Outcome(settings=(SettingsEntry(trail.arn, trail.to_json()),)))
    return world


async def put(world: World, **members: Any) -> dict[str, Any]:
    outcome = await put_event_selectors(world.ports, world.call("PutEventSelectors", {"TrailName": "main"} | members))
    assert outcome.weakens_record
    await world.carry_out(outcome)
    return outcome.output


async def get(world: World) -> dict[str, Any]:
    return (await get_event_selectors(world.ports, world.call("GetEventSelectors", {"TrailName": "main"}))).output


async def test_untouched_trail_has_the_default_selector() -> None:
    world = await world_with(a_trail())

    assert await get(world) == {"TrailARN": a_trail().arn, "EventSelectors": [DEFAULT]}


async def test_basic_selectors_are_kept_with_their_defaults() -> None:
    world = await world_with(a_trail())

    output = await put(world, EventSelectors=[{"ReadWriteType": "WriteOnly"}])

    assert output == {"TrailARN": a_trail().arn, "EventSelectors": [DEFAULT | {"ReadWriteType": "WriteOnly"}]}
    assert await get(world) == output


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly"}]}, {"selectors": "narrowed"}),
        ({"EventSelectors": [{}]}, {}),
        ({"AdvancedEventSelectors": ADVANCED}, {}),
    ],
)
async def test_the_call_s_record_says_whether_events_are_left_out_from_now_on(
    members: dict[str, Any], said: dict[str, str]
) -> None:
    world = await world_with(a_trail())

    outcome = await put_event_selectors(world.ports, world.call("PutEventSelectors", {"TrailName": "main"} | members))

    assert outcome.notes == said


async def test_each_kind_replaces_the_other() -> None:
    world = await world_with(a_trail())

    await put(world, AdvancedEventSelectors=ADVANCED)
    advanced = await get(world)
    await put(world, EventSelectors=[{}])

    assert advanced == {"TrailARN": a_trail().arn, "AdvancedEventSelectors": ADVANCED}
    assert (await get(world))["EventSelectors"] == [DEFAULT]


async def test_trail_with_put_selectors_says_so() -> None:
    world = await world_with(a_trail())

    await put(world, EventSelectors=[{}])

    trail = await world.trails.trail(a_trail().arn)
    assert trail is not None
    assert trail.has_custom_event_selectors


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"EventSelectors": [{}], "AdvancedEventSelectors": ADVANCED},
        {"EventSelectors": [{"DataResources": [{"Type": "AWS::Nothing::AtAll", "Values": ["x"]}]}]},
        {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "nonsense", "Equals": ["x"]}]}]},
    ],
)
async def test_selectors_against_the_rules_are_refused(members: dict[str, Any]) -> None:
    world = await world_with(a_trail())

    with pytest.raises(errors.InvalidEventSelectorsException):
        await put(world, **members)


async def test_selectors_are_put_in_the_home_region_only() -> None:
    world = await world_with(a_trail(is_multi_region=True))
    call = world.call("PutEventSelectors", {"TrailName": a_trail().arn, "EventSelectors": [{}]}, region="eu-west-1")

    with pytest.raises(errors.InvalidHomeRegionException):
        await put_event_selectors(world.ports, call)
