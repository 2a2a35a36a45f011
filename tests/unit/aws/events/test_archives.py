"""Archives and replays as callers see them: answers, refusals, pages, and the rules that fill archives."""

from datetime import timedelta
from typing import Any

import pytest

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events import archives, replays
from opentrail.aws.events.errors import (
    IllegalStatusException,
    InvalidEventPatternException,
    LimitExceededException,
    ManagedRuleException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from opentrail.ports.event_archives import ArchivedEvent
from opentrail.resource.event_archive import ReplayState
from tests.builders import ACCOUNT, NOON, REGION, World
from tests.unit.aws.events.test_rules import PATTERN, do, plan

BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/orders"
ARCHIVE = f"arn:aws:events:{REGION}:{ACCOUNT}:archive/a"
RULE = "Events-Archive-a"


async def a_world(**more: Any) -> World:
    world = World()
    await do(world, "CreateEventBus", Name="orders")
    await do(world, "CreateArchive", ArchiveName="a", EventSourceArn=BUS, **more)
    return world


def a_start(**changes: Any) -> dict[str, Any]:
    start = {"EventStartTime": NOON - timedelta(hours=1), "EventEndTime": NOON}
    return {"ReplayName": "r", "EventSourceArn": ARCHIVE, "Destination": {"Arn": BUS}, **start} | changes


async def test_an_archive_is_made_shown_changed_and_deleted_with_what_it_holds() -> None:
    world = await a_world(EventPattern=PATTERN, RetentionDays=7, Description="d")
    archive = await world.event_rules.event_archive(ARCHIVE)
    assert archive is not None
    await world.event_archives.keep(archive.archive_id, ArchivedEvent("e", 1, 1, b"12345"))

    shown = await do(world, "DescribeArchive", ArchiveName="a")
    assert shown == {
        "ArchiveArn": ARCHIVE,
        "ArchiveName": "a",
        "EventSourceArn": BUS,
        "Description": "d",
        "EventPattern": PATTERN,
        "State": "ENABLED",
        "RetentionDays": 7,
        "SizeBytes": 5,
        "EventCount": 1,
        "CreationTime": NOON,
    }
    answer = await do(world, "UpdateArchive", ArchiveName="a", RetentionDays=0, EventPattern='{"source":["b"]}')
    assert answer == {"ArchiveArn": ARCHIVE, "State": "ENABLED", "CreationTime": NOON}
    (listed,) = (await do(world, "ListArchives"))["Archives"]
    assert (listed["RetentionDays"], listed["EventCount"]) == (0, 1)
    rule = await do(world, "DescribeRule", Name=RULE, EventBusName="orders")
    assert rule["EventPattern"] == '{"source":["b"],"replay-name":[{"exists":false}]}'
    await do(world, "DeleteArchive", ArchiveName="a")

    assert (await world.event_archives.size(archive.archive_id)).events == 0
    assert (await do(world, "ListRules", EventBusName="orders"))["Rules"] == []
    with pytest.raises(ResourceNotFoundException, match=r"^Archive a does not exist\.$"):
        await plan(world, "DescribeArchive", ArchiveName="a")


async def test_an_archives_rule_is_shown_and_changed_by_nobody_else() -> None:
    world = await a_world()
    rule = await do(world, "DescribeRule", Name=RULE, EventBusName="orders")

    assert rule["ManagedBy"] == "prod.vhs.events.aws.internal"
    named = {"EventBusName": "orders"}
    for operation, given in (
        ("PutRule", {"Name": RULE, "EventPattern": PATTERN}),
        ("DeleteRule", {"Name": RULE}),
        ("DisableRule", {"Name": RULE}),
        ("EnableRule", {"Name": RULE}),
        ("PutTargets", {"Rule": RULE, "Targets": []}),
        ("RemoveTargets", {"Rule": RULE, "Ids": ["1"]}),
    ):
        with pytest.raises(ManagedRuleException):
            await plan(world, operation, **given, **named)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"EventSourceArn": BUS.replace("orders", "none")}, ResourceNotFoundException),
        ({"EventSourceArn": ARCHIVE}, ValidationFailed),
        ({"EventPattern": "{"}, InvalidEventPatternException),
        ({"KmsKeyIdentifier": "k"}, ValidationFailed),
        ({"ArchiveName": "a"}, ResourceAlreadyExistsException),
    ],
)
async def test_an_archive_that_cannot_be_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    world = await a_world()

    with pytest.raises(error):
        await plan(world, "CreateArchive", **({"ArchiveName": "b", "EventSourceArn": BUS} | changes))


