"""Delegated administrators of the organization: member accounts that look after its trails and event data stores.

Registered by the management account (reference: lake-and-insights section 9), beside those that the operator's settings
name. Each change is on record before it takes effect.
"""

from opentrail.aws.cloudtrail.delegation_errors import (
    AccountNotFoundException,
    AccountNotRegisteredException,
    AccountRegisteredException,
    CannotDelegateManagementAccountException,
    DelegatedAdminAccountLimitExceededException,
    NotOrganizationManagementAccountException,
)
from opentrail.aws.cloudtrail.errors import OperationNotPermittedException, OrganizationsNotInUseException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.organization import MAX_DELEGATED_ADMINISTRATORS, Organization


async def register_organization_delegated_admin(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a member account looks after the organization's trails and event data stores, too."""
    organization = _managed_organization(ports, call)
    account_id: str = call.parameters["MemberAccountId"]
    if account_id == organization.management_account_id:
        raise CannotDelegateManagementAccountException
    _check_is_member(organization, account_id)
    if account_id in organization.delegated_administrators:
        raise AccountRegisteredException(account_id)
    if len(organization.delegated_administrators) >= MAX_DELEGATED_ADMINISTRATORS:
        raise DelegatedAdminAccountLimitExceededException(MAX_DELEGATED_ADMINISTRATORS)

    async def register() -> None:
        await ports.delegation.register(account_id)

    return Outcome(after=register)


async def deregister_organization_delegated_admin(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that an account is no delegated administrator any more; what it made stays as it is."""
    organization = _managed_organization(ports, call)
    account_id: str = call.parameters["DelegatedAdminAccountId"]
    _check_is_member(organization, account_id)
    if account_id not in organization.delegated_administrators:
        raise AccountNotRegisteredException(account_id)
    if ports.delegation.is_named_by_settings(account_id):
        raise OperationNotPermittedException.administrator_of_settings(account_id)

    async def deregister() -> None:
        await ports.delegation.deregister(account_id)

    return Outcome(after=deregister)


def _managed_organization(ports: ApiPorts, call: Call) -> Organization:
    organization = ports.organization
    if organization is None or organization.account(call.account_id) is None:
        raise OrganizationsNotInUseException(call.account_id)
    if organization.management_account_id != call.account_id:
        raise NotOrganizationManagementAccountException
    return organization


def _check_is_member(organization: Organization, account_id: str) -> None:
    if organization.account(account_id) is None:
        raise AccountNotFoundException(account_id)
