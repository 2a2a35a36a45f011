"""Where subscription filters may send to: targets of the settings, for the accounts that the settings say."""

from dataclasses import replace

import pytest

from opentrail.aws.logs.errors import InvalidParameterException
from opentrail.aws.logs.subscription_filters import put_subscription_filter
from opentrail.aws.service import ApiPorts
from opentrail.errors import AwsError
from opentrail.resource.log_group import SUBSCRIPTION_FILTER, LogGroup
from opentrail.resource.named_target import NamedTargets, named_target_arn
from tests.builders import ACCOUNT, NOON, REGION, World

OTHER = "222222222222"


async def world_with_group() -> tuple[World, ApiPorts]:
    world = World()
    await world.log_groups.create(LogGroup("g", ACCOUNT, REGION, "trails", NOON))
    return world, replace(world.ports, named_targets=NamedTargets({"hook": frozenset({ACCOUNT})}))


async def put(world: World, ports: ApiPorts, destination: str) -> None:
    given = {"logGroupName": "trails", "filterName": "f", "filterPattern": "", "destinationArn": destination}
    await world.carry_out(
        await put_subscription_filter(ports, world.call("PutSubscriptionFilter", given, service="logs"))
    )


async def test_a_target_of_the_settings_can_be_a_destination() -> None:
    world, ports = await world_with_group()
    arn = named_target_arn(REGION, ACCOUNT, "hook")

    await put(world, ports, arn)

    [kept] = await world.log_groups.filters("g", SUBSCRIPTION_FILTER)
    assert kept.settings["destinationArn"] == arn


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        (named_target_arn(REGION, ACCOUNT, "gone"), InvalidParameterException),
        (named_target_arn(REGION, OTHER, "hook"), AwsError),
        (f"arn:aws:opentrail:{REGION}:{ACCOUNT}:hook", InvalidParameterException),
    ],
)
async def test_no_other_one_can(arn: str, error: type[AwsError]) -> None:
    world, ports = await world_with_group()

    with pytest.raises(error):
        await put(world, ports, arn)

    assert await world.log_groups.filters("g", SUBSCRIPTION_FILTER) == []
