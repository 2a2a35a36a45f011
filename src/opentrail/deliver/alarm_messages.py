"""What an alarm's change of state says: to an SNS topic, to a Lambda function, on the event bus, in its history.

In: an alarm, its state before and after. Out: JSON texts in CloudWatch's shapes (reference: sections 4, 6 and 7).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from opentrail.resource.alarm import Alarm, AlarmState, HistoryItem

MAX_SUBJECT = 100
"""Characters of an SNS message's subject."""

_KEPT_WORDS = {"OKActions": "okActions", "AlarmARN": "alarmArn"}
_TRIGGER = {
    "SampleCount": "SAMPLECOUNT",
    "Average": "AVERAGE",
    "Sum": "SUM",
    "Minimum": "MINIMUM",
    "Maximum": "MAXIMUM",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm that went from one state to another; ``alarm`` has the new one."""

    alarm: Alarm
    before: AlarmState
    region_name: str

    @property
    def after(self) -> AlarmState:
        return self.alarm.state


def stamp(moment: datetime) -> str:
    """Return a time as alarms' messages have it: ``2026-11-20T10:00:40.985+0000``."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def topic_subject(change: Transition) -> str:
    """Return the subject of the message to a topic."""
    subject = f'{change.after.value}: "{change.alarm.name}" in {change.region_name}'
    printable = "".join(character if " " <= character <= "~" else "?" for character in subject)
    return printable if len(printable) <= MAX_SUBJECT else printable[: MAX_SUBJECT - 3] + "..."


def topic_message(change: Transition) -> bytes:
    """Return the message to a topic."""
    alarm, settings = change.alarm, change.alarm.settings
    message: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": alarm.account_id,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured_at),
        "NewStateValue": change.after.value,
        "NewStateReason": change.after.reason,
        "StateChangeTime": stamp(change.after.transitioned_at),
        "Region": change.region_name,
        "AlarmArn": alarm.arn,
        "OldStateValue": change.before.value,
        "OKActions": alarm.actions("OK"),
        "AlarmActions": alarm.actions("ALARM"),
        "InsufficientDataActions": alarm.actions("INSUFFICIENT_DATA"),
    }
    if alarm.is_composite:
        message |= {"AlarmRule": settings["AlarmRule"], "TriggeringChildren": _triggering(change.after)}
    else:
        message["Trigger"] = _trigger(settings)
    return orjson.dumps(message)


def _triggering(state: AlarmState) -> list[dict[str, Any]]:
    data = orjson.loads(state.reason_data) if state.reason_data else {}
    return [
        {"Arn": each["arn"], "State": {"Value": each["state"]["value"], "Timestamp": each["state"]["timestamp"]}}
        for each in data.get("triggeringAlarms", ())
    ]


def _trigger(settings: Mapping[str, Any]) -> dict[str, Any]:
    trigger: dict[str, Any] = {}
    if "Metrics" in settings:
        trigger["Metrics"] = settings["Metrics"]
    else:
        trigger |= {"MetricName": settings.get("MetricName"), "Namespace": settings.get("Namespace")}
        if "ExtendedStatistic" in settings:
            trigger |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": settings["ExtendedStatistic"]}
        else:
            trigger |= {"StatisticType": "Statistic", "Statistic": _TRIGGER[settings["Statistic"]]}
        trigger["Unit"] = settings.get("Unit")
        trigger["Dimensions"] = [
            {"value": each["Value"], "name": each["Name"]} for each in settings.get("Dimensions", ())
        ]
        trigger["Period"] = settings["Period"]
    trigger["EvaluationPeriods"] = settings["EvaluationPeriods"]
    if "DatapointsToAlarm" in settings:
        trigger["DatapointsToAlarm"] = settings["DatapointsToAlarm"]
    return trigger | {
        "ComparisonOperator": settings["ComparisonOperator"],
        "Threshold": settings["Threshold"],
        "TreatMissingData": settings.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile", ""),
    }


def function_payload(change: Transition) -> bytes:
    """Return the payload for a Lambda function."""
    alarm = change.alarm
    return orjson.dumps(
        {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.arn,
            "accountId": alarm.account_id,
            "time": stamp(change.after.transitioned_at),
            "region": alarm.region,
            "alarmData": {
                "alarmName": alarm.name,
                "state": _state(change.after),
                "previousState": _state(change.before),
                "configuration": configuration(alarm),
            },
        }
    )


def bus_event(change: Transition, event_id: str) -> bytes:
    """Return the event ``CloudWatch Alarm State Change`` as it is on the bus."""
    alarm = change.alarm
    detail = {
        "alarmName": alarm.name,
        "state": _state(change.after),
        "previousState": _state(change.before),
        "configuration": configuration(alarm),
    }
    return _envelope(alarm, "CloudWatch Alarm State Change", event_id, change.after.transitioned_at, detail)


