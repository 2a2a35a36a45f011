from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors
from opentrail.aws.cloudtrail.tags import add_tags, list_tags, remove_tags
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import Outcome
from opentrail.ports.journal import SettingsEntry
from tests.builders import ACCOUNT, World, a_trail

ARN = a_trail().arn


async def world_with_trail() -> World:
    world = World()
    await world.carry_out(Outcome(settings=(SettingsEntry(ARN, a_trail().to_json()),)))
    return world


async def add(world: World, *tags: dict[str, str]) -> None:
    call = world.call("AddTags", {"ResourceId": ARN, "TagsList": list(tags)})
    await world.carry_out(await add_tags(world.ports, call))


async def tags_of(world: World) -> list[dict[str, str]]:
    output = (await list_tags(world.ports, world.call("ListTags", {"ResourceIdList": [ARN]}))).output
    assert [item["ResourceId"] for item in output["ResourceTagList"]] == [ARN]
    tags: list[dict[str, str]] = output["ResourceTagList"][0]["TagsList"]
    return tags


async def test_added_tags_overwrite_equal_keys_and_keep_the_others() -> None:
    world = await world_with_trail()

    await add(world, {"Key": "team", "Value": "audit"}, {"Key": "bare"})
    await add(world, {"Key": "team", "Value": "security"})

    assert await tags_of(world) == [{"Key": "team", "Value": "security"}, {"Key": "bare"}]


async def test_tags_are_removed_by_key_and_unknown_keys_ignored() -> None:
    world = await world_with_trail()
    await add(world, {"Key": "team", "Value": "audit"}, {"Key": "bare"})
    call = world.call(
        "RemoveTags", {"ResourceId": ARN, "TagsList": [{"Key": "team", "Value": "other"}, {"Key": "none"}]}
    )

    await world.carry_out(await remove_tags(world.ports, call))

    assert await tags_of(world) == [{"Key": "bare"}]


async def test_fifty_first_tag_is_refused() -> None:
    world = await world_with_trail()
    await add(world, *({"Key": f"k{number}"} for number in range(50)))

    with pytest.raises(errors.TagsLimitExceededException):
        await add(world, {"Key": "one-more"})
    await add(world, {"Key": "k7", "Value": "changed"})


@pytest.mark.parametrize(
    ("resource_id", "error"),
    [
        ("main", errors.CloudTrailARNInvalidException),
        ("arn:aws:s3:::logs", errors.ResourceTypeNotSupportedException),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:rule/x", errors.ResourceTypeNotSupportedException),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/?", errors.CloudTrailARNInvalidException),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/none", errors.ResourceNotFoundException),
        (f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:dashboard/none", errors.ResourceNotFoundException),
        (
            f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/99999999-9999-4999-8999-999999999999",
            errors.EventDataStoreNotFoundException,
        ),
    ],
)
@pytest.mark.parametrize("handler", [add_tags, remove_tags, list_tags])
async def test_resource_that_cannot_have_tags_is_refused(
    handler: Any, resource_id: str, error: type[Exception]
) -> None:
    world = await world_with_trail()
    parameters = {"ResourceId": resource_id, "ResourceIdList": [resource_id], "TagsList": [{"Key": "k"}]}

    with pytest.raises(error):
        await handler(world.ports, world.call("Any", parameters))


async def test_channel_is_not_found_as_each_operation_says_it() -> None:
    world = await world_with_trail()
    channel = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:channel/99999999-9999-4999-8999-999999999999"
    parameters = {"ResourceId": channel, "ResourceIdList": [channel], "TagsList": [{"Key": "k"}]}

    with pytest.raises(errors.ChannelNotFoundException):
        await add_tags(world.ports, world.call("AddTags", parameters))
    with pytest.raises(errors.ResourceNotFoundException):
        await list_tags(world.ports, world.call("ListTags", parameters))


async def test_tags_belong_to_the_home_region() -> None:
    world = await world_with_trail()
    parameters = {"ResourceId": ARN, "ResourceIdList": [ARN], "TagsList": [{"Key": "k"}]}

    for handler in (add_tags, remove_tags, list_tags):
        with pytest.raises(errors.CloudTrailARNInvalidException) as refused:
            await handler(world.ports, world.call("Any", parameters, region="eu-west-1"))
        assert str(refused.value) == "Region in ARN is wrong, you can only access resources in region eu-west-1."


async def test_list_takes_no_token_and_at_most_twenty_resources() -> None:
    world = await world_with_trail()

    with pytest.raises(errors.InvalidTokenException):
        await list_tags(world.ports, world.call("ListTags", {"ResourceIdList": [ARN], "NextToken": "abcd"}))
    with pytest.raises(ValidationFailed):
        await list_tags(world.ports, world.call("ListTags", {"ResourceIdList": [ARN] * 21}))
