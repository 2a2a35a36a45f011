"""Alarms as they are shown: DescribeAlarms, DescribeAlarmsForMetric, DescribeAlarmHistory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from opentrail.aws.cloudwatch.errors import InvalidNextToken
from opentrail.aws.cloudwatch.paging import read_token, token
from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.metric.key import read_dimensions
from opentrail.ports.alarms import HistoryQuery
from opentrail.protocol import Parameters
from opentrail.resource.alarm import COMPOSITE_ALARM, METRIC_ALARM, Alarm, HistoryItem, alarm_arn

DEFAULT_PAGE = 50
DEFAULT_HISTORY_PAGE = 100

_KINDS = (METRIC_ALARM, COMPOSITE_ALARM, "LogAlarm")
_ALWAYS_SHOWN = ("OKActions", "AlarmActions", "InsufficientDataActions")
_MAX_HISTORY_DATA = 4095


async def describe_alarms(ports: ApiPorts, call: Call) -> Outcome:
    """Show alarms by name, a page at a time; names that are not there are absent."""
    found = _related(ports, call)
    if found is None:
        found = _chosen(ports, call)
    after = read_token(call, InvalidNextToken())
    left = [alarm for alarm in found if after is None or alarm.name > str(after)]
    page = left[: call.parameters.get("MaxRecords", DEFAULT_PAGE)]
    output: Parameters = {
        "MetricAlarms": [shown_alarm(alarm) for alarm in page if not alarm.is_composite],
        "CompositeAlarms": [shown_alarm(alarm) for alarm in page if alarm.is_composite],
    }
    if len(page) < len(left):
        output["NextToken"] = token(call, page[-1].name)
    return Outcome(output)


def _related(ports: ApiPorts, call: Call) -> list[Alarm] | None:
    """Return the children or parents that the call asks for, None when it asks for neither."""
    given = call.parameters
    members = [name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if given.get(name)]
    if not members:
        return None
    if len(given) - ("MaxRecords" in given) - ("NextToken" in given) > 1:
        raise ValidationFailed(f"{members[0]} cannot be given together with other parameters.")
    arn = alarm_arn(call.region, call.account_id, given[members[0]])
    alarm = ports.alarms.alarm(arn)
    if members[0] == "ParentsOfAlarmName":
        arns = ports.alarms.parents(arn)
    else:
        arns = ports.alarms.children(alarm) if alarm is not None else set()
    found = [known for each in arns if (known := ports.alarms.alarm(each)) is not None]
    return sorted(found, key=lambda each: each.name)


def _chosen(ports: ApiPorts, call: Call) -> list[Alarm]:
    given = call.parameters
    if "AlarmNames" in given and "AlarmNamePrefix" in given:
        raise ValidationFailed("AlarmNamePrefix and AlarmNames cannot be given together.")
    kinds = _kinds(given.get("AlarmTypes"))
    action = given.get("ActionPrefix", "")
    return [
        alarm
        for alarm in ports.alarms.of(call.account_id, call.region)
        if alarm.kind in kinds
        and (not given.get("AlarmNames") or alarm.name in given["AlarmNames"])
        and alarm.name.startswith(given.get("AlarmNamePrefix", ""))
        and given.get("StateValue", alarm.state.value) == alarm.state.value
        and (
            not action
            or any(each.startswith(action) for name in _ALWAYS_SHOWN for each in alarm.settings.get(name, ()))
        )
    ]


def _kinds(given: Sequence[str] | None) -> Sequence[str]:
    """Return the types of alarms that are asked for; metric alarms alone unless the call says so."""
    if not given:
        return (METRIC_ALARM,)
    for kind in given:
        if kind not in _KINDS:
            raise ValidationFailed(f"AlarmTypes must be of {', '.join(_KINDS)}.")
    return given


def shown_alarm(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm in wire form; members that were not set are absent, as CloudWatch has it."""
    state = alarm.state
    shown: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "ActionsEnabled": alarm.has_actions_enabled,
        **{name: [] for name in _ALWAYS_SHOWN},
        "StateValue": state.value,
        "StateReason": state.reason,
        "StateUpdatedTimestamp": state.updated_at,
        "StateTransitionedTimestamp": state.transitioned_at,
        **alarm.settings,
    }
    if state.reason_data:
        shown["StateReasonData"] = state.reason_data
    if state.suppressed_by:
        shown["ActionsSuppressedBy"] = state.suppressed_by
    if not alarm.is_composite and "Metrics" not in alarm.settings:
        shown.setdefault("Dimensions", [])
    return shown


async def describe_alarms_for_metric(ports: ApiPorts, call: Call) -> Outcome:
    """Show the alarms on one metric; statistic, period and unit count where they are given."""
    given = call.parameters
    dimensions = read_dimensions(given.get("Dimensions", ()))
    found = [
        shown_alarm(alarm)
        for alarm in ports.alarms.of(call.account_id, call.region)
        if (alarm.settings.get("MetricName"), alarm.settings.get("Namespace"))
        == (given["MetricName"], given["Namespace"])
        and read_dimensions(alarm.settings.get("Dimensions", ())) == dimensions
        and all(
            given[name] == alarm.settings.get(name)
            for name in ("Statistic", "ExtendedStatistic", "Period", "Unit")
            if name in given
        )
    ]
    return Outcome({"MetricAlarms": found})


async def describe_alarm_history(ports: ApiPorts, call: Call) -> Outcome:
    """Show what happened to an alarm, or to all, the newest first unless asked otherwise."""
    given = call.parameters
    place = read_token(call, InvalidNextToken())
    limit = given.get("MaxRecords", DEFAULT_HISTORY_PAGE)
    query = HistoryQuery(
        account_id=call.account_id,
        region=call.region,
        alarm_name=given.get("AlarmName", ""),
        kind=given.get("HistoryItemType", ""),
        alarm_kinds=_kinds(given.get("AlarmTypes")),
        start=given.get("StartDate"),
        end=given.get("EndDate"),
        after=(datetime.fromisoformat(place[0]), place[1]) if place else None,
        is_newest_first=given.get("ScanBy") != "TimestampAscending",
        limit=limit + 1,
    )
    found = await ports.alarms.store.history(query)
    page = found[:limit]
    output: Parameters = {"AlarmHistoryItems": [_shown_item(item) for item in page]}
    if len(found) > limit:
        output["NextToken"] = token(call, [page[-1].at.isoformat(), page[-1].item_id])
    return Outcome(output)


def _shown_item(item: HistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": item.alarm_name,
        "AlarmType": item.alarm_kind,
        "Timestamp": item.at,
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary[:255],
        "HistoryData": orjson.dumps(dict(item.data)).decode()[:_MAX_HISTORY_DATA],
    }
