"""The accounts of the organization. When and how they joined is not known here, and not told."""

from collections.abc import Sequence

from opentrail.aws.organizations.errors import AccountNotFoundException, InvalidInputException
from opentrail.aws.organizations.organization import administered_organization
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.protocol import Parameters
from opentrail.resource.organization import Account, Organization

PAGE_SIZE = 20
"""Accounts on one page: the most that MaxResults may ask for."""


async def list_accounts(ports: ApiPorts, call: Call) -> Outcome:
    """List the accounts by id, the management account among them."""
    organization = administered_organization(ports, call)
    accounts, token = page_of_accounts(organization.accounts, call.parameters)
    return Outcome({"Accounts": [wire_account(organization, account) for account in accounts]} | token)


async def describe_account(ports: ApiPorts, call: Call) -> Outcome:
    """Show one account of the organization."""
    organization = administered_organization(ports, call)
    account = organization.account(call.parameters["AccountId"])
    if account is None:
        raise AccountNotFoundException
    return Outcome({"Account": wire_account(organization, account)})


def wire_account(organization: Organization, account: Account) -> Parameters:
    """Return what Organizations tells of an account; one without a name goes by its id."""
    shown: Parameters = {
        "Id": account.account_id,
        "Arn": organization.account_arn(account.account_id),
        "Name": account.name or account.account_id,
        "Status": "ACTIVE",
        "State": "ACTIVE",
    }
    return shown | ({"Email": account.email} if account.email else {})


def page_of_accounts(accounts: Sequence[Account], parameters: Parameters) -> tuple[Sequence[Account], Parameters]:
    """Return one page of accounts that are sorted by id, and the NextToken member unless it is the last.

    A token is the id of the account that the page before ended with; raises InvalidInput for anything else.
    """
    after: str = parameters.get("NextToken", "")
    if after and not any(account.account_id == after for account in accounts):
        raise InvalidInputException.bad_token()
    left = [account for account in accounts if account.account_id > after]
    page = left[: parameters.get("MaxResults", PAGE_SIZE)]
    return page, {"NextToken": page[-1].account_id} if len(page) < len(left) else {}
