"""Whose an organization's event data store is: the management account's, whom its delegated administrators help."""

from typing import Any

import orjson
import pytest

from opentrail.aws.cloudtrail import SERVICE
from opentrail.errors import AwsError
from tests.builders import AUDIT, DEV, MANAGEMENT, World, a_credential, a_root, an_organization


def of_category(category: str) -> list[dict[str, Any]]:
    return [{"FieldSelectors": [{"Field": "eventCategory", "Equals": [category]}]}]


async def answer(world: World, account_id: str, operation: str, **parameters: Any) -> dict[str, Any]:
    credential = a_credential(a_root(account_id), key=f"AKIA{account_id}")
    outcome = await SERVICE.handlers[operation].run(
        world.ports, world.call(operation, parameters, credential=credential)
    )
    await world.carry_out(outcome)
    return dict(outcome.output)


async def refused(world: World, account_id: str, operation: str, **parameters: Any) -> str:
    with pytest.raises(AwsError) as refusal:
        await answer(world, account_id, operation, **parameters)
    return refusal.value.code


@pytest.fixture
def world() -> World:
    return World(organization=an_organization())


async def made(world: World, account_id: str = MANAGEMENT, **parameters: Any) -> str:
    given = {"Name": "all", "OrganizationEnabled": True, "TerminationProtectionEnabled": False} | parameters
    return str((await answer(world, account_id, "CreateEventDataStore", **given))["EventDataStoreArn"])


async def test_a_delegated_administrator_looks_after_the_management_accounts_store(world: World) -> None:
    arn = await made(world, AUDIT)

    assert f":{MANAGEMENT}:" in arn
    assert (await answer(world, AUDIT, "ListEventDataStores"))["EventDataStores"] == [
        {"EventDataStoreArn": arn, "Name": "all"}
    ]
    assert (await answer(world, AUDIT, "UpdateEventDataStore", EventDataStore=arn, Name="new"))["Name"] == "new"
    await answer(world, AUDIT, "StopEventDataStoreIngestion", EventDataStore=arn)
    await answer(world, AUDIT, "DeleteEventDataStore", EventDataStore=arn)
    assert (await answer(world, AUDIT, "RestoreEventDataStore", EventDataStore=arn))["Status"] == "STOPPED_INGESTION"


async def test_what_the_management_account_alone_may_do(world: World) -> None:
    arn = await made(world)
    insights = await made(
        world, Name="insights", OrganizationEnabled=False, AdvancedEventSelectors=of_category("Insight")
    )
    selectors = {
        "EventDataStore": arn,
        "InsightsDestination": insights,
        "InsightSelectors": [{"InsightType": "ApiErrorRateInsight"}],
    }
    ordinary = {"EventDataStore": arn, "OrganizationEnabled": False}

    assert await refused(world, AUDIT, "PutInsightSelectors", **selectors) == "NotOrganizationMasterAccountException"
    assert await refused(world, AUDIT, "UpdateEventDataStore", **ordinary) == "NotOrganizationMasterAccountException"
    assert (await answer(world, MANAGEMENT, "PutInsightSelectors", **selectors))["EventDataStoreArn"] == arn
    assert (await answer(world, MANAGEMENT, "UpdateEventDataStore", **ordinary))["OrganizationEnabled"] is False


async def test_member_accounts_see_nothing_of_it_and_make_none(world: World) -> None:
    arn = await made(world)

    assert (await answer(world, DEV, "ListEventDataStores"))["EventDataStores"] == []
    for operation in ("GetEventDataStore", "UpdateEventDataStore", "DeleteEventDataStore", "ListQueries"):
        assert await refused(world, DEV, operation, EventDataStore=arn) == "EventDataStoreNotFoundException"
    given = {"Name": "mine", "OrganizationEnabled": True}
    assert await refused(world, DEV, "CreateEventDataStore", **given) == "NotOrganizationMasterAccountException"


async def test_events_from_outside_are_no_organizations(world: World) -> None:
    given = {"Name": "app", "OrganizationEnabled": True, "AdvancedEventSelectors": of_category("ActivityAuditLog")}

    assert await refused(world, MANAGEMENT, "CreateEventDataStore", **given) == "InvalidParameterException"


async def test_policy_of_the_delegated_administrators_is_shown_beside_the_stores_own(world: World) -> None:
    arn = await made(world)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "cloudtrail:StartQuery", "Resource": arn}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": [statement]}).decode()

    without = await answer(world, MANAGEMENT, "GetResourcePolicy", ResourceArn=arn)
    put = await answer(world, MANAGEMENT, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=policy)

    (generated,) = orjson.loads(without["DelegatedAdminResourcePolicy"])["Statement"]
    assert (generated["Principal"], generated["Resource"]) == ({"AWS": [f"arn:aws:iam::{AUDIT}:root"]}, arn)
    assert "cloudtrail:UpdateEventDataStore" in generated["Action"]
    assert without.keys() == {"ResourceArn", "DelegatedAdminResourcePolicy"}
    assert put == without | {"ResourcePolicy": policy}
    assert await answer(world, AUDIT, "GetResourcePolicy", ResourceArn=arn) == put
