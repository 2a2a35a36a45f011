"""Delegated administrators of the organization: who may make them, of whom, and what they may then do."""

from typing import Any

import pytest

from opentrail.aws import cloudtrail, organizations
from opentrail.aws.cloudtrail import delegation_errors as delegation
from opentrail.aws.cloudtrail import errors
from opentrail.errors import AwsError
from tests.builders import AUDIT, DEV, MANAGEMENT, World, a_credential, a_root, an_organization


async def call(world: World, operation: str, parameters: dict[str, Any], *, by: str = MANAGEMENT) -> Any:
    made = world.call(operation, parameters, credential=a_credential(a_root(by)))
    outcome = await cloudtrail.SERVICE.handlers[operation].run(world.ports, made)
    await world.carry_out(outcome)
    return outcome.output


async def register(world: World, account_id: str, *, by: str = MANAGEMENT) -> Any:
    return await call(world, "RegisterOrganizationDelegatedAdmin", {"MemberAccountId": account_id}, by=by)


async def deregister(world: World, account_id: str, *, by: str = MANAGEMENT) -> Any:
    return await call(world, "DeregisterOrganizationDelegatedAdmin", {"DelegatedAdminAccountId": account_id}, by=by)


async def listed(world: World) -> list[str]:
    made = world.call(
        "ListDelegatedAdministrators", {}, service="organizations", credential=a_credential(a_root(MANAGEMENT))
    )
    outcome = await organizations.SERVICE.handlers["ListDelegatedAdministrators"].run(world.ports, made)
    return [one["Id"] for one in outcome.output["DelegatedAdministrators"]]


async def test_registered_account_looks_after_the_organization_until_it_is_deregistered() -> None:
    world = World(organization=an_organization())
    store = {"Name": "everything", "OrganizationEnabled": True}
    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, "CreateEventDataStore", store, by=DEV)

    assert await register(world, DEV) == {}

    created = await call(world, "CreateEventDataStore", store, by=DEV)
    assert f":{MANAGEMENT}:" in created["EventDataStoreArn"]
    assert await listed(world) == sorted([AUDIT, DEV])
    assert await deregister(world, DEV) == {}
    assert await listed(world) == [AUDIT]
    with pytest.raises(errors.NotOrganizationMasterAccountException):
        await call(world, "CreateEventDataStore", store | {"Name": "again"}, by=DEV)


@pytest.mark.parametrize(
    ("account_id", "by", "error"),
    [
        (DEV, AUDIT, delegation.NotOrganizationManagementAccountException),
        (DEV, "999999999999", errors.OrganizationsNotInUseException),
        (MANAGEMENT, MANAGEMENT, delegation.CannotDelegateManagementAccountException),
        ("999999999999", MANAGEMENT, delegation.AccountNotFoundException),
        (AUDIT, MANAGEMENT, delegation.AccountRegisteredException),
    ],
)
async def test_account_is_not_registered(account_id: str, by: str, error: type[AwsError]) -> None:
    world = World(organization=an_organization())

    with pytest.raises(error):
        await register(world, account_id, by=by)

    assert await listed(world) == [AUDIT]


async def test_there_are_three_delegated_administrators_at_most() -> None:
    members = ("222222222222", "333333333333", "444444444444", "555555555555")
    world = World(organization=an_organization(*members, delegated=()))
    for account_id in members[:3]:
        await register(world, account_id)

    with pytest.raises(delegation.DelegatedAdminAccountLimitExceededException):
        await register(world, members[3])


@pytest.mark.parametrize(
    ("account_id", "by", "error"),
    [
        (AUDIT, DEV, delegation.NotOrganizationManagementAccountException),
        ("999999999999", MANAGEMENT, delegation.AccountNotFoundException),
        (DEV, MANAGEMENT, delegation.AccountNotRegisteredException),
        (AUDIT, MANAGEMENT, errors.OperationNotPermittedException),
    ],
)
async def test_account_is_not_deregistered(account_id: str, by: str, error: type[AwsError]) -> None:
    world = World(organization=an_organization())

    with pytest.raises(error):
        await deregister(world, account_id, by=by)

    assert await listed(world) == [AUDIT]


async def test_without_an_organization_nobody_delegates() -> None:
    with pytest.raises(errors.OrganizationsNotInUseException):
        await register(World(), DEV)
