"""What PutMetricAlarm and PutCompositeAlarm may say, checked as CloudWatch checks it (reference: sections 3 and 5)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from opentrail.arn import Arn
from opentrail.aws.cloudwatch.metric_queries import check_queries, query_periods
from opentrail.aws.common_errors import ValidationFailed
from opentrail.metric.alarm_rule import MISSING, AlarmRule, InvalidAlarm
from opentrail.metric.composite import InvalidAlarmRule, Rule, read_alarm_rule
from opentrail.metric.statistics import PLAIN, UnknownStatistic, read_statistic
from opentrail.protocol import Parameters

MAX_QUERIES = 20
"""Metric queries of one alarm; CloudWatch allows 10 metrics and 10 expressions."""

MAX_TAGS = 50

_ANOMALY = ("LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold")
_NOT_HERE = (
    *("ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval", "EvaluationWindow"),
    *("WarmUpConfiguration", "ActionConfiguration"),
)
_OF_ONE_METRIC = (
    *("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit"),
    "EvaluateLowSampleCountPercentile",
)
ALARM_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def metric_alarm_settings(given: Parameters) -> dict[str, Any]:
    """Return a metric alarm's settings. Raises ValidationError."""
    _check_common(given)
    for name in ("EvaluationPeriods", "ComparisonOperator"):
        if name not in given:
            raise ValidationFailed(f"The parameter {name} is required.")
    if given["ComparisonOperator"] in _ANOMALY:
        raise ValidationFailed("Anomaly detection is not supported by this installation.")
    if "Threshold" not in given:
        raise ValidationFailed("The parameter Threshold is required for a static threshold.")
    if ("MetricName" in given) is ("Metrics" in given):
        raise ValidationFailed("Exactly one of MetricName and Metrics must be given.")
    if "Metrics" in given:
        _check_queries(given)
    else:
        _check_one_metric(given)
    _check_missing_data(given)
    _check_rule(given)
    return _kept(given)


def _check_common(given: Parameters) -> None:
    if _CONTROL.search(given["AlarmName"]):
        raise ValidationFailed("AlarmName must not contain control characters.")
    for name in _NOT_HERE:
        if given.get(name):
            raise ValidationFailed(f"{name} is not supported by this installation.")
    for name in ALARM_ACTIONS:
        for action in given.get(name, ()):
            _check_action(name, action)
    tags = given.get("Tags", ())
    if len(tags) > MAX_TAGS or len({tag["Key"] for tag in tags}) != len(tags):
        raise ValidationFailed(f"An alarm can have at most {MAX_TAGS} tags, each key once.")


def _check_action(member: str, action: str) -> None:
    try:
        Arn.parse(action)
    except ValueError:
        raise ValidationFailed(f"Invalid {member} value: {action[:200]} is no ARN.") from None


def _check_one_metric(given: Parameters) -> None:
    if "Namespace" not in given:
        raise ValidationFailed("The parameter Namespace is required.")
    if ("Statistic" in given) is ("ExtendedStatistic" in given):
        raise ValidationFailed("Exactly one of Statistic and ExtendedStatistic must be given.")
    if "Period" not in given:
        raise ValidationFailed("The parameter Period is required.")
    extended = given.get("ExtendedStatistic", "")
    try:
        if extended and read_statistic(extended).name in PLAIN:
            raise ValidationFailed(f"The value {extended} for parameter ExtendedStatistic is not supported.")
    except UnknownStatistic as error:
        raise ValidationFailed(f"The value {extended} for parameter ExtendedStatistic is not supported.") from error
    if given.get("EvaluateLowSampleCountPercentile", "evaluate") not in ("evaluate", "ignore"):
        raise ValidationFailed("EvaluateLowSampleCountPercentile must be one of evaluate, ignore.")


def _check_queries(given: Parameters) -> None:
    for name in _OF_ONE_METRIC:
        if name in given:
            raise ValidationFailed(f"{name} and Metrics must not be given together.")
    queries: Sequence[Mapping[str, Any]] = given["Metrics"]
    if len(queries) > MAX_QUERIES:
        raise ValidationFailed(f"Metrics must not have more than {MAX_QUERIES} queries.")
    expressions = check_queries(queries)
    if sum(query.get("ReturnData", True) for query in queries) != 1:
        raise ValidationFailed("Exactly one element of Metrics must return data.")
    if len({query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}) > 1:
        raise ValidationFailed("All metrics of an alarm must have the same Period.")
    query_periods(queries, expressions)


def _check_missing_data(given: Parameters) -> None:
    if given.get("TreatMissingData", "missing") not in MISSING:
        raise ValidationFailed(f"TreatMissingData must be one of {', '.join(MISSING)}.")


def _check_rule(given: Parameters) -> None:
    settings = dict(given)
    if "Metrics" in given:
        shown = next(query for query in given["Metrics"] if query.get("ReturnData", True))
        settings["Period"] = query_periods(given["Metrics"], check_queries(given["Metrics"]))[shown["Id"]]
    try:
        AlarmRule.from_wire(settings)
    except InvalidAlarm as error:
        said = str(error)
        raise ValidationFailed(f"{said[:1].upper()}{said[1:]}.") from error


def composite_alarm_settings(given: Parameters) -> tuple[dict[str, Any], Rule]:
    """Return a composite alarm's settings and its rule, read. Raises ValidationError."""
    _check_common(given)
    try:
        rule = read_alarm_rule(given["AlarmRule"])
    except InvalidAlarmRule as error:
        raise ValidationFailed(f"{error}.") from error
    periods = [name for name in ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod") if name in given]
    if bool(given.get("ActionsSuppressor")) is not (len(periods) == 2) or (
        periods and not given.get("ActionsSuppressor")
    ):
        raise ValidationFailed(
            "ActionsSuppressor, ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod go together."
        )
    if any(not 0 <= given[name] <= _LONGEST_SUPPRESSION for name in periods):
        raise ValidationFailed(f"A suppressor's periods must be between 0 and {_LONGEST_SUPPRESSION} seconds.")
    return _kept(given), rule


_LONGEST_SUPPRESSION = 86_400


def _kept(given: Parameters) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in ("AlarmName", "Tags")}
