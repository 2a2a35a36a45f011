"""Organizations (2016-11-28): the organization that the operator's settings tell, for reading only."""

from opentrail.aws.organizations.accounts import describe_account, list_accounts
from opentrail.aws.organizations.administrators import (
    list_aws_service_access_for_organization,
    list_delegated_administrators,
    list_delegated_services_for_account,
)
from opentrail.aws.organizations.organization import describe_organization
from opentrail.aws.service import Call, Handler, Requirement, Service


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs: its own action, which no resource narrows."""
    return (Requirement(f"organizations:{call.operation.name}", "*"),)


SERVICE = Service(
    name="organizations",
    handlers={
        "DescribeAccount": Handler(describe_account),
        "DescribeOrganization": Handler(describe_organization),
        "ListAWSServiceAccessForOrganization": Handler(list_aws_service_access_for_organization),
        "ListAccounts": Handler(list_accounts),
        "ListDelegatedAdministrators": Handler(list_delegated_administrators),
        "ListDelegatedServicesForAccount": Handler(list_delegated_services_for_account),
    },
    requirements=requirements,
)
