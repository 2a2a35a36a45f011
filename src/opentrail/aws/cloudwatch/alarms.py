"""Alarms: put, delete, set by hand, switch actions (reference: cloudwatch-alarms, sections 3 to 5).

A change is on record before it takes effect, so that deleting an alarm cannot hide itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from opentrail.arn import Arn
from opentrail.aws.cloudwatch.alarm_settings import composite_alarm_settings, metric_alarm_settings
from opentrail.aws.cloudwatch.errors import InvalidFormatFault, LimitExceededFault, ResourceConflict, ResourceNotFound
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.metric.composite import Rule
from opentrail.resource.alarm import (
    COMPOSITE_ALARM,
    FIRST_REASON,
    METRIC_ALARM,
    Alarm,
    AlarmState,
    alarm_arn,
    alarm_name,
)

ALARMS_PER_REGION = 10_000
"""Of an account in a Region."""

PARENTS_PER_ALARM = 150


async def put_metric_alarm(ports: ApiPorts, call: Call) -> Outcome:
    """Set a metric alarm: a new one, or the whole of one that is there, whose state and tags stay."""
    settings = metric_alarm_settings(call.parameters)
    return _planned(ports, call, METRIC_ALARM, settings)


async def put_composite_alarm(ports: ApiPorts, call: Call) -> Outcome:
    """Set a composite alarm. Every alarm that its rule names must be there, and it must not go round."""
    settings, rule = composite_alarm_settings(call.parameters)
    own = alarm_arn(call.region, call.account_id, call.parameters["AlarmName"])
    _check_children(ports, call, own, rule, settings)
    return _planned(ports, call, COMPOSITE_ALARM, settings)


def _check_children(ports: ApiPorts, call: Call, own: str, rule: Rule, settings: Mapping[str, Any]) -> None:
    suppressor = settings.get("ActionsSuppressor")
    named = {_arn(call, each) for each in (*rule.alarms(), *((suppressor,) if suppressor else ()))}
    for arn in named:
        if ports.alarms.alarm(arn) is None:
            raise ValidationFailed(
                f"Could not find the alarm {alarm_name(arn)} that AlarmRule or ActionsSuppressor names."
            )
        if len(ports.alarms.parents(arn) - {own}) >= PARENTS_PER_ALARM:
            raise ValidationFailed(f"An alarm can be in at most {PARENTS_PER_ALARM} composite alarms.")
    seen: set[str] = set()
    waiting = set(named)
    while waiting:
        arn = waiting.pop()
        if arn == own:
            raise ValidationFailed("A composite alarm must not depend on itself.")
        seen.add(arn)
        known = ports.alarms.alarm(arn)
        waiting |= ports.alarms.children(known) - seen if known is not None else set()


def _planned(ports: ApiPorts, call: Call, kind: str, settings: dict[str, Any]) -> Outcome:
    name: str = call.parameters["AlarmName"]
    arn = alarm_arn(call.region, call.account_id, name)
    known = ports.alarms.alarm(arn)
    if known is not None and known.kind != kind:
        raise ValidationFailed(f"An alarm of another type has the name {name} already.")
    if known is None and len(ports.alarms.of(call.account_id, call.region)) >= ALARMS_PER_REGION:
        raise LimitExceededFault(ALARMS_PER_REGION)
    now = call.received_at
    state = AlarmState("INSUFFICIENT_DATA", FIRST_REASON, now, now)
    alarm = Alarm(arn, name, call.account_id, call.region, kind, now, settings, state)
    tags = {tag["Key"]: tag["Value"] for tag in call.parameters.get("Tags", ())}

    async def keep() -> None:
        await ports.alarms.put(alarm)
        if tags and known is None:
            await ports.trails.set_tags(arn, tags)

    return Outcome(after=keep)


async def delete_alarms(ports: ApiPorts, call: Call) -> Outcome:
    """Delete alarms, all or none: names that are not there, and alarms that a composite alarm needs, are refused."""
    names = list(dict.fromkeys(call.parameters["AlarmNames"]))
    found = {name: ports.alarms.alarm(_arn(call, name)) for name in names}
    alarms = [alarm for alarm in found.values() if alarm is not None]
    if len(alarms) != len(names):
        raise ResourceNotFound
    if len(alarms) > 1 and sum(alarm.is_composite for alarm in alarms) > 1:
        raise ValidationFailed("Only one composite alarm can be deleted at a time.")
    going = {alarm.arn for alarm in alarms}
    for alarm in alarms:
        needed_by = ports.alarms.parents(alarm.arn) - going
        if needed_by:
            raise ResourceConflict(f"Cannot delete {alarm.name} as there are composite alarm(s) depending on it.")

    async def delete() -> None:
        await ports.alarms.delete(alarms)

    return Outcome(after=delete)


async def set_alarm_state(ports: ApiPorts, call: Call) -> Outcome:
    """Set an alarm's state until it is judged the next time; a change carries out the state's actions."""
    given = call.parameters
    alarm = ports.alarms.alarm(_arn(call, given["AlarmName"]))
    if alarm is None:
        raise ResourceNotFound
    data: str = given.get("StateReasonData", "")
    if data:
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            raise InvalidFormatFault from None

    async def change() -> None:
        await ports.alarms.set_state(alarm, given["StateValue"], given["StateReason"], data)

    return Outcome(after=change)


async def enable_alarm_actions(ports: ApiPorts, call: Call) -> Outcome:
    """Let alarms carry out their actions; names that are not there do not matter."""
    return _switched(ports, call, is_enabled=True)


async def disable_alarm_actions(ports: ApiPorts, call: Call) -> Outcome:
    """Keep alarms from carrying out their actions; names that are not there do not matter."""
    return _switched(ports, call, is_enabled=False)


def _switched(ports: ApiPorts, call: Call, *, is_enabled: bool) -> Outcome:
    names = dict.fromkeys(call.parameters["AlarmNames"])
    found = [alarm for name in names if (alarm := ports.alarms.alarm(_arn(call, name))) is not None]
    changed = [
        replace(alarm, settings=dict(alarm.settings) | {"ActionsEnabled": is_enabled}, configured_at=call.received_at)
        for alarm in found
        if alarm.has_actions_enabled is not is_enabled
    ]

    async def keep() -> None:
        await ports.alarms.configure(changed)

    return Outcome(after=keep) if changed else Outcome()


def _arn(call: Call, named: str) -> str:
    """Return the ARN of an alarm of the caller that is named by name or ARN."""
    if not alarm_name(named):
        return alarm_arn(call.region, call.account_id, named)
    place = Arn.parse(named)
    return alarm_arn(place.region, place.account_id, alarm_name(named))
