"""The organization itself, and who may ask about it."""

from opentrail.aws.organizations.errors import AccessDeniedException, AWSOrganizationsNotInUseException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.resource.organization import Organization

FEATURE_SET = "ALL"


def own_organization(ports: ApiPorts, call: Call) -> Organization:
    """Return the caller's organization; raises AWSOrganizationsNotInUse."""
    organization = ports.organization
    if organization is None or organization.account(call.account_id) is None:
        raise AWSOrganizationsNotInUseException
    return organization


def administered_organization(ports: ApiPorts, call: Call) -> Organization:
    """Return the organization that the caller may see whole; raises AccessDenied for an ordinary member."""
    organization = own_organization(ports, call)
    if not organization.is_administrator(call.account_id):
        raise AccessDeniedException
    return organization


async def describe_organization(ports: ApiPorts, call: Call) -> Outcome:
    """Show the caller's organization, to every account of it. Policy types are not to be had here."""
    organization = own_organization(ports, call)
    master = organization.management_account_id
    account = organization.account(master)
    shown = {
        "Id": organization.organization_id,
        "Arn": organization.arn,
        "FeatureSet": FEATURE_SET,
        "MasterAccountArn": organization.account_arn(master),
        "MasterAccountId": master,
        "AvailablePolicyTypes": [],
    }
    if account is not None and account.email:
        shown["MasterAccountEmail"] = account.email
    return Outcome({"Organization": shown})
