"""Buses, rules, targets, tags and PutEvents as callers see them: answers, refusals, pages, what reaches the journal."""

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from opentrail.aws import events
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events import buses, rules
from opentrail.aws.events.errors import (
    InvalidEventPatternException,
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.aws.service import Outcome
from opentrail.ports.journal import EventEntry
from opentrail.resource.named_target import NamedTargets, named_target_arn
from tests.builders import ACCOUNT, REGION, World

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
PATTERN = '{"source":["aws.s3"]}'


async def plan(world: World, operation: str, **parameters: Any) -> Outcome:
    call = world.call(operation, parameters, service="events")
    return await events.SERVICE.handlers[operation].run(world.ports, call)


async def do(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    outcome = await plan(world, operation, **parameters)
    await world.carry_out(outcome)
    return dict(outcome.output)


async def a_world_with_rule(**more: Any) -> World:
    world = World()
    await do(world, "PutRule", Name="r", EventPattern=PATTERN, **more)
    return world


async def test_a_rule_is_shown_as_it_was_put() -> None:
    world = World()
    pattern = '{ "source": ["aws.s3"] }'

    answer = await do(world, "PutRule", Name="r", EventPattern=pattern, Description="d", State="DISABLED")

    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
    assert answer == {"RuleArn": arn}
    shown = {
        "Name": "r",
        "Arn": arn,
        "EventPattern": pattern,
        "State": "DISABLED",
        "Description": "d",
        "EventBusName": "default",
    }
    assert await do(world, "DescribeRule", Name="r") == shown | {"CreatedBy": ACCOUNT}
    assert (await do(world, "ListRules"))["Rules"] == [shown]


async def test_putting_a_rule_again_replaces_all_of_it_but_targets_and_tags() -> None:
    world = await a_world_with_rule(Description="d", Tags=[{"Key": "team", "Value": "red"}])
    await do(world, "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}])

    await do(world, "PutRule", Name="r", EventPattern='{"source":["x"]}', Tags=[{"Key": "new", "Value": ""}])

    shown = await do(world, "DescribeRule", Name="r")
    assert (shown.get("Description"), shown["EventPattern"]) == (None, '{"source":["x"]}')
    assert (await do(world, "ListTargetsByRule", Rule="r"))["Targets"] == [{"Id": "1", "Arn": QUEUE}]
    assert (await do(world, "ListTagsForResource", ResourceARN=shown["Arn"]))["Tags"] == [
        {"Key": "team", "Value": "red"}
    ]


async def test_a_change_of_a_rule_takes_effect_after_its_own_event() -> None:
    world = await a_world_with_rule()

    for operation, parameters in (
        ("PutRule", {"Name": "r", "EventPattern": PATTERN}),
        ("DisableRule", {"Name": "r"}),
        ("DeleteRule", {"Name": "r"}),
        ("RemoveTargets", {"Rule": "r", "Ids": ["1"]}),
    ):
        assert (await plan(world, operation, **parameters)).weakens_record


async def test_enabling_keeps_a_rule_that_sees_all_management_events() -> None:
    state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    world = await a_world_with_rule(State=state)

    await do(world, "EnableRule", Name="r")
    assert (await do(world, "DescribeRule", Name="r"))["State"] == state
    await do(world, "DisableRule", Name="r")
    assert (await do(world, "DescribeRule", Name="r"))["State"] == "DISABLED"
    await do(world, "EnableRule", Name="r")
    assert (await do(world, "DescribeRule", Name="r"))["State"] == "ENABLED"


async def test_a_rule_with_targets_is_not_deleted_and_a_missing_one_is() -> None:
    world = await a_world_with_rule()
    await do(world, "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}])

    with pytest.raises(ValidationFailed, match=r"^Rule can't be deleted since it has targets\.$"):
        await plan(world, "DeleteRule", Name="r")
    await do(world, "RemoveTargets", Rule="r", Ids=["1", "unknown"])
    await do(world, "DeleteRule", Name="r")
    await do(world, "DeleteRule", Name="r")

    with pytest.raises(ResourceNotFoundException, match=r"^Rule r does not exist on EventBus default\.$"):
        await plan(world, "DescribeRule", Name="r")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ({"ScheduleExpression": "rate(1 hour)"}, "ScheduleExpression is not supported by this installation."),
    ],
)
async def test_a_rule_without_a_pattern_is_refused(parameters: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await plan(World(), "PutRule", Name="r", **parameters)

    assert refused.value.detail == said


async def test_a_pattern_that_breaks_the_language_is_refused() -> None:
    with pytest.raises(InvalidEventPatternException, match="Empty arrays are not allowed"):
        await plan(World(), "PutRule", Name="r", EventPattern='{"source":[]}')


async def test_a_bus_has_no_more_rules_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES_PER_BUS", 1)
    world = await a_world_with_rule()

    await plan(world, "PutRule", Name="r", EventPattern=PATTERN)
    with pytest.raises(LimitExceededException):
        await plan(world, "PutRule", Name="s", EventPattern=PATTERN)


def a_target(**changes: Any) -> dict[str, Any]:
    return {"Id": "1", "Arn": QUEUE} | changes


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (a_target(Arn="queue"), "Parameter queue is not valid. Reason: Provided Arn is not in correct format."),
        (
            a_target(Arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/c"),
            "Targets of this kind are not supported by this installation.",
        ),
        (a_target(Arn=QUEUE.replace(ACCOUNT, "999999999999")), "Targets in other accounts"),
        (a_target(Arn=QUEUE + ".fifo"), "Parameter(s) SqsParameters must be specified for target: 1."),
        (
            a_target(Input="{}", InputPath="$"),
            "Only one of Input, InputPath, or InputTransformer must be provided for target 1.",
        ),
        (
            a_target(InputTransformer={"InputTemplate": '"<who>"'}),
            "InputTemplate for target 1 contains invalid placeholder who.",
        ),
        (a_target(Input="{"), "Invalid input for target 1."),
        (a_target(InputPath="detail"), "Invalid path: detail"),
        (a_target(DeadLetterConfig={"Arn": QUEUE + ".fifo"}), "A dead-letter queue is a standard SQS queue"),
        (a_target(Arn=f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"), "to its own event bus"),
        (a_target(EcsParameters={}), "EcsParameters is not supported"),
    ],
)
async def test_a_target_that_could_not_be_invoked_is_refused(target: dict[str, Any], said: str) -> None:
    world = await a_world_with_rule()

    with pytest.raises(ValidationFailed) as refused:
        await plan(world, "PutTargets", Rule="r", Targets=[target])

    assert said in refused.value.detail


async def test_a_rule_has_at_most_five_targets_and_one_for_each_id() -> None:
    world = await a_world_with_rule()
    five = [{"Id": str(number), "Arn": QUEUE} for number in range(5)]
    await do(world, "PutTargets", Rule="r", Targets=five)

    await do(world, "PutTargets", Rule="r", Targets=[{"Id": "4", "Arn": f"{QUEUE}2"}])
    with pytest.raises(LimitExceededException):
        await plan(world, "PutTargets", Rule="r", Targets=[{"Id": "6", "Arn": QUEUE}])

    targets = (await do(world, "ListTargetsByRule", Rule="r"))["Targets"]
    assert [target["Arn"] for target in targets] == [QUEUE] * 4 + [f"{QUEUE}2"]
    assert (await do(world, "ListRuleNamesByTarget", TargetArn=f"{QUEUE}2"))["RuleNames"] == ["r"]


async def test_lists_come_in_pages_and_a_token_is_good_for_its_own_list() -> None:
    world = World()
    for name in ("c", "a", "b"):
        await do(world, "PutRule", Name=name, EventPattern=PATTERN)

    first = await do(world, "ListRules", Limit=2)
    rest = await do(world, "ListRules", Limit=2, NextToken=first["NextToken"])

    assert [rule["Name"] for rule in first["Rules"] + rest["Rules"]] == ["a", "b", "c"]
    assert "NextToken" not in rest
    for token in (first["NextToken"], "none"):
        with pytest.raises(ValidationFailed, match="NextToken"):
            await plan(world, "ListRules", NamePrefix="a", NextToken=token)


async def test_buses_are_made_shown_and_deleted_once_they_have_no_rules() -> None:
    world = World()
    arn = (await do(world, "CreateEventBus", Name="orders", Description="d"))["EventBusArn"]
    await do(world, "PutRule", Name="r", EventPattern=PATTERN, EventBusName=arn)

    listed = (await do(world, "ListEventBuses"))["EventBuses"]
    assert [(bus["Name"], bus.get("Description")) for bus in listed] == [("default", None), ("orders", "d")]
    assert (await do(world, "DescribeEventBus"))["Arn"].endswith(":event-bus/default")
    with pytest.raises(ResourceAlreadyExistsException, match=r"^Event bus orders already exists\.$"):
        await plan(world, "CreateEventBus", Name="orders")
    with pytest.raises(ValidationFailed, match="since it has rules"):
        await plan(world, "DeleteEventBus", Name="orders")
    await do(world, "DeleteRule", Name="r", EventBusName="orders")
    await do(world, "DeleteEventBus", Name="orders")
    with pytest.raises(ResourceNotFoundException, match=r"^Event bus orders does not exist\.$"):
        await plan(world, "ListRules", EventBusName="orders")
    with pytest.raises(ValidationFailed, match=r"^Cannot delete event bus default\.$"):
        await plan(world, "DeleteEventBus", Name="default")


async def test_buses_are_bounded_and_keep_their_settings_through_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buses, "BUSES_PER_REGION", 2)
    world = World()
    await do(world, "CreateEventBus", Name="orders")

    await do(world, "UpdateEventBus", Name="orders", Description="new")

    assert (await do(world, "DescribeEventBus", Name="orders"))["Description"] == "new"
    with pytest.raises(LimitExceededException):
        await plan(world, "CreateEventBus", Name="more")


async def test_tags_are_set_removed_and_refused_for_what_is_not_there() -> None:
    world = await a_world_with_rule()
    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
    await do(world, "TagResource", ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])

    await do(world, "UntagResource", ResourceARN=arn, TagKeys=["a", "unknown"])

    assert await do(world, "ListTagsForResource", ResourceARN=arn) == {"Tags": [{"Key": "b", "Value": ""}]}
    for missing in (arn + "2", arn.replace(ACCOUNT, "999999999999"), f"arn:aws:events:{REGION}:{ACCOUNT}:archive/x"):
        with pytest.raises(ResourceNotFoundException):
            await plan(world, "ListTagsForResource", ResourceARN=missing)


def an_entry(**changes: Any) -> dict[str, Any]:
    return {"Source": "shop", "DetailType": "order", "Detail": '{"n":1}'} | changes


async def test_an_applications_event_is_an_entry_of_its_bus_and_of_nobody_else() -> None:
    world = World()
    await do(world, "CreateEventBus", Name="orders")

    outcome = await plan(
        world, "PutEvents", Entries=[an_entry(EventBusName="orders", Resources=["x"]), an_entry(EventBusName="gone")]
    )

    first, second = outcome.output["Entries"]
    (entry,) = outcome.events
    assert isinstance(entry, EventEntry)
    assert entry.audience == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/orders"
    event = orjson.loads(entry.event)
    assert (event["id"], event["source"], event["resources"], event["detail"]) == (
        first["EventId"], "shop", ["x"], {"n": 1},
    )  # fmt: skip
    assert second["EventId"]
    assert outcome.output["FailedEntryCount"] == 0


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        (
            {"DetailType": "x", "Detail": "{}"},
            "InvalidArgument",
            "Parameter Source is not valid. Reason: Source is a required argument.",
        ),
        (an_entry(Source="aws.s3"), "NotAuthorizedForSourceException", "Not authorized for the source aws.s3."),
        (an_entry(Source="AWS.s3"), "NotAuthorizedForSourceException", "Not authorized for the source AWS.s3."),
        (an_entry(Detail="[]"), "MalformedDetail", "Detail is malformed."),
    ],
)
async def test_an_entry_that_is_not_taken_keeps_its_place(entry: dict[str, Any], code: str, message: str) -> None:
    outcome = await plan(World(), "PutEvents", Entries=[an_entry(), entry, an_entry()])

    assert outcome.output["Entries"][1] == {"ErrorCode": code, "ErrorMessage": message}
    assert outcome.output["FailedEntryCount"] == 1
    assert len(outcome.events) == 2


async def test_entries_over_the_total_are_refused_together() -> None:
    with pytest.raises(ValidationFailed, match="over the limit"):
        await plan(World(), "PutEvents", Entries=[an_entry(Detail=json.dumps({"x": "é" * 14_000})) for _ in range(10)])


async def test_a_target_of_the_settings_is_named_by_its_arn_and_only_where_it_is_the_callers() -> None:
    world = await a_world_with_rule()
    world.ports = replace(
        world.ports, named_targets=NamedTargets({"pager": frozenset({ACCOUNT}), "far": frozenset({"222222222222"})})
    )
    arn = named_target_arn("eu-west-1", ACCOUNT, "pager")

    await do(world, "PutTargets", Rule="r", Targets=[{"Id": "p", "Arn": arn, "InputPath": "$.detail"}])

    assert [each["Arn"] for each in (await do(world, "ListTargetsByRule", Rule="r"))["Targets"]] == [arn]
    for account, name in ((ACCOUNT, "far"), (ACCOUNT, "none"), ("222222222222", "far")):
        wrong = {"Id": "x", "Arn": named_target_arn(REGION, account, name)}
        with pytest.raises(ValidationFailed):
            await do(world, "PutTargets", Rule="r", Targets=[wrong])