def configuration_event(alarm: Alarm, operation: str, event_id: str, at: datetime) -> bytes:
    """Return the event ``CloudWatch Alarm Configuration Change``; ``operation`` is create, update or delete."""
    detail = {
        "alarmName": alarm.name,
        "operation": operation,
        "state": _state(alarm.state),
        "configuration": configuration(alarm)
        | {
            "alarmName": alarm.name,
            "actionsEnabled": alarm.has_actions_enabled,
            "okActions": alarm.actions("OK"),
            "alarmActions": alarm.actions("ALARM"),
            "insufficientDataActions": alarm.actions("INSUFFICIENT_DATA"),
            "timestamp": stamp(at),
        },
    }
    return _envelope(alarm, "CloudWatch Alarm Configuration Change", event_id, at, detail)


def _envelope(alarm: Alarm, kind: str, event_id: str, at: datetime, detail: Mapping[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": kind,
            "source": "aws.cloudwatch",
            "account": alarm.account_id,
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": alarm.region,
            "resources": [alarm.arn],
            "detail": detail,
        }
    )


def _state(state: AlarmState) -> dict[str, Any]:
    shown = {"value": state.value, "reason": state.reason, "timestamp": stamp(state.updated_at)}
    if state.reason_data:
        shown["reasonData"] = state.reason_data
    return shown | ({"actionsSuppressedBy": state.suppressed_by} if state.suppressed_by else {})


def configuration(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm's configuration as events tell it."""
    settings = alarm.settings
    described = {"description": settings["AlarmDescription"]} if settings.get("AlarmDescription") else {}
    if alarm.is_composite:
        members = {
            "alarmRule": "AlarmRule",
            "actionsSuppressor": "ActionsSuppressor",
            "actionsSuppressorWaitPeriod": "ActionsSuppressorWaitPeriod",
            "actionsSuppressorExtensionPeriod": "ActionsSuppressorExtensionPeriod",
        }
        return described | {name: settings[member] for name, member in members.items() if member in settings}
    return described | {"metrics": [_metric(query) for query in queries_of(settings)]}


def queries_of(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the metric queries of a metric alarm in wire form; one metric is a query, too."""
    if "Metrics" in settings:
        return list(settings["Metrics"])
    stat = settings.get("Statistic") or settings.get("ExtendedStatistic")
    metric = {name: settings[name] for name in ("Namespace", "MetricName", "Dimensions") if name in settings}
    unit = {"Unit": settings["Unit"]} if "Unit" in settings else {}
    return [
        {
            "Id": "m1",
            "MetricStat": {"Metric": metric, "Period": settings["Period"], "Stat": stat} | unit,
            "ReturnData": True,
        }
    ]


def _metric(query: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": query["Id"]}
    if "Expression" in query:
        shown["expression"] = query["Expression"]
    else:
        stat = query["MetricStat"]
        dimensions = {each["Name"]: each["Value"] for each in stat["Metric"].get("Dimensions", ())}
        place = {"namespace": stat["Metric"]["Namespace"], "name": stat["Metric"]["MetricName"]}
        shown["metricStat"] = {
            "metric": place | {"dimensions": dimensions},
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return shown | {"returnData": query.get("ReturnData", True)}


def state_item(change: Transition, item_id: str) -> HistoryItem:
    """Return the history item of a change of state."""
    summary = f"Alarm updated from {change.before.value} to {change.after.value}"
    data = {"version": "1.0", "oldState": _history_state(change.before), "newState": _history_state(change.after)}
    return item_of(change.alarm, item_id, change.after.updated_at, "StateUpdate", summary, data)


def _history_state(state: AlarmState) -> dict[str, Any]:
    shown: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason}
    return shown | ({"stateReasonData": orjson.loads(state.reason_data)} if state.reason_data else {})


def configuration_item(alarm: Alarm, operation: str, item_id: str, at: datetime) -> HistoryItem:
    """Return the history item of a change of an alarm's configuration: Create, Update or Delete."""
    done = {"Create": "created", "Update": "updated", "Delete": "deleted"}[operation]
    kind = "Composite alarm" if alarm.is_composite else "Alarm"
    shown = {"alarmName": alarm.name, "alarmArn": alarm.arn, **_camel(dict(alarm.settings))}
    data = {"version": "1.0", "type": operation, f"{done}Alarm": shown}
    return item_of(alarm, item_id, at, "ConfigurationUpdate", f'{kind} "{alarm.name}" {done}', data)


def action_item(alarm: Alarm, item_id: str, at: datetime, action: str, failure: str) -> HistoryItem:
    """Return the history item of an action: taken by its receiver, or not, and why (``failure``)."""
    summary = f"Failed to execute action {action}" if failure else f"Successfully executed action {action}"
    data: dict[str, Any] = {
        "actionState": "Failed" if failure else "Succeeded",
        "notificationResource": action,
        "stateUpdateTimestamp": int(alarm.state.updated_at.timestamp() * 1000),
    }
    return item_of(alarm, item_id, at, "Action", summary[:255], data | ({"error": failure[:500]} if failure else {}))


def item_of(alarm: Alarm, item_id: str, at: datetime, kind: str, summary: str, data: Mapping[str, Any]) -> HistoryItem:
    """Return an item of an alarm's history."""
    return HistoryItem(item_id, alarm.account_id, alarm.region, alarm.name, alarm.kind, at, kind, summary, data)


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_KEPT_WORDS.get(name, name[:1].lower() + name[1:]): _camel(each) for name, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list | tuple) else value
