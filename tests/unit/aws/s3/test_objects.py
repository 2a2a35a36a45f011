from datetime import timedelta
from typing import Any

import pytest

from opentrail.aws.s3 import errors
from opentrail.aws.s3.buckets import get_bucket_acl, get_bucket_location, head_bucket, list_buckets
from opentrail.aws.s3.objects import get_object, head_object
from opentrail.aws.service import Outcome
from tests.builders import World, an_archive

BODY = b"0123456789"


async def world_with_object() -> World:
    world = World()
    await world.bucket.put_if_absent(
        "AWSLogs/x.json.gz",
        BODY,
        content_type="application/json",
        content_encoding="gzip",
        metadata={"signature": "abcd", "signature-algorithm": "SHA256withRSA"},
    )
    return world


async def get(world: World, **parameters: Any) -> Outcome:
    call = world.call("GetObject", {"Bucket": "logs", "Key": "AWSLogs/x.json.gz"} | parameters, service="s3")
    return await get_object(world.ports, call)


async def test_object_comes_with_its_metadata() -> None:
    world = await world_with_object()

    output = (await get(world)).output

    assert output["Body"] == BODY
    assert output["Metadata"] == {"signature": "abcd", "signature-algorithm": "SHA256withRSA"}
    assert (output["ContentType"], output["ContentEncoding"], output["ContentLength"]) == (
        "application/json",
        "gzip",
        10,
    )


async def test_head_answers_the_same_without_the_body() -> None:
    world = await world_with_object()
    call = world.call("HeadObject", {"Bucket": "logs", "Key": "AWSLogs/x.json.gz"}, service="s3")

    head = (await head_object(world.ports, call)).output

    whole = (await get(world)).output
    assert "Body" not in head
    assert head == {name: value for name, value in whole.items() if name != "Body"}


@pytest.mark.parametrize(
    ("header", "part", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", BODY, "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
async def test_range_answers_a_part(header: str, part: bytes, content_range: str) -> None:
    world = await world_with_object()

    outcome = await get(world, Range=header)

    assert outcome.http_status == 206
    assert (outcome.output["Body"], outcome.output["ContentRange"]) == (part, content_range)
    assert outcome.output["ContentLength"] == len(part)


@pytest.mark.parametrize("header", ["bytes=3-1", "bytes=-", "lines=1-2", "bytes=0-1,3-4"])
async def test_range_that_means_nothing_is_ignored(header: str) -> None:
    world = await world_with_object()

    outcome = await get(world, Range=header)

    assert (outcome.http_status, outcome.output["Body"]) == (200, BODY)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0"])
async def test_range_past_the_end_is_refused(header: str) -> None:
    world = await world_with_object()

    with pytest.raises(errors.InvalidRange):
        await get(world, Range=header)


async def test_conditions_are_kept() -> None:
    world = await world_with_object()
    stored = (await world.bucket.get("AWSLogs/x.json.gz")).summary
    earlier, later = stored.modified_at - timedelta(days=1), stored.modified_at + timedelta(days=1)

    for holds in ({"IfMatch": stored.etag}, {"IfNoneMatch": '"x"'}, {"IfModifiedSince": earlier}):
        assert (await get(world, **holds)).http_status == 200
    for stale in ({"IfMatch": '"x"'}, {"IfUnmodifiedSince": earlier}):
        with pytest.raises(errors.PreconditionFailed):
            await get(world, **stale)
    for known in ({"IfNoneMatch": stored.etag}, {"IfNoneMatch": "*"}, {"IfModifiedSince": later}):
        with pytest.raises(errors.NotModified):
            await get(world, **known)


async def test_missing_key_and_bucket_are_told_apart() -> None:
    world = await world_with_object()

    with pytest.raises(errors.NoSuchKey):
        await get(world, Key="none")
    with pytest.raises(errors.NoSuchBucket):
        await get(world, Bucket="none")


@pytest.mark.parametrize(("region", "constraint"), [("us-east-1", ""), ("eu-west-1", "eu-west-1")])
async def test_location_is_empty_for_the_first_region(region: str, constraint: str) -> None:
    world = World()
    world.archives.create(an_archive("other", region))
    call = world.call("GetBucketLocation", {"Bucket": "other"}, service="s3")

    assert (await get_bucket_location(world.ports, call)).output == {"LocationConstraint": constraint}
    assert (await head_bucket(world.ports, call)).output["BucketRegion"] == region


async def test_own_archives_are_listed_with_their_owner() -> None:
    world = World()
    world.archives.create(an_archive("foreign", account_id="999999999999"))

    output = (await list_buckets(world.ports, world.call("ListBuckets", service="s3"))).output
    acl = (await get_bucket_acl(world.ports, world.call("GetBucketAcl", {"Bucket": "logs"}, service="s3"))).output

    assert [bucket["Name"] for bucket in output["Buckets"]] == ["logs"]
    assert acl["Grants"] == [
        {"Grantee": {"ID": output["Owner"]["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    ]
