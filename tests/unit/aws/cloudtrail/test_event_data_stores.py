from typing import Any

import pytest

from opentrail.aws.cloudtrail import errors, lake_errors
from opentrail.aws.cloudtrail.channels import create_channel, delete_channel, get_channel, list_channels, update_channel
from opentrail.aws.cloudtrail.event_data_stores import (
    STORES_PER_REGION,
    create_event_data_store,
    delete_event_data_store,
    get_event_data_store,
    list_event_data_stores,
    restore_event_data_store,
    start_event_data_store_ingestion,
    stop_event_data_store_ingestion,
    update_event_data_store,
)
from opentrail.aws.cloudtrail.resource_policies import (
    delete_resource_policy,
    get_resource_policy,
    put_resource_policy,
)
from opentrail.aws.cloudtrail.tags import add_tags, list_tags
from opentrail.aws.service import Outcome
from tests.builders import AUDIT, World, an_organization

AUDIT_LOG = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]
INSIGHT = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Insight"]}]}]
DATA = [
    {
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
        ]
    }
]
UNKNOWN = "99999999-9999-4999-8999-999999999999"


async def do(world: World, handler: Any, operation: str, **parameters: Any) -> dict[str, Any]:
    region = parameters.pop("region", "us-east-1")
    outcome: Outcome = await handler(world.ports, world.call(operation, parameters, region=region))
    await world.carry_out(outcome)
    return dict(outcome.output)


async def create(world: World, name: str = "audit", **parameters: Any) -> dict[str, Any]:
    return await do(world, create_event_data_store, "CreateEventDataStore", Name=name, **parameters)


async def get(world: World, arn: str, **parameters: Any) -> dict[str, Any]:
    return await do(world, get_event_data_store, "GetEventDataStore", EventDataStore=arn, **parameters)


async def update(world: World, arn: str, **parameters: Any) -> dict[str, Any]:
    return await do(world, update_event_data_store, "UpdateEventDataStore", EventDataStore=arn, **parameters)


async def test_new_store_has_the_services_defaults() -> None:
    world = World()

    made = await create(world, TagsList=[{"Key": "team", "Value": "audit"}])
    shown = await get(world, made["EventDataStoreArn"])

    assert made["Status"] == "CREATED"
    assert made["TagsList"] == [{"Key": "team", "Value": "audit"}]
    assert shown["Status"] == "ENABLED"
    assert (shown["RetentionPeriod"], shown["BillingMode"]) == (366, "EXTENDABLE_RETENTION_PRICING")
    assert shown["MultiRegionEnabled"] is shown["TerminationProtectionEnabled"] is True
    assert shown["OrganizationEnabled"] is False
    assert shown["FederationStatus"] == "DISABLED"
    assert shown["PartitionKeys"] == [{"Name": "calendarday", "Type": "string"}]
    assert shown["AdvancedEventSelectors"] == [
        {
            "Name": "Default management events",
            "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
        }
    ]


async def test_store_is_found_by_its_arn_and_by_its_id() -> None:
    world = World()
    arn = (await create(world))["EventDataStoreArn"]

    assert (await get(world, arn.rpartition("/")[2]))["EventDataStoreArn"] == arn
    with pytest.raises(errors.EventDataStoreNotFoundException):
        await get(world, UNKNOWN)
    with pytest.raises(errors.EventDataStoreARNInvalidException):
        await get(world, "audit")


