"""Targets of rules: put, remove, list (reference: eventbridge, section 3)."""

from dataclasses import replace
from typing import Any

from opentrail.arn import Arn
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events.errors import LimitExceededException
from opentrail.aws.events.names import find_own_rule, find_rule
from opentrail.aws.events.paging import page_of
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.deliver.target_input import InvalidInput, InvalidPlaceholder, check_input
from opentrail.ports.journal import SettingsEntry
from opentrail.resource.api_destination import is_api_destination_arn
from opentrail.resource.event_bus import is_event_bus_arn
from opentrail.resource.event_rule import EventRule
from opentrail.resource.named_target import NAMED_KIND, NAMED_SERVICE

TARGETS_PER_RULE = 5
"""EventBridge's quota."""

_RESOURCES = {
    "sqs": ("",),
    "sns": ("",),
    "lambda": ("function:",),
    "events": ("event-bus/", "api-destination/"),
    "states": ("stateMachine:",),
    "kinesis": ("stream/",),
    "ssm": ("automation-definition/",),
    "logs": ("log-group:",),
    NAMED_SERVICE: (NAMED_KIND,),
}
"""Services whose resources can be targets here, and how the resource part of their ARNs starts."""

_INPUTS = ("Input", "InputPath", "InputTransformer")
_UNSUPPORTED = (
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "RedshiftDataParameters",
    "SageMakerPipelineParameters",
    "AppSyncParameters",
)


async def put_targets(ports: ApiPorts, call: Call) -> Outcome:
    """Plan targets, each in place of the rule's one of the same Id; all or none."""
    rule = await find_own_rule(ports, call, call.parameters["Rule"])
    targets = {target["Id"]: target for target in rule.targets}
    for target in call.parameters["Targets"]:
        _check_target(call, rule, target)
        _check_named(ports, target["Arn"])
        targets[target["Id"]] = target
    if len(targets) > TARGETS_PER_RULE:
        raise LimitExceededException
    return _with_targets(rule, targets)


async def remove_targets(ports: ApiPorts, call: Call) -> Outcome:
    """Plan that targets are invoked no more, by force an archive, too; an Id that is not there is gone already."""
    is_forced = call.parameters.get("Force", False)
    rule = await find_own_rule(ports, call, call.parameters["Rule"], is_forced=is_forced)
    gone = set(call.parameters["Ids"])
    return _with_targets(rule, {target["Id"]: target for target in rule.targets if target["Id"] not in gone})


async def list_targets_by_rule(ports: ApiPorts, call: Call) -> Outcome:
    """List a rule's targets by Id."""
    rule = await find_rule(ports, call, call.parameters["Rule"])
    page, token = page_of(call, rule.targets, lambda target: str(target["Id"]))
    return Outcome({"Targets": list(page), **token})


def _with_targets(rule: EventRule, targets: dict[str, dict[str, Any]]) -> Outcome:
    changed = replace(rule, targets=tuple(target for _, target in sorted(targets.items())))
    settings = (SettingsEntry(rule.arn, changed.to_json()),)
    return Outcome({"FailedEntryCount": 0, "FailedEntries": []}, settings=settings, weakens_record=True)


def _check_target(call: Call, rule: EventRule, target: dict[str, Any]) -> None:
    """Raise ValidationException unless the target can be invoked."""
    name = target["Id"]
    for member in _UNSUPPORTED:
        if member in target:
            raise ValidationFailed(f"{member} is not supported for target {name} by this installation.")
    arn = _target_arn(call, target)
    if sum(member in target for member in _INPUTS) > 1:
        raise ValidationFailed(f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}.")
    try:
        check_input(target)
    except InvalidPlaceholder as error:
        raise ValidationFailed(f"InputTemplate for target {name} contains invalid placeholder {error.name}.") from error
    except InvalidInput as error:
        raise ValidationFailed(f"Invalid input for target {name}. Reason: {error}") from error
    is_fifo = arn.service == "sqs" and arn.resource.endswith(".fifo")
    if is_fifo and not (target.get("SqsParameters") or {}).get("MessageGroupId"):
        raise ValidationFailed(f"Parameter(s) SqsParameters must be specified for target: {name}.")
    if "HttpParameters" in target and not is_api_destination_arn(target["Arn"]):
        raise ValidationFailed(f"HttpParameters is not supported for target {name}: it is no API destination.")
    if is_event_bus_arn(target["Arn"]):
        if any(member in target for member in _INPUTS):
            raise ValidationFailed(f"Input of an event bus cannot be changed: target {name}.")
        if target["Arn"] == rule.bus_arn:
            raise ValidationFailed(f"A rule cannot send events to its own event bus: target {name}.")
    _check_dead_letters(call, target)


def _target_arn(call: Call, target: dict[str, Any]) -> Arn:
    try:
        arn = Arn.parse(target["Arn"])
    except ValueError:
        raise ValidationFailed(_said_of(target["Arn"], "Provided Arn is not in correct format.")) from None
    if arn.service not in _RESOURCES or not arn.resource.startswith(_RESOURCES[arn.service]):
        raise ValidationFailed(_said_of(target["Arn"], "Targets of this kind are not supported by this installation."))
    is_own = arn.account_id == call.account_id or is_event_bus_arn(target["Arn"])  # another's has a policy
    if not is_own or not arn.region:
        raise ValidationFailed(
            _said_of(target["Arn"], "Targets in other accounts are not supported by this installation.")
        )
    return arn


def _check_named(ports: ApiPorts, target: str) -> None:
    arn = Arn.parse(target)
    if arn.service == NAMED_SERVICE and not ports.named_targets.permits(arn):
        raise ValidationFailed(_said_of(target, "The settings of this installation name no such target."))


def _check_dead_letters(call: Call, target: dict[str, Any]) -> None:
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue:
        return
    try:
        arn = Arn.parse(queue)
    except ValueError:
        raise ValidationFailed(_said_of(queue, "Provided Arn is not in correct format.")) from None
    is_standard = arn.service == "sqs" and not arn.resource.endswith(".fifo")
    if not is_standard or (arn.account_id, arn.region) != (call.account_id, call.region):
        raise ValidationFailed(
            _said_of(queue, "A dead-letter queue is a standard SQS queue of the rule's account and Region.")
        )


def _said_of(arn: str, reason: str) -> str:
    return f"Parameter {arn} is not valid. Reason: {reason}"
