from typing import Any

import pytest

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.s3 import errors
from opentrail.aws.s3.listing import list_objects, list_objects_v2
from tests.builders import World, a_credential, a_root

KEYS = ["a.txt", "logs/2026/01.gz", "logs/2026/02.gz", "logs/2027/01.gz", "logs/end", "z.txt"]


async def world_with(*keys: str) -> World:
    world = World()
    for key in keys:
        await world.bucket.put_if_absent(key, b"x", content_type="text/plain")
    return world


async def list_v1(world: World, **parameters: Any) -> dict[str, Any]:
    call = world.call("ListObjects", {"Bucket": "logs"} | parameters, service="s3")
    return (await list_objects(world.ports, call)).output


async def list_v2(world: World, **parameters: Any) -> dict[str, Any]:
    call = world.call("ListObjectsV2", {"Bucket": "logs"} | parameters, service="s3")
    return (await list_objects_v2(world.ports, call)).output


def names(output: dict[str, Any]) -> list[str]:
    return [item["Key"] for item in output.get("Contents", [])]


def prefixes(output: dict[str, Any]) -> list[str]:
    return [item["Prefix"] for item in output.get("CommonPrefixes", [])]


async def test_whole_bucket_is_listed_in_key_order() -> None:
    world = await world_with(*reversed(KEYS))

    output = await list_v2(world)

    assert names(output) == KEYS
    assert (output["IsTruncated"], output["KeyCount"], output["MaxKeys"]) == (False, 6, 1000)
    assert output["Contents"][0]["Size"] == 1
    assert output["Contents"][0]["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'


async def test_delimiter_groups_keys_below_the_prefix() -> None:
    world = await world_with(*KEYS)

    top = await list_v2(world, Delimiter="/")
    below = await list_v2(world, Delimiter="/", Prefix="logs/")

    assert (names(top), prefixes(top), top["KeyCount"]) == (["a.txt", "z.txt"], ["logs/"], 3)
    assert (names(below), prefixes(below)) == (["logs/end"], ["logs/2026/", "logs/2027/"])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("delimiter", ["", "/"])
async def test_pages_of_both_versions_cover_everything_once(size: int, delimiter: str) -> None:
    world = await world_with(*KEYS)
    whole = await list_v2(world, Prefix="logs/", Delimiter=delimiter)
    expected = sorted(names(whole) + prefixes(whole))

    for version in (1, 2):
        seen: list[str] = []
        position: dict[str, str] = {}
        while True:
            if version == 1:
                page = await list_v1(world, Prefix="logs/", Delimiter=delimiter, MaxKeys=size, **position)
                found = sorted(names(page) + prefixes(page))
                position = {"Marker": page.get("NextMarker") or found[-1]}
            else:
                page = await list_v2(world, Prefix="logs/", Delimiter=delimiter, MaxKeys=size, **position)
                found = sorted(names(page) + prefixes(page))
                position = {"ContinuationToken": page.get("NextContinuationToken", "")}
            assert len(found) <= size
            seen += found
            if not page["IsTruncated"]:
                break
        assert seen == expected


async def test_marker_and_start_after_are_exclusive() -> None:
    world = await world_with(*KEYS)

    assert names(await list_v1(world, Marker="logs/end")) == ["z.txt"]
    assert names(await list_v2(world, StartAfter="logs/end")) == ["z.txt"]


async def test_next_marker_is_answered_with_a_delimiter_only() -> None:
    world = await world_with(*KEYS)

    assert "NextMarker" not in await list_v1(world, MaxKeys=1)
    assert (await list_v1(world, MaxKeys=1, Delimiter="/"))["NextMarker"] == "a.txt"


async def test_names_are_encoded_when_the_client_asks_for_it() -> None:
    world = await world_with("a b/ü+.txt")

    output = await list_v2(world, EncodingType="url", Prefix="a b/")

    assert names(output) == ["a%20b/%C3%BC%2B.txt"]
    assert (output["Prefix"], output["EncodingType"]) == ("a%20b/", "url")


async def test_empty_pages_and_bounds() -> None:
    world = await world_with(*KEYS)

    none = await list_v2(world, MaxKeys=0)
    many = await list_v2(world, MaxKeys=100_000)

    assert (names(none), none["IsTruncated"]) == ([], False)
    assert (len(names(many)), many["MaxKeys"]) == (6, 1000)
    with pytest.raises(errors.InvalidArgument):
        await list_v2(world, MaxKeys=-1)
    with pytest.raises(errors.InvalidArgument):
        await list_v2(world, ContinuationToken="%%%")


async def test_bucket_that_is_no_archive_or_not_the_callers_is_refused() -> None:
    world = await world_with()
    foreign = world.call(
        "ListObjects", {"Bucket": "logs"}, service="s3", credential=a_credential(a_root("999999999999"))
    )

    with pytest.raises(errors.NoSuchBucket):
        await list_v1(world, Bucket="none")
    with pytest.raises(AccessDenied):
        await list_objects(world.ports, foreign)
