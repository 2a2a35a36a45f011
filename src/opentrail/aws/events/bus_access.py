"""What a bus's resource policy says of calls about its rules: another account's callers need its leave, and a Deny
counts for the owner's own, too."""

from collections.abc import Mapping
from typing import Any

import orjson

from opentrail.arn import Arn
from opentrail.aws.authorization import access_request, denial
from opentrail.aws.events.permissions import requirements
from opentrail.aws.service import ApiPorts, Call, Requirement
from opentrail.policy.bus_use import judge_bus_use, organization_conditions
from opentrail.policy.evaluation import RESOURCE_BASED, Authorization, Decision
from opentrail.resource.event_rule import EventRule

_MATCHED = {"source": "events:source", "detail-type": "events:detail-type"}
"""Members of a rule's pattern that a policy can test when the rule is put, and their condition keys."""


def check_policy(ports: ApiPorts, call: Call, bus_arn: str, policy: str, rule_arn: str, rule: EventRule | None) -> None:
    """Raise AccessDenied unless the call may be made of ``rule_arn``, which is ``rule`` where it is there already."""
    is_own = Arn.parse(bus_arn).account_id == call.account_id
    if is_own and not policy:
        return
    asked = requirements(call)[0]
    context: dict[str, tuple[str, ...]] = {**asked.context, **_pattern_conditions(call.parameters)}
    context |= organization_conditions(ports.organization, call.account_id)
    if rule is not None:
        context["events:creatorAccount"] = (rule.created_by,)
    requirement = Requirement(asked.action, rule_arn, context)
    decision = judge_bus_use(policy, access_request(call, requirement))
    if decision is Decision.EXPLICIT_DENY or (decision is not Decision.ALLOW and not is_own):
        raise denial(call, requirement, Authorization(decision, RESOURCE_BASED))


def _pattern_conditions(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what a rule's pattern names plainly; nothing of one that cannot be read, which is refused later."""
    try:
        pattern = orjson.loads(given.get("EventPattern") or "{}")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(pattern, dict):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for member, key in _MATCHED.items():
        values = pattern.get(member)
        if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
            found[key] = tuple(values)
    return found
