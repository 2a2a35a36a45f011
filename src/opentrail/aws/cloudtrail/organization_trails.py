"""Organization trails: whose they are, who sees them and who may touch them.

They belong to the management account, whoever of its delegated administrators makes them; every member account sees
them, under the management account's ARN, and changes nothing (reference: trails-and-delivery, section 1, Regions).
"""

from collections.abc import Sequence

from opentrail.aws.cloudtrail.errors import NotOrganizationMasterAccountException, OrganizationsNotInUseException
from opentrail.aws.service import ApiPorts, Call
from opentrail.resource.organization import Organization, organized
from opentrail.resource.trail import Trail


def owner_of_new_trail(ports: ApiPorts, call: Call) -> str:
    """Return the account that the trail which CreateTrail asks for will belong to.

    Raises OrganizationsNotInUse, NotOrganizationMasterAccount.
    """
    if not call.parameters.get("IsOrganizationTrail", False):
        return call.account_id
    return administered_organization(ports, call).management_account_id


def with_organization(ports: ApiPorts, call: Call, trail: Trail) -> Trail:
    """Return ``trail`` as an organization's or an ordinary one, as Create/UpdateTrail asks for it.

    Only the management account turns the one into the other. Raises OrganizationsNotInUse,
    NotOrganizationMasterAccount.
    """
    asked: bool = call.parameters.get("IsOrganizationTrail", trail.is_organization)
    if not asked and not trail.is_organization:
        return trail
    organization = administered_organization(ports, call)
    is_conversion = call.operation.name == "UpdateTrail" and asked != trail.is_organization
    if is_conversion and call.account_id != organization.management_account_id:
        raise NotOrganizationMasterAccountException
    return organized(trail, organization if asked else None)


def is_visible(trail: Trail, account_id: str) -> bool:
    """Say whether an account sees a trail: its own, and its organization's."""
    return account_id in trail.account_ids


async def visible_trails(ports: ApiPorts, call: Call) -> Sequence[Trail]:
    """Return every trail, of all Regions, that the caller's account sees."""
    own = await ports.trails.trails(call.account_id)
    organization = ports.organization
    if organization is None or organization.management_account_id == call.account_id:
        return own
    shared = await ports.trails.trails(organization.management_account_id)
    return [*own, *(trail for trail in shared if trail.is_organization and is_visible(trail, call.account_id))]


def check_may_change(ports: ApiPorts, call: Call, trail: Trail) -> None:
    """Raise NotOrganizationMasterAccount when the caller only sees the trail as a member of its organization."""
    if trail.account_id == call.account_id:
        return
    if ports.organization is None or not ports.organization.is_administrator(call.account_id):
        raise NotOrganizationMasterAccountException


def administered_organization(ports: ApiPorts, call: Call) -> Organization:
    """Return the organization that the caller may look after; raises OrganizationsNotInUse,
    NotOrganizationMasterAccount."""
    organization = ports.organization
    if organization is None or organization.account(call.account_id) is None:
        raise OrganizationsNotInUseException(call.account_id)
    if not organization.is_administrator(call.account_id):
        raise NotOrganizationMasterAccountException
    return organization
