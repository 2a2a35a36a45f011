"""What a replay is asked for, read from JSON: the same for the command, the control socket and the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opentrail.ports.event_history import RETENTION_DAYS
from opentrail.ports.replay import RuleToCount
from opentrail.query.replay.alarms import MAX_POINTS, Alarm
from opentrail.query.replay.counting import MAX_EXAMPLES
from opentrail.query.replay.metrics import read_metric
from opentrail.query.replay.rules import MAX_RULES, InvalidReplay, ReplayRule, guess_language, read_replay_rule

HISTORY = "history"
"""The source's name for Event history; any other names an event data store."""

MAX_REGIONS = 100
DEFAULT_EXAMPLES = 5

MAX_ALL_EXAMPLES = 500
"""Examples that all rules keep together."""


@dataclass(frozen=True)
class AskedRule:
    """One rule, what its metric publishes, and the alarm on that."""

    rule: ReplayRule
    metric_value: str = ""
    default_value: str = ""
    alarm: Alarm | None = None

    def to_count(self) -> RuleToCount:
        rule = self.rule
        return RuleToCount(rule.name, rule.language, rule.text, self.metric_value, self.default_value)


@dataclass(frozen=True)
class ReplayRequest:
    """A replay, checked: rules over the events of ``source`` from ``start`` up to but not at ``end`` (aware UTC).

    ``account_id`` and ``regions`` narrow Event history; empty they stand for the caller's own, and for all Regions.
    """

    rules: tuple[AskedRule, ...]
    start: datetime
    end: datetime
    source: str = HISTORY
    account_id: str = ""
    regions: tuple[str, ...] = ()
    max_examples: int = DEFAULT_EXAMPLES


def read_request(given: Mapping[str, Any], now: datetime) -> ReplayRequest:
    """Read a request; raises InvalidReplay.

    Members: Rules (Name, Language, Rule, MetricValue, DefaultValue, Alarm), Source, StartTime, EndTime (ISO 8601 or
    seconds since 1970), AccountId, Regions, MaxExamples.
    """
    unknown = given.keys() - _MEMBERS
    if unknown:
        raise InvalidReplay(f"a replay has no {sorted(map(str, unknown))[0][:64]!r}")
    rules = _rules(given.get("Rules"))
    end = _moment(given.get("EndTime"), "EndTime") or now
    start = _moment(given.get("StartTime"), "StartTime") or end - timedelta(days=RETENTION_DAYS)
    start, end = start.replace(microsecond=0), _ceiling(end)
    if start >= end:
        raise InvalidReplay("the replay's start must be before its end")
    _check_alarms(rules, end - start)
    examples = given.get("MaxExamples", DEFAULT_EXAMPLES)
    if not isinstance(examples, int) or isinstance(examples, bool) or not 0 <= examples <= MAX_EXAMPLES:
        raise InvalidReplay(f"MaxExamples is a number from 0 to {MAX_EXAMPLES}")
    if examples * len(rules) > MAX_ALL_EXAMPLES:
        raise InvalidReplay(f"{len(rules)} rules have at most {MAX_ALL_EXAMPLES // len(rules)} examples each")
    return ReplayRequest(
        rules=rules,
        start=start,
        end=end,
        source=_text(given, "Source") or HISTORY,
        account_id=_text(given, "AccountId"),
        regions=_texts(given.get("Regions", ()), "Regions"),
        max_examples=examples,
    )


def _check_alarms(rules: tuple[AskedRule, ...], span: timedelta) -> None:
    """Raise InvalidReplay when there are more evaluations of alarms than may be."""
    seconds = int(span.total_seconds())
    points = sum(rule.alarm.points_over(seconds) for rule in rules if rule.alarm is not None)
    if points > MAX_POINTS:
        days = seconds * MAX_POINTS // points // 86_400
        raise InvalidReplay(f"alarms as these are replayed over at most {days} days: ask for a shorter span")


_MEMBERS = frozenset({"Rules", "Source", "StartTime", "EndTime", "AccountId", "Regions", "MaxExamples"})
_RULE_MEMBERS = frozenset({"Name", "Language", "Rule", "MetricValue", "DefaultValue", "Alarm"})


def _rules(given: Any) -> tuple[AskedRule, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_RULES:
        raise InvalidReplay(f"a replay has a list of 1 to {MAX_RULES} Rules")
    rules = tuple(_rule(place, one) for place, one in enumerate(given, 1))
    if len({rule.rule.name for rule in rules}) < len(rules):
        raise InvalidReplay("two rules of the replay have one name")
    return rules


def _rule(place: int, given: Any) -> AskedRule:
    if not isinstance(given, dict) or given.keys() - _RULE_MEMBERS:
        raise InvalidReplay(f"a rule is an object of {', '.join(sorted(_RULE_MEMBERS))}")
    text = _text(given, "Rule")
    rule = read_replay_rule(
        _text(given, "Name") or f"rule {place}", _text(given, "Language") or guess_language(text), text
    )
    value, default = _text(given, "MetricValue"), _text(given, "DefaultValue")
    alarm = given.get("Alarm")
    if alarm is not None and not isinstance(alarm, dict):
        raise InvalidReplay("an Alarm is an object with a Threshold")
    if (alarm is not None or value or default) and rule.language != "filter-pattern":
        raise InvalidReplay(f"{rule.name} is no filter pattern: only metric filters have metrics and alarms")
    asked = AskedRule(rule, value or ("1" if alarm is not None or default else ""), default)
    if asked.metric_value:
        read_metric(asked.metric_value, asked.default_value)
    return asked if alarm is None else AskedRule(rule, asked.metric_value, default, Alarm.from_wire(alarm))


def _text(given: Mapping[str, Any], member: str) -> str:
    value = given.get(member, "")
    if not isinstance(value, str):
        raise InvalidReplay(f"{member} is a text")
    return value


def _texts(given: Any, member: str) -> tuple[str, ...]:
    is_list = isinstance(given, Sequence) and not isinstance(given, str) and len(given) <= MAX_REGIONS
    if not is_list or not all(isinstance(one, str) for one in given):
        raise InvalidReplay(f"{member} is a list of at most {MAX_REGIONS} texts")
    return tuple(dict.fromkeys(given))


def _moment(given: Any, member: str) -> datetime | None:
    try:
        if given is None or given == "":
            return None
        if isinstance(given, int | float) and not isinstance(given, bool):
            return datetime.fromtimestamp(given, UTC)
        moment = datetime.fromisoformat(given)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise InvalidReplay(f"{member} is no time: say 2026-01-31T12:00:00Z or seconds since 1970") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ceiling(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