async def test_fixed_pricing_keeps_seven_years_and_no_longer() -> None:
    world = World()

    made = await create(world, BillingMode="FIXED_RETENTION_PRICING")

    assert made["RetentionPeriod"] == 2557
    with pytest.raises(errors.InvalidParameterException):
        await create(world, "other", BillingMode="FIXED_RETENTION_PRICING", RetentionPeriod=2558)
    extended = await update(
        world, made["EventDataStoreArn"], BillingMode="EXTENDABLE_RETENTION_PRICING", RetentionPeriod=3653
    )
    assert (extended["BillingMode"], extended["RetentionPeriod"]) == ("EXTENDABLE_RETENTION_PRICING", 3653)
    with pytest.raises(errors.InvalidParameterException):
        await update(world, made["EventDataStoreArn"], BillingMode="FIXED_RETENTION_PRICING")


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"AdvancedEventSelectors": [*AUDIT_LOG, *DATA]}, errors.InvalidEventSelectorsException),
        ({"AdvancedEventSelectors": DATA * 6}, errors.InvalidEventSelectorsException),
        (
            {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Weather"]}]}]},
            errors.InvalidEventSelectorsException,
        ),
        ({"AdvancedEventSelectors": INSIGHT, "StartIngestion": False}, errors.InvalidParameterException),
        ({"KmsKeyId": "alias/lake"}, errors.KmsKeyNotFoundException),
        ({"KmsKeyId": "lake"}, errors.InvalidKmsKeyIdException),
        ({"OrganizationEnabled": True}, errors.OrganizationsNotInUseException),
        ({"TagsList": [{"Key": "aws:x"}]}, errors.InvalidTagParameterException),
        ({"TagsList": [{"Key": f"k{number}"} for number in range(51)]}, errors.InvalidTagParameterException),
    ],
)
async def test_store_that_cannot_be_is_refused(parameters: dict[str, Any], error: type[Exception]) -> None:
    world = World()

    with pytest.raises(error):
        await create(world, **parameters)


async def test_selectors_of_a_store_may_name_events_and_identities() -> None:
    world = World()
    selectors = [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Management"]},
                {"Field": "eventName", "StartsWith": ["Delete"]},
                {"Field": "userIdentity.arn", "NotEndsWith": [":root"]},
            ]
        }
    ]

    made = await create(world, AdvancedEventSelectors=selectors)

    assert made["AdvancedEventSelectors"] == selectors


async def test_name_is_taken_in_its_region_only() -> None:
    world = World()
    await create(world, MultiRegionEnabled=False)

    with pytest.raises(lake_errors.EventDataStoreAlreadyExistsException):
        await create(world)
    await create(world, region="eu-west-1")


async def test_region_has_ten_stores_at_most_those_pending_deletion_too() -> None:
    world = World()
    for number in range(STORES_PER_REGION):
        arn = (await create(world, f"store-{number}", TerminationProtectionEnabled=False))["EventDataStoreArn"]
    await do(world, delete_event_data_store, "DeleteEventDataStore", EventDataStore=arn)

    with pytest.raises(lake_errors.EventDataStoreMaxLimitExceededException):
        await create(world, "one-more")


async def test_protected_store_is_not_deleted() -> None:
    world = World()
    arn = (await create(world))["EventDataStoreArn"]

    with pytest.raises(lake_errors.EventDataStoreTerminationProtectedException):
        await do(world, delete_event_data_store, "DeleteEventDataStore", EventDataStore=arn)


async def test_deleted_store_waits_seven_days_and_can_only_be_restored() -> None:
    world = World()
    arn = (await create(world, TerminationProtectionEnabled=False))["EventDataStoreArn"]
    await do(world, stop_event_data_store_ingestion, "StopEventDataStoreIngestion", EventDataStore=arn)

    await do(world, delete_event_data_store, "DeleteEventDataStore", EventDataStore=arn)

    assert (await get(world, arn))["Status"] == "PENDING_DELETION"
    for handler, operation, more in (
        (update_event_data_store, "UpdateEventDataStore", {"Name": "other"}),
        (delete_event_data_store, "DeleteEventDataStore", {}),
    ):
        with pytest.raises(lake_errors.InactiveEventDataStoreException):
            await do(world, handler, operation, EventDataStore=arn, **more)
    with pytest.raises(lake_errors.InvalidEventDataStoreStatusException):
        await do(world, start_event_data_store_ingestion, "StartEventDataStoreIngestion", EventDataStore=arn)
    restored = await do(world, restore_event_data_store, "RestoreEventDataStore", EventDataStore=arn)
    assert restored["Status"] == "STOPPED_INGESTION"
    with pytest.raises(lake_errors.InvalidEventDataStoreStatusException):
        await do(world, restore_event_data_store, "RestoreEventDataStore", EventDataStore=arn)


