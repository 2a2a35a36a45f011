from datetime import timedelta
from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.lookup import ATTRIBUTES_PER_LOOKUP, check_lookup_events, lookup_events
from opentrail.event.encoding import encode_event
from opentrail.ports.event_history import HistoryEvent, LookupKey
from opentrail.ports.journal import START
from tests.builders import ACCOUNT, NOON, World, an_event


def attribute(key: str, value: str) -> dict[str, str]:
    return {"AttributeKey": key, "AttributeValue": value}


async def world_with(*names: str, region: str = "us-east-1") -> World:
    world = World()
    world.clock.advance(3600)
    events = []
    for number, name in enumerate(names):
        event_id = f"00000000-0000-4000-8000-{number:012d}"
        moment = NOON + timedelta(seconds=number)
        event = an_event(name, eventID=event_id, eventTime=moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        attributes = ((LookupKey.EVENT_NAME, name), (LookupKey.USERNAME, "anaya"))
        events.append(HistoryEvent(event, ACCOUNT, region, event_id, moment, attributes))
    await world.history.store(events, START)
    return world


async def lookup(world: World, **parameters: Any) -> dict[str, Any]:
    check_lookup_events(parameters)
    return (await lookup_events(world.ports, world.call("LookupEvents", parameters))).output


async def test_events_come_newest_first_with_the_members_of_the_model() -> None:
    world = await world_with("CreateUser", "DeleteUser")

    output = await lookup(world)

    newest = output["Events"][0]
    assert [event["EventName"] for event in output["Events"]] == ["DeleteUser", "CreateUser"]
    assert newest["EventTime"] == NOON + timedelta(seconds=1)
    assert (newest["Username"], newest["ReadOnly"], newest["EventSource"]) == ("anaya", "false", "iam.amazonaws.com")
    assert newest["CloudTrailEvent"].encode() == encode_event(
        an_event("DeleteUser", eventID=newest["EventId"], eventTime="2026-11-20T12:00:01Z")
    )
    assert "NextToken" not in output


async def test_all_given_attributes_must_hold() -> None:
    world = await world_with("CreateUser", "DeleteUser")

    both = await lookup(world, LookupAttributes=[attribute("EventName", "CreateUser"), attribute("Username", "anaya")])
    neither = await lookup(world, LookupAttributes=[attribute("EventName", "CreateUser"), attribute("Username", "bob")])

    assert [event["EventName"] for event in both["Events"]] == ["CreateUser"]
    assert neither["Events"] == []


async def test_pages_cover_every_event_once() -> None:
    world = await world_with(*(f"Op{number}" for number in range(7)))
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = await lookup(world, MaxResults=3, **token)
        seen += [event["EventName"] for event in page["Events"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert seen == [f"Op{number}" for number in reversed(range(7))]


async def test_token_of_another_lookup_is_refused() -> None:
    world = await world_with("A", "B", "C")
    token = (await lookup(world, MaxResults=1))["NextToken"]

    with pytest.raises(errors.InvalidNextTokenException):
        await lookup(world, MaxResults=1, NextToken=token, LookupAttributes=[attribute("EventName", "A")])
    with pytest.raises(errors.InvalidNextTokenException):
        await lookup(world, NextToken="garbage")


async def test_times_are_inclusive() -> None:
    world = await world_with("A", "B", "C")

    output = await lookup(world, StartTime=NOON + timedelta(seconds=1), EndTime=NOON + timedelta(seconds=1))

    assert [event["EventName"] for event in output["Events"]] == ["B"]


async def test_other_regions_and_accounts_see_nothing() -> None:
    world = await world_with("A", region="eu-west-1")

    assert (await lookup(world))["Events"] == []


async def test_insight_category_finds_no_management_events() -> None:
    world = await world_with("A")

    assert (await lookup(world, EventCategory="insight"))["Events"] == []


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"MaxResults": 51}, errors.InvalidMaxResultsException),
        ({"MaxResults": 0}, errors.InvalidMaxResultsException),
        ({"EventCategory": "data"}, errors.InvalidEventCategoryException),
        ({"LookupAttributes": [attribute("eventname", "A")]}, errors.InvalidLookupAttributesException),
        ({"LookupAttributes": [attribute("EventName", "")]}, errors.InvalidLookupAttributesException),
        ({"LookupAttributes": [{"AttributeKey": "EventName"}]}, errors.InvalidLookupAttributesException),
        ({"LookupAttributes": [attribute("Username", "x" * 2001)]}, errors.InvalidLookupAttributesException),
        ({"LookupAttributes": [attribute("Username", "_" * 1001)]}, errors.InvalidLookupAttributesException),
        (
            {"EventCategory": "insight", "LookupAttributes": [attribute("Username", "anaya")]},
            errors.InvalidLookupAttributesException,
        ),
        (
            {"LookupAttributes": [attribute("Username", "anaya")] * (ATTRIBUTES_PER_LOOKUP + 1)},
            errors.InvalidLookupAttributesException,
        ),
        ({"StartTime": NOON, "EndTime": NOON - timedelta(seconds=1)}, errors.InvalidTimeRangeException),
    ],
)
async def test_lookup_that_makes_no_sense_is_refused(parameters: dict[str, Any], error: type[Exception]) -> None:
    world = await world_with("A")

    with pytest.raises(error):
        await lookup(world, **parameters)
