"""What every store of log groups promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opentrail.ports.journal import Position, SettingsEntry
from opentrail.ports.log_groups import LogGroupNotFound, LogNameTaken, LogReaderState
from opentrail.resource.log_group import METRIC_FILTER, SUBSCRIPTION_FILTER, LogFilter, LogGroup, LogStream
from tests.builders import a_trail
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"
NOON = datetime(2026, 1, 2, 12, 0, 0, 5, tzinfo=UTC)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_group(name: str, account_id: str = ACCOUNT) -> LogGroup:
    return LogGroup(f"id of {name} of {account_id}", account_id, REGION, name, NOON)


def a_filter(name: str, kind: str = METRIC_FILTER, pattern: str = "x") -> LogFilter:
    return LogFilter(kind, name, NOON, {"filterPattern": pattern})


async def names(stores: MetadataStores, **how: str) -> list[str]:
    return [group.name for group in await stores.log_groups.groups(ACCOUNT, REGION, limit=10, **how)]


async def test_groups_are_found_by_name_prefix_and_part(stores: MetadataStores) -> None:
    for name in ("/b/1", "/a/2", "/a/1", "%_", "A"):
        await stores.log_groups.create(a_group(name))
    await stores.log_groups.create(a_group("/a/1", "222222222222"))

    assert await names(stores) == ["%_", "/a/1", "/a/2", "/b/1", "A"]
    assert await names(stores, prefix="/a") == ["/a/1", "/a/2"]
    assert await names(stores, containing="1") == ["/a/1", "/b/1"]
    assert await names(stores, containing="%") == ["%_"]
    assert await names(stores, prefix="/", after="/a/1") == ["/a/2", "/b/1"]
    assert await stores.log_groups.count(ACCOUNT, REGION) == 5
    assert len(await stores.log_groups.all_groups()) == 6


async def test_groups_and_results_have_kms_keys_by_account_and_region(stores: MetadataStores) -> None:
    group = a_group("a")
    await stores.log_groups.create(replace(group, kms_key_arn="arn:1"))
    assert (await stores.log_groups.groups(ACCOUNT, REGION, limit=1))[0].kms_key_arn == "arn:1"
    await stores.log_groups.change(group)
    assert (await stores.log_groups.all_groups())[0].kms_key_arn == ""

    assert await stores.log_groups.result_key(ACCOUNT, REGION) == ""
    for key in ("arn:1", "arn:2"):
        await stores.log_groups.set_result_key(ACCOUNT, REGION, key)
    assert await stores.log_groups.result_key(ACCOUNT, REGION) == "arn:2"
    assert await stores.log_groups.result_key(ACCOUNT, "eu-west-1") == ""
    await stores.log_groups.set_result_key(ACCOUNT, REGION, "")
    assert await stores.log_groups.result_key(ACCOUNT, REGION) == ""


async def test_a_name_is_taken_once_in_an_account_and_region(stores: MetadataStores) -> None:
    await stores.log_groups.create(a_group("a"))

    with pytest.raises(LogNameTaken):
        await stores.log_groups.create(replace(a_group("a"), group_id="another"))


async def test_a_group_is_shown_as_it_was_changed(stores: MetadataStores) -> None:
    await stores.log_groups.create(a_group("a"))
    changed = replace(a_group("a"), retention_days=7, is_deletion_protected=True, tags={"é": "☂", "b": ""})

    await stores.log_groups.change(changed)

    assert await stores.log_groups.group(ACCOUNT, REGION, "a") == changed
    with pytest.raises(LogGroupNotFound):
        await stores.log_groups.change(a_group("missing"))


async def test_a_deleted_group_takes_its_streams_and_filters_along(stores: MetadataStores) -> None:
    group = a_group("a")
    await stores.log_groups.create(group)
    await stores.log_groups.create_stream(group.group_id, LogStream("s1", "one", NOON))
    await stores.log_groups.put_filter(group.group_id, a_filter("f"))

    await stores.log_groups.delete(group.group_id)

    assert await stores.log_groups.group(ACCOUNT, REGION, "a") is None
    assert list(await stores.log_groups.streams(group.group_id)) == []
    assert list(await stores.log_groups.filters(group.group_id, METRIC_FILTER)) == []
    with pytest.raises(LogGroupNotFound):
        await stores.log_groups.create_stream(group.group_id, LogStream("s2", "two", NOON))
    with pytest.raises(LogGroupNotFound):
        await stores.log_groups.put_filter(group.group_id, a_filter("f"))


async def test_streams_are_a_group_s_own(stores: MetadataStores) -> None:
    group = a_group("a")
    await stores.log_groups.create(group)
    stream = LogStream("s1", "b/é", NOON)
    await stores.log_groups.create_stream(group.group_id, stream)
    await stores.log_groups.create_stream(group.group_id, LogStream("s0", "a", NOON))

    assert await stores.log_groups.stream(group.group_id, "b/é") == stream
    assert [one.name for one in await stores.log_groups.streams(group.group_id)] == ["a", "b/é"]
    with pytest.raises(LogNameTaken):
        await stores.log_groups.create_stream(group.group_id, LogStream("s3", "a", NOON))
    await stores.log_groups.delete_stream(group.group_id, "a")
    assert await stores.log_groups.stream(group.group_id, "a") is None


async def test_filters_are_found_by_group_and_by_account(stores: MetadataStores) -> None:
    for name in ("a", "b"):
        await stores.log_groups.create(a_group(name))
        await stores.log_groups.put_filter(a_group(name).group_id, a_filter("shared"))
    group_id = a_group("a").group_id
    await stores.log_groups.put_filter(group_id, a_filter("shared", SUBSCRIPTION_FILTER))
    await stores.log_groups.put_filter(group_id, a_filter("early"))
    await stores.log_groups.put_filter(group_id, a_filter("early", pattern="replaced"))

    assert list(await stores.log_groups.filters(group_id, METRIC_FILTER)) == [
        a_filter("early", pattern="replaced"),
        a_filter("shared"),
    ]
    found = await stores.log_groups.account_filters(ACCOUNT, REGION, METRIC_FILTER, ("", ""), 10)
    assert [(group, one.name) for group, one in found] == [("a", "early"), ("a", "shared"), ("b", "shared")]
    behind = await stores.log_groups.account_filters(ACCOUNT, REGION, METRIC_FILTER, ("shared", "a"), 10)
    assert [group for group, _ in behind] == ["b"]
    await stores.log_groups.delete_filter(group_id, METRIC_FILTER, "shared")
    assert [one.kind for one in await stores.log_groups.filters(group_id, SUBSCRIPTION_FILTER)] == [SUBSCRIPTION_FILTER]


async def test_a_trail_has_a_reader_from_its_first_log_group_until_it_has_none(stores: MetadataStores) -> None:
    plain = a_trail("audit")
    logging = replace(plain, cloud_watch_logs_log_group_arn="arn:aws:logs:us-east-1:123456789012:log-group:a:*")
    await stores.trails.apply(Position("1"), SettingsEntry(plain.arn, plain.to_json()))
    assert list(await stores.log_readers.readers()) == []

    await stores.trails.apply(Position("2"), SettingsEntry(plain.arn, logging.to_json()))
    await stores.trails.apply(Position("3"), SettingsEntry(plain.arn, logging.to_json()))
    assert list(await stores.log_readers.readers()) == [LogReaderState(plain.arn, Position("2"), logging.to_json())]
    moved = LogReaderState(plain.arn, Position("3"), logging.to_json())
    await stores.log_readers.move(moved)
    await stores.log_readers.finish(plain.arn)
    assert list(await stores.log_readers.readers()) == [moved]
    await stores.trails.apply(Position("4"), SettingsEntry(plain.arn, None))
    assert list(await stores.log_readers.readers()) == [moved]
    await stores.log_readers.finish(plain.arn)
    assert list(await stores.log_readers.readers()) == []


async def test_a_group_is_found_by_its_id(stores: MetadataStores) -> None:
    group = a_group("/a")
    await stores.log_groups.create(group)

    assert await stores.log_groups.group_of(group.group_id) == group
    assert await stores.log_groups.group_of("another") is None
