"""Insights and event configuration of event data stores: settings that are kept, answered and judged."""

from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors, lake_errors
from opentrail.aws.cloudtrail.event_configuration import get_event_configuration, put_event_configuration
from opentrail.aws.cloudtrail.event_data_stores import update_event_data_store
from opentrail.aws.cloudtrail.insight_selectors import get_insight_selectors, put_insight_selectors
from opentrail.errors import AwsError
from opentrail.event.encoding import decode_event, encode_event
from opentrail.ports.journal import EventEntry
from opentrail.resource.event_data_store import EventDataStore, Status, event_data_store_arn
from tests.builders import ACCOUNT, REGION, World, an_event
from tests.memory.lake_table import InMemoryLakeTable
from tests.unit.pipeline.test_lake_delivery import a_store, put_store

INSIGHT = event_data_store_arn(REGION, ACCOUNT, "22222222-2222-4222-8222-222222222222")
CALLS = {"InsightType": "ApiCallRateInsight", "EventCategories": ["Management"]}
NOBODY = "99999999-9999-4999-8999-999999999999"


def of_category(category: str) -> tuple[dict[str, Any], ...]:
    return ({"FieldSelectors": [{"Field": "eventCategory", "Equals": [category]}]},)


DESTINATION = a_store(arn=INSIGHT, name="insights", advanced_event_selectors=of_category("Insight"))


async def world_with(*stores: EventDataStore) -> World:
    world = World()
    for store in stores or (a_store(), DESTINATION):
        await put_store(world, store)
    return world


async def put_insights(world: World, **members: Any) -> dict[str, Any]:
    outcome = await put_insight_selectors(world.ports, world.call("PutInsightSelectors", members))
    await world.carry_out(outcome)
    assert outcome.weakens_record
    return outcome.output


async def get_insights(world: World) -> dict[str, Any]:
    call = world.call("GetInsightSelectors", {"EventDataStore": a_store().arn})
    return (await get_insight_selectors(world.ports, call)).output


async def configure(world: World, **members: Any) -> dict[str, Any]:
    members = {"EventDataStore": a_store().id, **members}
    outcome = await put_event_configuration(world.ports, world.call("PutEventConfiguration", members))
    await world.carry_out(outcome)
    return outcome.output


async def test_insights_of_a_store_go_to_a_store_of_insights() -> None:
    world = await world_with()

    output = await put_insights(
        world, EventDataStore=a_store().id, InsightsDestination=INSIGHT, InsightSelectors=[CALLS]
    )

    assert output == {"EventDataStoreArn": a_store().arn, "InsightsDestination": INSIGHT, "InsightSelectors": [CALLS]}
    assert await get_insights(world) == output


async def test_empty_list_ends_the_insights_of_a_store() -> None:
    world = await world_with()
    await put_insights(world, EventDataStore=a_store().arn, InsightsDestination=INSIGHT, InsightSelectors=[CALLS])

    output = await put_insights(world, EventDataStore=a_store().arn, InsightSelectors=[])

    assert output == {"EventDataStoreArn": a_store().arn, "InsightSelectors": []}
    with pytest.raises(errors.InsightNotEnabledException):
        await get_insights(world)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"EventDataStore": NOBODY}, errors.InvalidParameterException),
        ({"EventDataStore": INSIGHT}, errors.InvalidParameterException),
        ({"InsightsDestination": ""}, errors.InvalidParameterException),
        ({"InsightsDestination": a_store().arn}, errors.InvalidParameterException),
        ({"InsightsDestination": NOBODY}, errors.InvalidParameterException),
        (
            {"InsightSelectors": [{**CALLS, "EventCategories": ["Data"]}]},
            errors.InvalidInsightSelectorsException,
        ),
    ],
)
async def test_insights_that_no_store_has_are_refused(changes: dict[str, Any], error: type[AwsError]) -> None:
    world = await world_with()
    good = {"EventDataStore": a_store().arn, "InsightsDestination": INSIGHT, "InsightSelectors": [CALLS]}

    with pytest.raises(error):
        await put_insights(world, **good | changes)


async def test_insights_need_what_they_are_found_in() -> None:
    world = await world_with(a_store(advanced_event_selectors=of_category("Data")), DESTINATION)

    with pytest.raises(errors.InvalidInsightSelectorsException):
        await put_insights(world, EventDataStore=a_store().arn, InsightsDestination=INSIGHT, InsightSelectors=[CALLS])


