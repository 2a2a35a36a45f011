"""What the organization of the settings looks like through the Organizations API, and to whom."""

import re
from typing import Any

import pytest

from opentrail.aws import organizations
from opentrail.aws.organizations.errors import (
    AccessDeniedException,
    AccountNotFoundException,
    AccountNotRegisteredException,
    AWSOrganizationsNotInUseException,
    InvalidInputException,
)
from tests.builders import AUDIT, DEV, MANAGEMENT, World, a_credential, a_root, an_organization


async def call(world: World, operation: str, parameters: dict[str, Any] | None = None, *, by: str = MANAGEMENT) -> Any:
    credential = a_credential(a_root(by))
    made = world.call(operation, parameters, service="organizations", credential=credential)
    return (await organizations.SERVICE.handlers[operation].run(world.ports, made)).output


@pytest.fixture
def world() -> World:
    return World(organization=an_organization())


@pytest.mark.parametrize("operation", sorted(organizations.SERVICE.handlers))
async def test_without_an_organization_no_account_is_a_member_of_one(operation: str) -> None:
    with pytest.raises(AWSOrganizationsNotInUseException, match="not a member"):
        await call(World(), operation, {"AccountId": AUDIT})


@pytest.mark.parametrize("operation", sorted(organizations.SERVICE.handlers))
async def test_an_account_outside_the_organization_sees_nothing_of_it(world: World, operation: str) -> None:
    with pytest.raises(AWSOrganizationsNotInUseException):
        await call(world, operation, {"AccountId": AUDIT}, by="999999999999")


@pytest.mark.parametrize("by", [MANAGEMENT, AUDIT, DEV])
async def test_every_member_may_ask_which_organization_it_is_in(world: World, by: str) -> None:
    shown = await call(world, "DescribeOrganization", by=by)

    assert shown == {
        "Organization": {
            "Id": "o-exampleorgid",
            "Arn": f"arn:aws:organizations::{MANAGEMENT}:organization/o-exampleorgid",
            "FeatureSet": "ALL",
            "MasterAccountArn": f"arn:aws:organizations::{MANAGEMENT}:account/o-exampleorgid/{MANAGEMENT}",
            "MasterAccountId": MANAGEMENT,
            "MasterAccountEmail": "root@example.com",
            "AvailablePolicyTypes": [],
        }
    }


@pytest.mark.parametrize("operation", sorted(organizations.SERVICE.handlers.keys() - {"DescribeOrganization"}))
async def test_an_ordinary_member_may_not_look_at_the_others(world: World, operation: str) -> None:
    with pytest.raises(AccessDeniedException):
        await call(world, operation, {"AccountId": AUDIT}, by=DEV)


async def test_accounts_are_listed_by_id_with_what_is_known_of_them(world: World) -> None:
    shown = await call(world, "ListAccounts", by=AUDIT)

    assert [account["Id"] for account in shown["Accounts"]] == sorted([MANAGEMENT, AUDIT, DEV])
    assert "NextToken" not in shown
    by_id = {account["Id"]: account for account in shown["Accounts"]}
    assert by_id[DEV] == {
        "Id": DEV,
        "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/o-exampleorgid/{DEV}",
        "Name": DEV,
        "Status": "ACTIVE",
        "State": "ACTIVE",
    }
    assert (by_id[AUDIT]["Name"], by_id[AUDIT]["Email"]) == ("Log Archive", "audit@example.com")
    assert await call(world, "DescribeAccount", {"AccountId": DEV}) == {"Account": by_id[DEV]}


async def test_accounts_come_in_pages(world: World) -> None:
    found, token = [], ""
    for _ in range(3):
        page = await call(world, "ListAccounts", {"MaxResults": 1} | ({"NextToken": token} if token else {}))
        found += [account["Id"] for account in page["Accounts"]]
        token = page.get("NextToken", "")

    assert found == sorted([MANAGEMENT, AUDIT, DEV])
    assert token == ""


@pytest.mark.parametrize("token", ["x", "999999999999", "0" * 100_000])
async def test_a_token_that_was_never_given_out_is_refused(world: World, token: str) -> None:
    with pytest.raises(InvalidInputException, match="NextToken") as refused:
        await call(world, "ListAccounts", {"NextToken": token})

    assert refused.value.members == {"Reason": "INVALID_NEXT_TOKEN"}


async def test_an_account_of_nobody_is_not_found(world: World) -> None:
    for operation in ("DescribeAccount", "ListDelegatedServicesForAccount"):
        with pytest.raises(AccountNotFoundException):
            await call(world, operation, {"AccountId": "999999999999"})


async def test_delegated_administrators_are_cloudtrail_s(world: World) -> None:
    listed = await call(world, "ListDelegatedAdministrators", {"ServicePrincipal": "cloudtrail.amazonaws.com"})
    others = await call(world, "ListDelegatedAdministrators", {"ServicePrincipal": "config.amazonaws.com"})
    services = await call(world, "ListDelegatedServicesForAccount", {"AccountId": AUDIT})

    assert [account["Id"] for account in listed["DelegatedAdministrators"]] == [AUDIT]
    assert others == {"DelegatedAdministrators": []}
    assert services == {"DelegatedServices": [{"ServicePrincipal": "cloudtrail.amazonaws.com"}]}
    with pytest.raises(AccountNotRegisteredException):
        await call(world, "ListDelegatedServicesForAccount", {"AccountId": DEV})


async def test_cloudtrail_works_for_the_whole_organization(world: World) -> None:
    shown = await call(world, "ListAWSServiceAccessForOrganization")

    assert shown == {"EnabledServicePrincipals": [{"ServicePrincipal": "cloudtrail.amazonaws.com"}]}


def test_each_operation_needs_its_own_permission(world: World) -> None:
    for operation in organizations.SERVICE.handlers:
        [needed] = organizations.SERVICE.requirements(world.call(operation, service="organizations"))
        assert re.fullmatch(r"organizations:[A-Z]\w+", needed.action)
        assert (needed.action, needed.resource) == (f"organizations:{operation}", "*")