async def test_ingestion_is_stopped_and_started_where_the_category_allows_it() -> None:
    world = World()
    arn = (await create(world, StartIngestion=False))["EventDataStoreArn"]
    other = (await create(world, "audit-log", AdvancedEventSelectors=AUDIT_LOG))["EventDataStoreArn"]

    await do(world, start_event_data_store_ingestion, "StartEventDataStoreIngestion", EventDataStore=arn)

    assert (await get(world, arn))["Status"] == "ENABLED"
    with pytest.raises(lake_errors.InvalidEventDataStoreStatusException):
        await do(world, start_event_data_store_ingestion, "StartEventDataStoreIngestion", EventDataStore=arn)
    with pytest.raises(lake_errors.InvalidEventDataStoreCategoryException):
        await do(world, stop_event_data_store_ingestion, "StopEventDataStoreIngestion", EventDataStore=other)


async def test_update_changes_what_is_given_and_needs_something() -> None:
    world = World()
    arn = (await create(world))["EventDataStoreArn"]
    world.clock.advance(5)

    changed = await update(world, arn, RetentionPeriod=90, AdvancedEventSelectors=DATA)

    assert (changed["RetentionPeriod"], changed["AdvancedEventSelectors"]) == (90, DATA)
    assert changed["UpdatedTimestamp"] > changed["CreatedTimestamp"]
    with pytest.raises(errors.InvalidParameterException):
        await update(world, arn)
    with pytest.raises(errors.InvalidEventSelectorsException):
        await update(world, arn, AdvancedEventSelectors=INSIGHT)


async def test_store_of_all_regions_shows_in_each_and_changes_at_home() -> None:
    world = World()
    wide = (await create(world))["EventDataStoreArn"]
    narrow = (await create(world, "narrow", MultiRegionEnabled=False))["EventDataStoreArn"]

    listed = await do(world, list_event_data_stores, "ListEventDataStores", region="eu-west-1")

    assert listed == {"EventDataStores": [{"EventDataStoreArn": wide, "Name": "audit"}]}
    assert (await get(world, wide, region="eu-west-1"))["Name"] == "audit"
    with pytest.raises(errors.OperationNotPermittedException):
        await update(world, wide, region="eu-west-1", RetentionPeriod=9)
    with pytest.raises(errors.EventDataStoreNotFoundException):
        await get(world, narrow, region="eu-west-1")


async def test_list_goes_on_where_a_page_ended() -> None:
    world = World()
    arns = sorted([(await create(world, f"store-{number}"))["EventDataStoreArn"] for number in range(3)])

    first = await do(world, list_event_data_stores, "ListEventDataStores", MaxResults=2)
    token = first["NextToken"]
    second = await do(world, list_event_data_stores, "ListEventDataStores", MaxResults=2, NextToken=token)

    assert [store["EventDataStoreArn"] for store in [*first["EventDataStores"], *second["EventDataStores"]]] == arns
    assert "NextToken" not in second
    for bad in ({"MaxResults": 3, "NextToken": token}, {"MaxResults": 2, "NextToken": "AAAA"}):
        with pytest.raises(errors.InvalidNextTokenException):
            await do(world, list_event_data_stores, "ListEventDataStores", **bad)


async def test_organization_store_belongs_to_the_management_account() -> None:
    organization = an_organization(AUDIT)
    world = World(organization=organization)

    made = await create(world, OrganizationEnabled=True)

    store = (await world.event_data_stores.event_data_stores())[0]
    assert made["OrganizationEnabled"] is True
    assert store.account_id == organization.management_account_id
    assert store.account_ids == tuple(account.account_id for account in organization.accounts)


async def test_tags_are_kept_for_stores_and_channels() -> None:
    world = World()
    store, channel = await a_channel(world)

    for arn in (store, channel):
        await do(world, add_tags, "AddTags", ResourceId=arn, TagsList=[{"Key": "a", "Value": "b"}])
        listed = await do(world, list_tags, "ListTags", ResourceIdList=[arn])
        assert listed["ResourceTagList"] == [{"ResourceId": arn, "TagsList": [{"Key": "a", "Value": "b"}]}]


async def a_channel(world: World, name: str = "app") -> tuple[str, str]:
    """Return the ARNs of a new store for outside events and of a channel into it."""
    store = await create(world, f"{name}-store", AdvancedEventSelectors=AUDIT_LOG, TerminationProtectionEnabled=False)
    made = await do(world, create_channel, "CreateChannel", **into(store["EventDataStoreArn"], name))
    return store["EventDataStoreArn"], made["ChannelArn"]


def into(store: str, name: str = "app", source: str = "Custom") -> dict[str, Any]:
    return {"Name": name, "Source": source, "Destinations": [{"Type": "EVENT_DATA_STORE", "Location": store}]}