async def test_archives_and_replays_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ARCHIVES_PER_REGION", 1)
    monkeypatch.setattr(replays, "REPLAYS_UNDER_WAY", 1)
    world = await a_world()
    await do(world, "StartReplay", **a_start())

    with pytest.raises(LimitExceededException):
        await plan(world, "CreateArchive", ArchiveName="b", EventSourceArn=BUS)
    with pytest.raises(LimitExceededException):
        await plan(world, "StartReplay", **a_start(ReplayName="s"))


async def test_a_replay_is_started_shown_and_cancelled() -> None:
    world = await a_world()
    await do(world, "PutRule", Name="r", EventPattern=PATTERN, EventBusName="orders")
    rule = (await do(world, "DescribeRule", Name="r", EventBusName="orders"))["Arn"]
    destination = {"Arn": BUS, "FilterArns": [rule]}

    answer = await do(world, "StartReplay", **a_start(Destination=destination, Description="d"))

    arn = f"arn:aws:events:{REGION}:{ACCOUNT}:replay/r"
    assert answer == {"ReplayArn": arn, "State": "STARTING", "ReplayStartTime": NOON}
    assert await do(world, "DescribeReplay", ReplayName="r") == {
        "ReplayName": "r",
        "ReplayArn": arn,
        "Description": "d",
        "State": "STARTING",
        "EventSourceArn": ARCHIVE,
        "Destination": destination,
        "EventStartTime": NOON - timedelta(hours=1),
        "EventEndTime": NOON,
        "ReplayStartTime": NOON,
    }
    assert (await do(world, "CancelReplay", ReplayName="r")) == {"ReplayArn": arn, "State": "CANCELLING"}
    assert [each["State"] for each in (await do(world, "ListReplays"))["Replays"]] == [ReplayState.CANCELLING]
    assert (await do(world, "ListReplays", State="RUNNING"))["Replays"] == []
    with pytest.raises(IllegalStatusException):
        await plan(world, "CancelReplay", ReplayName="r")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"EventEndTime": NOON - timedelta(hours=1)}, "EventStartTime must be before EventEndTime."),
        ({"Destination": {"Arn": BUS.replace("orders", "other")}}, "Cross event bus replay is not permitted."),
        ({"Destination": {"Arn": ARCHIVE}}, "Must contain an event bus ARN."),
        ({"EventSourceArn": BUS}, "Must contain an archive ARN."),
        ({"Destination": {"Arn": BUS, "FilterArns": [BUS]}}, "is no rule of the event bus"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await plan(await a_world(), "StartReplay", **a_start(**changes))

    assert said in refused.value.detail


async def test_names_of_replays_are_taken_once_and_missing_ones_said() -> None:
    world = await a_world()
    await do(world, "StartReplay", **a_start())

    with pytest.raises(ResourceAlreadyExistsException, match=r"^Replay r already exists\.$"):
        await plan(world, "StartReplay", **a_start())
    for operation in ("DescribeReplay", "CancelReplay"):
        with pytest.raises(ResourceNotFoundException, match=r"^Replay s does not exist\.$"):
            await plan(world, operation, ReplayName="s")
    for source in (ARCHIVE + "x", ARCHIVE.replace(ACCOUNT, "222222222222")):
        with pytest.raises(ResourceNotFoundException, match=r"^Archive ax? does not exist\.$"):
            await plan(world, "StartReplay", **a_start(ReplayName="s", EventSourceArn=source))
