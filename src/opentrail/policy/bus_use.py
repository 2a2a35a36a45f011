"""Whether an event bus takes an event of another account: what the bus's resource policy says of events:PutEvents."""

from collections.abc import Mapping
from typing import Any

from opentrail.arn import Arn, root_arn
from opentrail.policy.document import MalformedPolicy, parse_policy
from opentrail.policy.evaluation import AccessRequest, Decision, RequestPrincipal, evaluate
from opentrail.resource.organization import Organization

PUT_EVENTS = "events:PutEvents"

Conditions = dict[str, tuple[str, ...]]


def judge_bus_use(policy: str, request: AccessRequest) -> Decision:
    """Judge a request by a bus's policy ("" for none). One that cannot be read lets nobody in."""
    try:
        return evaluate([parse_policy(policy)], request) if policy else Decision.IMPLICIT_DENY
    except MalformedPolicy:
        return Decision.IMPLICIT_DENY


def event_conditions(source: str, detail_type: str, *, is_from_bus: bool) -> Conditions:
    """Return the condition keys of EventBridge that an event brings."""
    return {
        "events:source": (source,),
        "events:detail-type": (detail_type,),
        "events:eventBusInvocation": (str(is_from_bus).lower(),),
    }


def organization_conditions(organization: Organization | None, account_id: str) -> Conditions:
    """Return the condition keys of an account's organization, none for an account of no organization."""
    is_member = organization is not None and any(each.account_id == account_id for each in organization.accounts)
    return {"aws:PrincipalOrgID": (organization.organization_id,)} if organization is not None and is_member else {}


def forwarding_request(
    bus_arn: str, rule_arn: str, event: Mapping[str, Any], organization: Organization | None
) -> AccessRequest:
    """Return the question that a bus's policy is asked when a rule of another account forwards an event to it."""
    account_id = Arn.parse(rule_arn).account_id
    context = {
        **event_conditions(str(event.get("source", "")), str(event.get("detail-type", "")), is_from_bus=True),
        **organization_conditions(organization, account_id),
        "aws:PrincipalAccount": (account_id,),
        "aws:PrincipalArn": (root_arn(account_id),),
        "aws:SourceAccount": (account_id,),
        "aws:SourceArn": (rule_arn,),
    }
    principal = RequestPrincipal(account_id=account_id, arn=root_arn(account_id), is_root=True)
    return AccessRequest(PUT_EVENTS, bus_arn, context, principal)