async def test_channel_is_shown_changed_and_deleted() -> None:
    world = World()
    store, channel = await a_channel(world)

    shown = await do(world, get_channel, "GetChannel", Channel=channel)
    assert (shown["Source"], shown["Destinations"][0]["Location"]) == ("Custom", store)
    assert shown["IngestionStatus"] == {}
    renamed = await do(world, update_channel, "UpdateChannel", Channel=channel, Name="other")
    assert renamed["Name"] == "other"
    listed = await do(world, list_channels, "ListChannels")
    assert listed == {"Channels": [{"ChannelArn": channel, "Name": "other"}]}
    await do(world, delete_channel, "DeleteChannel", Channel=channel.rpartition("/")[2])
    assert await do(world, list_channels, "ListChannels") == {"Channels": []}


async def test_channel_that_cannot_be_is_refused() -> None:
    world = World()
    store, _ = await a_channel(world)
    wrong = (await create(world, "wrong"))["EventDataStoreArn"]

    for given, error in (
        (into(store), lake_errors.ChannelAlreadyExistsException),
        (into(store, "second", "Okta"), lake_errors.InvalidSourceException),
        (into(wrong, "second"), lake_errors.InvalidEventDataStoreCategoryException),
        (into(UNKNOWN, "second"), errors.EventDataStoreNotFoundException),
    ):
        with pytest.raises(error):
            await do(world, create_channel, "CreateChannel", **given)
    with pytest.raises(lake_errors.ChannelARNInvalidException):
        await do(world, get_channel, "GetChannel", Channel="app")


async def test_store_that_a_channel_feeds_is_not_deleted() -> None:
    world = World()
    store, channel = await a_channel(world)

    with pytest.raises(lake_errors.ChannelExistsForEDSException):
        await do(world, delete_event_data_store, "DeleteEventDataStore", EventDataStore=store)
    await do(world, delete_channel, "DeleteChannel", Channel=channel)
    await do(world, delete_event_data_store, "DeleteEventDataStore", EventDataStore=store)
    with pytest.raises(lake_errors.InactiveEventDataStoreException):
        await do(world, create_channel, "CreateChannel", **into(store))


POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},'
    '"Action":"cloudtrail-data:PutAuditEvents","Resource":"*"}]}'
)


async def test_policy_is_attached_shown_and_removed() -> None:
    world = World()
    _, channel = await a_channel(world)

    await do(world, put_resource_policy, "PutResourcePolicy", ResourceArn=channel, ResourcePolicy=POLICY)

    shown = await do(world, get_resource_policy, "GetResourcePolicy", ResourceArn=channel)
    assert shown == {"ResourceArn": channel, "ResourcePolicy": POLICY}
    await do(world, delete_resource_policy, "DeleteResourcePolicy", ResourceArn=channel)
    for handler in (get_resource_policy, delete_resource_policy):
        with pytest.raises(lake_errors.ResourcePolicyNotFoundException):
            await do(world, handler, "GetResourcePolicy", ResourceArn=channel)


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        ("audit", lake_errors.ResourceARNNotValidException),
        ("arn:aws:s3:::logs", lake_errors.ResourceARNNotValidException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:trail/main", errors.ResourceTypeNotSupportedException),
        (f"arn:aws:cloudtrail:us-east-1:123456789012:channel/{UNKNOWN}", errors.ResourceNotFoundException),
        (f"arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/{UNKNOWN}", errors.ResourceNotFoundException),
        ("arn:aws:cloudtrail:us-east-1:123456789012:channel/x", lake_errors.ResourceARNNotValidException),
    ],
)
async def test_policy_of_what_is_not_there_is_refused(arn: str, error: type[Exception]) -> None:
    world = World()

    with pytest.raises(error):
        await do(world, get_resource_policy, "GetResourcePolicy", ResourceArn=arn)


async def test_policy_with_a_fault_is_refused() -> None:
    world = World()
    _, channel = await a_channel(world)

    for policy in ("{", "{}", POLICY.replace('"Principal":{"AWS":"222222222222"},', "")):
        with pytest.raises(lake_errors.ResourcePolicyNotValidException):
            await do(world, put_resource_policy, "PutResourcePolicy", ResourceArn=channel, ResourcePolicy=policy)
