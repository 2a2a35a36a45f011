"""PutPermission, RemovePermission: a bus's resource policy, whole or by statement (eventbridge, section 5)."""

from dataclasses import replace
from typing import Any

import orjson

from opentrail.arn import root_arn
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.buses import named_bus
from opentrail.aws.events.errors import PolicyLengthExceededException, ResourceNotFoundException
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.policy.bus_use import PUT_EVENTS
from opentrail.policy.document import CURRENT_VERSION, MalformedPolicy, PolicyKind, parse_policy
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_bus import EventBus

MAX_POLICY_BYTES = 10_240
"""EventBridge's quota."""


async def put_permission(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a bus's policy: the whole of it, or one statement in place of the one of its id."""
    given = call.parameters
    bus = await named_bus(ports, call, given.get("EventBusName", ""))
    if given.get("Policy"):
        policy = _checked(given["Policy"])
    else:
        statement = _statement(given, bus)
        policy = _text([*(each for each in _statements(bus) if each.get("Sid") != statement["Sid"]), statement])
    if len(policy.encode()) > MAX_POLICY_BYTES:
        raise PolicyLengthExceededException
    return _with_policy(ports, bus, policy)


async def remove_permission(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of one statement of a bus's policy, or of the whole."""
    given = call.parameters
    bus = await named_bus(ports, call, given.get("EventBusName", ""))
    if given.get("RemoveAllPermissions"):
        return _with_policy(ports, bus, "")
    if not bus.policy:
        raise ResourceNotFoundException("EventBus does not have a policy.")
    before = _statements(bus)
    left = [each for each in before if each.get("Sid") != given.get("StatementId")]
    if len(left) == len(before):
        raise ResourceNotFoundException("Statement with the provided id does not exist.")
    return _with_policy(ports, bus, _text(left))


def _statement(given: dict[str, Any], bus: EventBus) -> dict[str, Any]:
    missing = [name for name in ("Action", "Principal", "StatementId") if not given.get(name)]
    if missing:
        raise ValidationFailed(f"Parameter(s) {', '.join(missing)} must be specified.")
    if given["Action"] != PUT_EVENTS:
        raise ValidationFailed("Provided value in parameter 'action' is not supported.")
    who = given["Principal"]
    statement: dict[str, Any] = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": who if who == "*" else {"AWS": root_arn(who)},
        "Action": PUT_EVENTS,
        "Resource": bus.arn,
    }
    if "Condition" in given:
        asked = given["Condition"]
        if (asked["Type"], asked["Key"]) != ("StringEquals", "aws:PrincipalOrgID"):
            raise ValidationFailed("Parameter Condition is not valid. Only StringEquals of aws:PrincipalOrgID is.")
        statement["Condition"] = {asked["Type"]: {asked["Key"]: asked["Value"]}}
    return statement


def _statements(bus: EventBus) -> list[dict[str, Any]]:
    kept = orjson.loads(bus.policy).get("Statement", []) if bus.policy else []
    return kept if isinstance(kept, list) else [kept]


def _text(statements: list[dict[str, Any]]) -> str:
    return orjson.dumps({"Version": CURRENT_VERSION, "Statement": statements}).decode() if statements else ""


def _with_policy(ports: ApiPorts, bus: EventBus, policy: str) -> Outcome:
    settings = {name: value for name, value in bus.settings.items() if name != "Policy"}
    changed = replace(bus, modified_at=ports.clock.now(), settings=settings | ({"Policy": policy} if policy else {}))
    return Outcome(settings=(SettingsEntry(bus.arn, changed.to_json()),))


def _checked(policy: str) -> str:
    try:
        parse_policy(policy, PolicyKind.RESOURCE)
    except MalformedPolicy as error:
        raise ValidationFailed(f"Parameter Policy is not valid. Reason: {error}") from error
    return policy
