"""What every trail store promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from opentrail.arn import trail_arn
from opentrail.ports.delivery_log import ReaderState
from opentrail.ports.event_data_stores import LakeReaderState
from opentrail.ports.journal import REGIONS_SCOPE, START, Position, SettingsEntry
from opentrail.ports.lake_seals import LakeSeal
from opentrail.resource.channel import Channel, channel_arn
from opentrail.resource.event_data_store import EventDataStore, Status, event_data_store_arn
from opentrail.resource.trail import Trail
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT = "123456789012"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_trail(name: str = "audit", region: str = "us-east-1", account_id: str = ACCOUNT) -> Trail:
    return Trail(trail_arn(region, account_id, name), name, account_id, region, s3_bucket_name="archive")


def at(number: int) -> Position:
    return Position(f"{number:020d}")


def saved(trail: Trail) -> SettingsEntry:
    return SettingsEntry(trail.arn, trail.to_json())


def deleted(trail: Trail) -> SettingsEntry:
    return SettingsEntry(trail.arn, None)


def regions(*names: str) -> SettingsEntry:
    return SettingsEntry(REGIONS_SCOPE, orjson.dumps(names))


async def test_an_empty_store_has_applied_nothing(stores: MetadataStores) -> None:
    assert await stores.trails.applied() == START
    assert await stores.trails.trail(a_trail().arn) is None
    assert list(await stores.trails.trails(ACCOUNT)) == []
    assert list(await stores.trails.enabled_regions()) == []
    assert list(await stores.delivery_log.readers()) == []


async def test_a_trail_is_visible_as_it_was_saved(stores: MetadataStores) -> None:
    trail = replace(
        a_trail(),
        s3_key_prefix="prüfung/☂",
        is_multi_region=True,
        event_selectors=(),
        advanced_event_selectors=({"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},),
        is_logging=True,
        logging_started_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )

    await stores.trails.apply(at(7), saved(trail))

    assert await stores.trails.trail(trail.arn) == trail
    assert await stores.trails.applied() == at(7)


async def test_a_later_entry_replaces_the_whole_trail(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(replace(a_trail(), s3_key_prefix="old")))

    await stores.trails.apply(at(2), saved(replace(a_trail(), s3_bucket_name="other")))

    assert await stores.trails.trail(a_trail().arn) == replace(a_trail(), s3_bucket_name="other")


async def test_applying_an_earlier_entry_again_changes_nothing(stores: MetadataStores) -> None:
    first, second = a_trail(), replace(a_trail(), is_logging=True)
    await stores.trails.apply(at(1), saved(first))
    await stores.trails.apply(at(2), saved(second))

    await stores.trails.apply(at(1), saved(first))
    await stores.trails.apply(at(2), saved(second))

    assert await stores.trails.trail(first.arn) == second
    assert await stores.trails.applied() == at(2)
    assert [state.cursor for state in await stores.delivery_log.readers()] == [at(1)]


async def test_trails_are_listed_by_arn_for_their_account_alone(stores: MetadataStores) -> None:
    ours = [a_trail("zeta"), a_trail("Alpha", "eu-west-1"), a_trail("alpha", "eu-west-1")]
    for number, trail in enumerate([*ours, a_trail("theirs", account_id="210987654321")], start=1):
        await stores.trails.apply(at(number), saved(trail))

    assert [trail.arn for trail in await stores.trails.trails(ACCOUNT)] == sorted(trail.arn for trail in ours)


async def test_enabled_regions_are_the_last_entry_s_and_sorted(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), regions("us-east-1"))
    await stores.trails.apply(at(2), regions("us-west-2", "eu-north-1", "us-east-1"))

    assert list(await stores.trails.enabled_regions()) == ["eu-north-1", "us-east-1", "us-west-2"]
    assert await stores.trails.applied() == at(2)


async def test_a_new_trail_gets_a_reader_at_its_position_with_the_regions_of_that_moment(
    stores: MetadataStores,
) -> None:
    await stores.trails.apply(at(1), regions("us-east-1", "eu-west-1"))
    await stores.trails.apply(at(2), saved(a_trail()))
    await stores.trails.apply(at(3), regions("us-east-1", "eu-west-1", "sa-east-1"))

    [state] = await stores.delivery_log.readers()

    assert state == ReaderState(a_trail().arn, at(2), a_trail().to_json(), ("eu-west-1", "us-east-1"))


async def test_updating_a_trail_leaves_its_reader_where_it_is(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))

    await stores.trails.apply(at(2), saved(replace(a_trail(), is_logging=True)))

    [state] = await stores.delivery_log.readers()
    assert state == ReaderState(a_trail().arn, at(1), a_trail().to_json(), ())


async def test_a_deleted_trail_is_gone_but_its_reader_stays(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))

    await stores.trails.apply(at(2), deleted(a_trail()))

    assert await stores.trails.trail(a_trail().arn) is None
    assert list(await stores.trails.trails(ACCOUNT)) == []
    assert [state.trail_arn for state in await stores.delivery_log.readers()] == [a_trail().arn]


async def test_a_trail_made_again_before_its_reader_finished_keeps_that_reader(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))
    await stores.trails.apply(at(2), deleted(a_trail()))
    await stores.trails.apply(at(3), saved(a_trail()))

    await stores.delivery_log.finish(a_trail().arn)

    assert [state.cursor for state in await stores.delivery_log.readers()] == [at(1)]


async def test_a_trail_made_again_after_its_reader_finished_gets_a_new_reader(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))
    await stores.trails.apply(at(2), deleted(a_trail()))
    await stores.delivery_log.finish(a_trail().arn)

    await stores.trails.apply(at(3), saved(a_trail()))

    assert [state.cursor for state in await stores.delivery_log.readers()] == [at(3)]


async def test_a_trail_made_again_starts_with_an_empty_status(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))
    await stores.delivery_log.set_status(a_trail().arn, "us-east-1", {"LatestDeliveryError": "NoSuchBucket"})
    await stores.trails.apply(at(2), deleted(a_trail()))

    await stores.trails.apply(at(3), saved(a_trail()))

    assert dict(await stores.delivery_log.status(a_trail().arn, "us-east-1")) == {}


async def test_deleting_a_trail_that_is_not_there_only_moves_the_position(stores: MetadataStores) -> None:
    await stores.trails.apply(at(5), deleted(a_trail()))

    assert await stores.trails.applied() == at(5)
    assert list(await stores.delivery_log.readers()) == []


async def test_tags_keep_their_order_and_are_replaced_as_a_whole(stores: MetadataStores) -> None:
    arn = a_trail().arn
    await stores.trails.set_tags(arn, {"zone": "a", "owner": "", "Owner": "b"})
    assert list((await stores.trails.tags(arn)).items()) == [("zone", "a"), ("owner", ""), ("Owner", "b")]

    await stores.trails.set_tags(arn, {"owner": "c", "zone": "a"})
    assert list((await stores.trails.tags(arn)).items()) == [("owner", "c"), ("zone", "a")]

    await stores.trails.set_tags(arn, {})
    assert dict(await stores.trails.tags(arn)) == {}


async def test_tags_belong_to_one_resource(stores: MetadataStores) -> None:
    await stores.trails.set_tags("arn:a", {"k": "1"})
    await stores.trails.set_tags("arn:b", {"k": "2"})

    assert dict(await stores.trails.tags("arn:a")) == {"k": "1"}


async def test_deleting_a_trail_removes_its_tags(stores: MetadataStores) -> None:
    await stores.trails.apply(at(1), saved(a_trail()))
    await stores.trails.set_tags(a_trail().arn, {"owner": "security"})

    await stores.trails.apply(at(2), deleted(a_trail()))

    assert dict(await stores.trails.tags(a_trail().arn)) == {}


ID = "11111111-1111-4111-8111-111111111111"


def a_store() -> EventDataStore:
    return EventDataStore(
        arn=event_data_store_arn("us-east-1", ACCOUNT, ID),
        name="audit",
        account_id=ACCOUNT,
        home_region="us-east-1",
        created_at=NOON,
        updated_at=NOON,
        deletion_at=NOON + timedelta(days=7),
        status=Status.PENDING_DELETION,
    )


async def test_event_data_store_is_visible_as_it_was_saved_with_a_reader(stores: MetadataStores) -> None:
    store = a_store()

    await stores.trails.apply(at(3), SettingsEntry(store.arn, store.to_json()))
    renamed = replace(store, name="other")
    await stores.trails.apply(at(5), SettingsEntry(store.arn, renamed.to_json()))

    assert await stores.event_data_stores.event_data_store(store.arn) == renamed
    assert list(await stores.event_data_stores.event_data_stores(ACCOUNT)) == [renamed]
    assert list(await stores.event_data_stores.event_data_stores("999999999999")) == []
    assert list(await stores.event_data_stores.lake_readers()) == [LakeReaderState(store.arn, at(3), store.to_json())]
    assert list(await stores.trails.trails(ACCOUNT)) == []
    assert list(await stores.delivery_log.readers()) == []


async def test_event_data_store_that_is_gone_leaves_its_reader_only(stores: MetadataStores) -> None:
    store, event_data_stores = a_store(), stores.event_data_stores
    await stores.trails.apply(at(3), SettingsEntry(store.arn, store.to_json()))
    await stores.trails.set_tags(store.arn, {"team": "audit"})
    await event_data_stores.set_resource_policy(store.arn, "{}")
    await event_data_stores.finish_reader(store.arn)
    moved = LakeReaderState(store.arn, at(4), None)
    await event_data_stores.move_reader(moved)

    await stores.trails.apply(at(5), SettingsEntry(store.arn, None))

    assert await event_data_stores.event_data_store(store.arn) is None
    assert await event_data_stores.resource_policy(store.arn) == ""
    assert dict(await stores.trails.tags(store.arn)) == {}
    assert list(await event_data_stores.lake_readers()) == [moved]
    await event_data_stores.finish_reader(store.arn)
    assert list(await event_data_stores.lake_readers()) == []


async def test_channel_is_visible_until_it_is_deleted(stores: MetadataStores) -> None:
    arn = channel_arn("us-east-1", ACCOUNT, ID)
    channel = Channel(arn, "app", ACCOUNT, "us-east-1", "Custom", ({"Type": "EVENT_DATA_STORE", "Location": "x"},))

    await stores.trails.apply(at(3), SettingsEntry(arn, channel.to_json()))
    assert await stores.event_data_stores.channel(arn) == channel
    assert list(await stores.event_data_stores.channels(ACCOUNT)) == [channel]

    await stores.trails.apply(at(5), SettingsEntry(arn, None))
    assert await stores.event_data_stores.channel(arn) is None


async def test_newest_seal_of_a_store_is_kept_until_the_store_is_gone(stores: MetadataStores) -> None:
    arn = event_data_store_arn("us-east-1", ACCOUNT, "11111111-1111-4111-8111-111111111111")
    assert await stores.lake_seals.seal(arn) is None

    await stores.lake_seals.put_seal(LakeSeal(arn, "{}", "ab", "01"))
    await stores.lake_seals.put_seal(LakeSeal(arn, '{"commits":2}', "ab", "02"))

    assert await stores.lake_seals.seal(arn) == LakeSeal(arn, '{"commits":2}', "ab", "02")
    await stores.trails.apply(at(9), SettingsEntry(arn, None))
    assert await stores.lake_seals.seal(arn) is None
