"""Rules: put, describe, list, enable, disable, delete (reference: eventbridge, section 3).

A change of a rule that is there takes effect after its call's event, so that the rule still sees who changed it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import InvalidEventPatternException, LimitExceededException
from opentrail.aws.events.names import check_own, find_own_rule, find_rule, find_rules_bus
from opentrail.aws.events.paging import page_of
from opentrail.aws.events.tags import merged_tags
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.event_bus import DEFAULT_BUS
from opentrail.resource.event_rule import EventRule, RuleState, rule_arn_on

RULES_PER_BUS = 10_000
"""EventBridge starts with 300 and raises it on request; matching costs no more with many."""


async def put_rule(ports: ApiPorts, call: Call) -> Outcome:
    """Plan a rule, or the whole replacement of one; its targets stay, tags count only for a new one."""
    given = call.parameters
    place = await find_rules_bus(ports, call, given["Name"])
    bus = place.resource.removeprefix("event-bus/")
    await _check_rule(given, bus)
    arn = rule_arn_on(str(place), given["Name"])
    before = await ports.event_rules.rule(arn)
    if before is not None:
        check_own(before)
    rule = EventRule(
        arn=arn,
        name=given["Name"],
        bus_name=bus,
        account_id=place.account_id,
        region=place.region,
        created_by=before.created_by if before else call.account_id,
        pattern=given["EventPattern"],
        state=RuleState(given.get("State", RuleState.ENABLED)),
        description=given.get("Description", ""),
        role_arn=given.get("RoleArn", ""),
        targets=before.targets if before else (),
    )
    output, settings = {"RuleArn": arn}, (SettingsEntry(arn, rule.to_json()),)
    if before is not None:
        return Outcome(output, settings=settings, weakens_record=True)
    if await ports.event_rules.count_rules(rule.bus_arn) >= RULES_PER_BUS:
        raise LimitExceededException
    tags = merged_tags({}, given.get("Tags", ()))
    return Outcome(output, settings=settings, before=lambda: ports.trails.set_tags(arn, tags))


async def _check_rule(given: dict[str, Any], bus: str) -> None:
    if given.get("ScheduleExpression"):
        if bus != DEFAULT_BUS:
            raise ValidationFailed("ScheduleExpression is supported only on the default event bus.")
        raise ValidationFailed("ScheduleExpression is not supported by this installation.")
    if not given.get("EventPattern"):
        raise ValidationFailed("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    try:
        await asyncio.to_thread(parse_event_pattern, given["EventPattern"])
    except InvalidPattern as error:
        raise InvalidEventPatternException(str(error)) from error


async def describe_rule(ports: ApiPorts, call: Call) -> Outcome:
    """Show one rule."""
    rule = await find_rule(ports, call, call.parameters["Name"])
    return Outcome(_shown_rule(rule) | {"CreatedBy": rule.created_by})


async def list_rules(ports: ApiPorts, call: Call) -> Outcome:
    """List the rules of a bus by name."""
    prefix = call.parameters.get("NamePrefix", "")
    rules = [rule for rule in await _rules_of_bus(ports, call) if rule.name.startswith(prefix)]
    page, token = page_of(call, rules, lambda rule: rule.name)
    return Outcome({"Rules": [_shown_rule(rule) for rule in page], **token})


async def list_rule_names_by_target(ports: ApiPorts, call: Call) -> Outcome:
    """List the names of a bus's rules that invoke a target."""
    wanted = call.parameters["TargetArn"]
    names = [
        rule.name
        for rule in await _rules_of_bus(ports, call)
        if any(target["Arn"] == wanted for target in rule.targets)
    ]
    page, token = page_of(call, names, lambda name: name)
    return Outcome({"RuleNames": list(page), **token})


async def enable_rule(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a rule is looked at; one that sees all management events goes on to."""
    rule = await find_own_rule(ports, call, call.parameters["Name"])
    if rule.state is not RuleState.DISABLED:
        return Outcome()
    return _changed_rule(replace(rule, state=RuleState.ENABLED))


async def disable_rule(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that a rule is looked at no more; what it matched before is still delivered."""
    rule = await find_own_rule(ports, call, call.parameters["Name"])
    return _changed_rule(replace(rule, state=RuleState.DISABLED))


async def delete_rule(ports: ApiPorts, call: Call) -> Outcome:
    """Plan the end of a rule without targets, by force of an archive's, too; one that is not there is gone already."""
    name = call.parameters["Name"]
    rule = await ports.event_rules.rule(rule_arn_on(str(await find_rules_bus(ports, call, name)), name))
    if rule is None:
        return Outcome()
    if not call.parameters.get("Force", False):
        check_own(rule)
    if rule.targets:
        raise ValidationFailed("Rule can't be deleted since it has targets.")
    return Outcome(settings=(SettingsEntry(rule.arn, None),), weakens_record=True)


async def _rules_of_bus(ports: ApiPorts, call: Call) -> Sequence[EventRule]:
    return await ports.event_rules.rules(str(await find_rules_bus(ports, call)))


def _changed_rule(rule: EventRule) -> Outcome:
    return Outcome(settings=(SettingsEntry(rule.arn, rule.to_json()),), weakens_record=True)


def _shown_rule(rule: EventRule) -> dict[str, Any]:
    shown = {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.pattern,
        "State": str(rule.state),
        "Description": rule.description,
        "RoleArn": rule.role_arn,
        "EventBusName": rule.bus_name,
        "ManagedBy": rule.managed_by,
    }
    return {name: value for name, value in shown.items() if value}
