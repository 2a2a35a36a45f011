"""What a caller must be allowed for each operation: ``cloudwatch:<Operation>`` on the alarms it names, else on all."""

from opentrail.arn import partition_of
from opentrail.aws.cloudwatch.alarm_settings import ALARM_ACTIONS
from opentrail.aws.service import Call, Requirement

_ON_ONE = frozenset({"PutCompositeAlarm", "PutMetricAlarm", "SetAlarmState"})
_ON_SEVERAL = frozenset({"DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions"})
_ON_TAGGED = frozenset({"ListTagsForResource", "TagResource", "UntagResource"})


def requirements(call: Call) -> tuple[Requirement, ...]:
    """Return what ``call`` needs."""
    name, given = call.operation.name, call.parameters
    action, context = f"cloudwatch:{name}", _context(call)
    if name in _ON_ONE:
        arn = _alarm_arn(call, given["AlarmName"])
        tagging = (Requirement("cloudwatch:TagResource", arn, context),) if given.get("Tags") else ()
        return (Requirement(action, arn, context), *tagging)
    if name in _ON_SEVERAL:
        alarms = given["AlarmNames"]
        return tuple(Requirement(action, _alarm_arn(call, each)) for each in alarms) or (Requirement(action, "*"),)
    if name in _ON_TAGGED:
        return (Requirement(action, given["ResourceARN"], context),)
    return (Requirement(action, "*", context),)


def _alarm_arn(call: Call, name: str) -> str:
    return f"arn:{partition_of(call.region)}:cloudwatch:{call.region}:{call.account_id}:alarm:{name}"


def _context(call: Call) -> dict[str, tuple[str, ...]]:
    given = call.parameters
    tags = given.get("Tags", ())
    keys = tuple(tag["Key"] for tag in tags) or tuple(given.get("TagKeys", ()))
    context = {f"aws:RequestTag/{tag['Key']}": (tag["Value"],) for tag in tags}
    if call.operation.name == "PutMetricData":
        context["cloudwatch:namespace"] = (given["Namespace"],)
    if call.operation.name in ("PutMetricAlarm", "PutCompositeAlarm"):
        actions = tuple(dict.fromkeys(each for member in ALARM_ACTIONS for each in given.get(member, ())))
        context |= {"cloudwatch:AlarmActions": actions} if actions else {}
    return context | ({"aws:TagKeys": keys} if keys else {})
