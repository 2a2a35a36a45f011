"""Who looks after the organization's trails, and that CloudTrail works for the whole of it."""

from opentrail.aws.organizations.accounts import page_of_accounts, wire_account
from opentrail.aws.organizations.errors import AccountNotFoundException, AccountNotRegisteredException
from opentrail.aws.organizations.organization import administered_organization
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.organization import CLOUDTRAIL


async def list_delegated_administrators(ports: ApiPorts, call: Call) -> Outcome:
    """List the delegated administrators; they are CloudTrail's, so another service has none."""
    organization = administered_organization(ports, call)
    is_asked_for = call.parameters.get("ServicePrincipal", CLOUDTRAIL) == CLOUDTRAIL
    found = [
        account
        for account in organization.accounts
        if is_asked_for and account.account_id in organization.delegated_administrators
    ]
    accounts, token = page_of_accounts(found, call.parameters)
    return Outcome({"DelegatedAdministrators": [wire_account(organization, account) for account in accounts]} | token)


async def list_delegated_services_for_account(ports: ApiPorts, call: Call) -> Outcome:
    """List what a delegated administrator looks after: CloudTrail."""
    organization = administered_organization(ports, call)
    account_id = call.parameters["AccountId"]
    if organization.account(account_id) is None:
        raise AccountNotFoundException
    if account_id not in organization.delegated_administrators:
        raise AccountNotRegisteredException
    return Outcome({"DelegatedServices": [{"ServicePrincipal": CLOUDTRAIL}]})


async def list_aws_service_access_for_organization(ports: ApiPorts, call: Call) -> Outcome:
    """List the services that work for the whole organization: CloudTrail, from the start."""
    administered_organization(ports, call)
    return Outcome({"EnabledServicePrincipals": [{"ServicePrincipal": CLOUDTRAIL}]})