async def test_store_with_insights_keeps_collecting_what_they_are_found_in() -> None:
    world = await world_with()
    await put_insights(world, EventDataStore=a_store().arn, InsightsDestination=INSIGHT, InsightSelectors=[CALLS])
    members = {"EventDataStore": a_store().arn, "AdvancedEventSelectors": list(of_category("NetworkActivity"))}
    members["AdvancedEventSelectors"][0]["FieldSelectors"].append(  # type: ignore[index]
        {"Field": "eventSource", "Equals": ["ec2.amazonaws.com"]}
    )

    with pytest.raises(errors.InvalidInsightSelectorsException):
        await update_event_data_store(world.ports, world.call("UpdateEventDataStore", members))


async def test_event_size_of_a_store_is_kept_and_answered() -> None:
    world = await world_with()
    call = world.call("GetEventConfiguration", {"EventDataStore": a_store().arn})
    first = (await get_event_configuration(world.ports, call)).output

    output = await configure(world, MaxEventSize="Large")

    assert first == {"EventDataStoreArn": a_store().arn, "MaxEventSize": "Standard", "ContextKeySelectors": []}
    assert output == first | {"MaxEventSize": "Large"}
    assert (await get_event_configuration(world.ports, call)).output == output
    assert await configure(world, ContextKeySelectors=[]) == output


USER_ID = {"Type": "RequestContext", "Equals": ["aws:userid"]}


async def test_context_keys_are_kept_and_what_is_collected_from_then_on_has_them() -> None:
    world = await world_with()
    before = an_event(eventID="before")
    await world.journal.append([EventEntry(encode_event(before))])

    output = await configure(world, MaxEventSize="Large", ContextKeySelectors=[USER_ID])
    await world.journal.append([EventEntry(encode_event(an_event(eventID="after")))])
    await world.lake.flush()

    assert output["ContextKeySelectors"] == [USER_ID]
    table = world.lake.table(a_store().arn)
    assert isinstance(table, InMemoryLakeTable)
    kept = {event["eventID"]: event for event in map(decode_event, table.records)}
    user_id = before["userIdentity"]["principalId"]
    assert kept["after"]["eventContext"] == {"requestContext": {"aws:userid": user_id}}
    assert "eventContext" not in kept["before"]
    assert (await configure(world, ContextKeySelectors=[]))["ContextKeySelectors"] == []


@pytest.mark.parametrize(
    ("store", "members", "error"),
    [
        (a_store(), {}, errors.InvalidParameterException),
        (a_store(), {"AggregationConfigurations": []}, errors.InvalidParameterCombinationException),
        (
            a_store(),
            {"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:PrincipalArn"]}]},
            errors.InvalidParameterCombinationException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:PrincipalOrgPaths"]}]},
            errors.OperationNotPermittedException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:PrincipalTag/team"]}]},
            errors.OperationNotPermittedException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [{"Type": "TagContext", "Equals": ["team"]}]},
            errors.OperationNotPermittedException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:NoSuchKey"]}]},
            errors.InvalidParameterException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [{"Type": "RequestContext", "Equals": ["aws:userid", "aws:userid"]}]},
            errors.InvalidParameterException,
        ),
        (
            a_store(is_large_event=True),
            {"ContextKeySelectors": [USER_ID, USER_ID]},
            errors.InvalidParameterException,
        ),
        (
            a_store(is_large_event=True, context_key_selectors=(USER_ID,)),
            {"MaxEventSize": "Standard"},
            errors.InvalidParameterCombinationException,
        ),
        (
            a_store(advanced_event_selectors=of_category("ActivityAuditLog")),
            {"MaxEventSize": "Large"},
            lake_errors.InvalidEventDataStoreCategoryException,
        ),
        (
            a_store(status=Status.PENDING_DELETION),
            {"MaxEventSize": "Large"},
            lake_errors.InactiveEventDataStoreException,
        ),
    ],
)
async def test_configuration_that_does_not_fit_the_store_is_refused(
    store: EventDataStore, members: dict[str, Any], error: type[AwsError]
) -> None:
    world = await world_with(store)

    with pytest.raises(error):
        await configure(world, **members)
