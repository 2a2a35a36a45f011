"""Packs: data files of rules, each a metric filter and an alarm. Names go in, API parameters come out."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

PACKS = ("cis", "root", "tampering", "iam", "network")
"""Each is a file ``packs/NAME.toml`` (format: docs/guard.md)."""

PREFIX = "opentrail-guard-"
"""How the name of everything begins that the guard makes."""

NAMESPACE = "OpentrailGuard"
"""Of the metrics that filters feed."""

TOPIC = "opentrail-guard"
"""The topic that alarms tell where no other is named."""

ALARM: Mapping[str, Any] = {
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}
"""One match is an alarm, for five minutes."""


@dataclass(frozen=True)
class GuardRule:
    """One thing to watch. ``pattern`` may have ``{bucket}`` for the bucket that the trail delivers to.

    ``needs_data_events``: management events alone never match it.
    """

    name: str
    title: str
    pattern: str
    needs_data_events: bool = False

    def pattern_for(self, bucket: str) -> str:
        """Return the filter pattern for a trail that delivers to ``bucket``."""
        return self.pattern.replace("{bucket}", bucket)


@dataclass(frozen=True)
class Pack:
    """Rules that are switched on together, and where they are from."""

    name: str
    title: str
    source: str
    rules: tuple[GuardRule, ...]

    @property
    def prefix(self) -> str:
        return f"{PREFIX}{self.name}-"

    def element_name(self, rule: GuardRule) -> str:
        """Return what both the filter and the alarm of a rule are called."""
        return self.prefix + rule.name

    def metric_filter(self, rule: GuardRule, bucket: str) -> dict[str, Any]:
        """Return PutMetricFilter's parameters but for the group."""
        return {
            "filterName": self.element_name(rule),
            "filterPattern": rule.pattern_for(bucket),
            "metricTransformations": [
                {"metricName": _metric(self, rule), "metricNamespace": NAMESPACE, "metricValue": "1"}
            ],
        }

    def metric_alarm(self, rule: GuardRule) -> dict[str, Any]:
        """Return PutMetricAlarm's parameters but for the actions."""
        return {
            "AlarmName": self.element_name(rule),
            "AlarmDescription": rule.title,
            "Namespace": NAMESPACE,
            "MetricName": _metric(self, rule),
            **ALARM,
        }


def _metric(pack: Pack, rule: GuardRule) -> str:
    return f"{pack.name}-{rule.name}"


def pack_of(element_name: str) -> str:
    """Return the pack that a filter or alarm of the guard is of, "" for what is none of it."""
    name = element_name.removeprefix(PREFIX).partition("-")[0]
    return name if element_name.startswith(PREFIX) and name in PACKS else ""


@cache
def read_pack(name: str) -> Pack:
    """Read one of PACKS."""
    text = files("opentrail.guard").joinpath("packs", f"{name}.toml").read_text(encoding="utf-8")
    given = tomllib.loads(text)
    return Pack(name, given["title"], given["source"], tuple(_rule(rule) for rule in given["rules"]))


def _rule(given: Mapping[str, Any]) -> GuardRule:
    pattern = given.get("pattern") or _pattern(given["events"], given.get("source", ""), given.get("where", ""))
    return GuardRule(given["name"], given["title"], pattern, given.get("needs_data_events", False))


def _pattern(events: list[str], source: str, where: str) -> str:
    """Return the pattern of events by name, from one event source if ``source`` says so, where ``where`` holds."""
    named = " || ".join(f"$.eventName = {event}" for event in events)
    terms = [f'$.eventSource = "{source}"'] if source else []
    terms += [f"({named})" if source or where else named, *([f"({where})"] if where else [])]
    return f"{{ {' && '.join(terms)} }}"
