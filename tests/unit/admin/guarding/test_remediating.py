"""The operator's commands on trails that are put right: what they take, refuse and put on record."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from opentrail.admin.guarding.remediating import TrailGuarding
from opentrail.errors import OperatorError
from opentrail.ports.journal import Position, SettingsEntry
from tests.builders import NOON, World, a_role, a_trail
from tests.memory.trail_guards import InMemoryTrailGuards

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
ARN = a_trail().arn


class Operator:
    """The commands over one trail and two roles, ``keeper`` and ``stranger``, of which CloudTrail may assume one."""

    def __init__(self) -> None:
        self.world = World()
        self.guards = InMemoryTrailGuards()
        self.recorded: list[str] = []
        self.woken = 0
        self.commands = TrailGuarding(
            self.guards,
            self.world.trails,
            self.world.identities,
            self.world.clock,
            self.record,
            self.wake,
            asyncio.Lock(),
        )

    async def prepare(self) -> "Operator":
        await self.world.trails.apply(Position("1"), SettingsEntry(ARN, a_trail().to_json()))
        await self.world.identities.create_role(a_role("keeper", TRUST % "cloudtrail"))
        await self.world.identities.create_role(a_role("stranger", TRUST % "config"))
        return self

    async def record(self, name: str, trail_arn: str, details: dict[str, Any]) -> None:
        assert trail_arn == ARN
        self.recorded.append(name)

    def wake(self) -> None:
        self.woken += 1


async def test_a_trail_is_guarded_as_it_records_now_and_then_no_more() -> None:
    operator = await Operator().prepare()

    row = await operator.commands.guard_trail(ARN, "keeper")

    assert (row["role"], row["attempts"], row["ended_at"]) == ("keeper", [], "")
    assert operator.guards.kept[ARN].event_selectors == a_trail().event_selectors
    assert (await operator.commands.list_guarded_trails())["trails"] == [row]
    assert operator.woken == 1
    await operator.commands.unguard_trail(ARN)
    assert operator.guards.kept == {}
    assert operator.recorded == ["TrailRemediationEnabled", "TrailRemediationDisabled"]


async def test_guarding_anew_counts_anew_and_keeps_what_is_put_back() -> None:
    operator = await Operator().prepare()
    await operator.commands.guard_trail(ARN, "keeper")
    first = operator.guards.kept[ARN]
    wanted = ({"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True},)
    await operator.guards.put(replace(first, event_selectors=wanted, attempts=(NOON,), ended_at=NOON, last_error="no"))

    await operator.commands.guard_trail(ARN, "keeper")

    assert operator.guards.kept[ARN] == replace(first, event_selectors=wanted)


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("guard_trail", {"trail": "arn:none", "role": "keeper"}, "no trail arn:none"),
        ("guard_trail", {"trail": ARN, "role": "nobody"}, "no role nobody in the account"),
        ("guard_trail", {"trail": ARN, "role": "stranger"}, "does not trust cloudtrail.amazonaws.com"),
        ("unguard_trail", {"trail": ARN}, "not put right by itself"),
    ],
)
async def test_what_cannot_be_is_refused_and_not_on_record(command: str, arguments: dict[str, str], said: str) -> None:
    operator = await Operator().prepare()

    with pytest.raises(OperatorError, match=said):
        await operator.commands.commands()[command](**arguments)

    assert (operator.recorded, operator.guards.kept) == ([], {})
