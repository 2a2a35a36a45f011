"""Log groups of our own as targets."""

import pytest

from opentrail.pipeline.own_log_groups import MAX_TEXT_BYTES, OwnLogGroups
from opentrail.ports.log_store import LogRange
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.log_group import LogGroup
from tests.builders import ACCOUNT, NOON, REGION, World

GROUP = LogGroup("g-1", ACCOUNT, REGION, "/aws/events/audit", NOON)


def a_target(world: World) -> OwnLogGroups:
    return OwnLogGroups(world.log_groups, world.log_store, world.clock, world.identifiers)


def a_dispatch(text: str = "hello", destination: str = GROUP.arn) -> Dispatch:
    return Dispatch("id-1", destination, text, b"{}", {})


async def test_texts_become_log_events_of_one_stream() -> None:
    world = World()
    await world.log_groups.create(GROUP)

    await a_target(world).send(a_dispatch("one"))
    await a_target(world).send(a_dispatch("two", GROUP.arn + ":*"))

    found = await world.log_store.read(LogRange(GROUP.group_id), 9)
    assert sorted(each.message for each in found) == ["one", "two"]
    assert [stream.name for stream in await world.log_groups.streams(GROUP.group_id)] == ["events"]


@pytest.mark.parametrize("text", ["", "x" * (MAX_TEXT_BYTES + 1)])
async def test_what_is_no_log_event_is_refused(text: str) -> None:
    world = World()
    await world.log_groups.create(GROUP)

    with pytest.raises(TargetRefused) as refused:
        await a_target(world).send(a_dispatch(text))

    assert refused.value.code == "INVALID_PARAMETER"


async def test_a_group_that_is_not_there_is_refused() -> None:
    with pytest.raises(TargetRefused) as refused:
        await a_target(World()).send(a_dispatch())

    assert refused.value.code == "NO_RESOURCE"
