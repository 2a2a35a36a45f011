"""How enabled packs stand, and switching them off."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentrail.admin.guarding.enabling import alarms, is_as_wanted, metric_filters, subscriptions
from opentrail.admin.guarding.trails import choose_trail, group_name, watched_trail
from opentrail.clock import format_time
from opentrail.guard.pack import PACKS, PREFIX, GuardRule, Pack, pack_of, read_pack
from opentrail.ports.aws_api import AwsApi, CallRefused

ALARMS_AT_A_TIME = 100
HISTORY_PAGES = 10
"""Pages of 100 changes of state that are searched for when alarms fired last."""


@dataclass(frozen=True)
class Standing:
    """How one rule of an enabled pack stands. ``faults`` say what keeps it from alarming."""

    pack: str
    name: str
    title: str
    log_groups: tuple[str, ...]
    state: str
    since: str
    last_fired: str
    told: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Remedied:
    """A trail that is put right: by which role, since when, when in the last day. ``ended_at`` and ``last_error`` are
    "" while nothing is wrong."""

    trail: str
    role: str
    since: str
    attempts: tuple[str, ...]
    ended_at: str
    last_error: str


@dataclass(frozen=True)
class Status:
    """The enabled packs of a Region, and what of them is amiss beyond single rules."""

    region: str
    rules: tuple[Standing, ...]
    warnings: tuple[str, ...]
    remedied: tuple[Remedied, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.warnings and not any(rule.faults for rule in self.rules)


def read_status(
    api: AwsApi, region: str, trails: Sequence[dict[str, Any]], guarded: Sequence[dict[str, Any]] = ()
) -> Status:
    """Return how the packs stand in a Region; ``trails`` are the account's, ``guarded`` those that are put right."""
    remedied = tuple(
        Remedied(**one | {"attempts": tuple(one["attempts"])})
        for one in guarded
        if one["trail"].split(":")[3] == region
    )
    filters = list(metric_filters(api, PREFIX))
    found = {one["AlarmName"]: one for one in alarms(api, PREFIX)}
    enabled = {pack_of(name) for name in (*found, *(one["filterName"] for one in filters))}
    if not enabled - {""}:
        return Status(region, (), tuple(_remedy_warnings(remedied)), remedied)
    fired = _last_fired(api)
    here = [trail for trail in trails if trail["HomeRegion"] == region]
    rules = []
    for pack in (read_pack(name) for name in PACKS if name in enabled):
        for rule in pack.rules:
            name = pack.element_name(rule)
            own = [one for one in filters if one["filterName"] == name]
            rules.append(_standing(pack, rule, own, found.get(name), fired.get(name, ""), here))
    groups = sorted({group for rule in rules for group in rule.log_groups})
    topics = sorted({topic for rule in rules for topic in rule.told})
    warnings = (*_trail_warnings(api, groups, here), *_topic_warnings(api, topics), *_remedy_warnings(remedied))
    return Status(region, tuple(rules), warnings, remedied)


def _remedy_warnings(remedied: Iterable[Remedied]) -> Iterator[str]:
    for one in remedied:
        if one.ended_at:
            why = one.last_error or "it was changed again and again"
            yield f"{one.trail} is put right no more since {one.ended_at}: {why}"
        elif one.last_error:
            yield f"{one.trail} could not be put right: {one.last_error}"


def _standing(
    pack: Pack,
    rule: GuardRule,
    filters: Sequence[dict[str, Any]],
    alarm: dict[str, Any] | None,
    fired: str,
    trails: Sequence[dict[str, Any]],
) -> Standing:
    return Standing(
        pack.name,
        rule.name,
        rule.title,
        tuple(one["logGroupName"] for one in filters),
        alarm["StateValue"] if alarm else "",
        _time(alarm["StateTransitionedTimestamp"]) if alarm else "",
        fired,
        tuple(one for one in alarm["AlarmActions"] if ":sns:" in one) if alarm else (),
        tuple(_faults(pack, rule, filters, alarm, trails)),
    )


def _faults(
    pack: Pack,
    rule: GuardRule,
    filters: Sequence[dict[str, Any]],
    alarm: dict[str, Any] | None,
    trails: Sequence[dict[str, Any]],
) -> Iterator[str]:
    if not filters:
        yield "no metric filter"
    for one in filters:
        buckets = {trail["S3BucketName"] for trail in trails if group_name(trail) == one["logGroupName"]}
        if buckets and not any(is_as_wanted(one, pack.metric_filter(rule, bucket)) for bucket in buckets):
            yield "metric filter changed"
    if alarm is None:
        yield "no alarm"
        return
    if not is_as_wanted(alarm, pack.metric_alarm(rule)):
        yield "alarm changed"
    if not alarm["ActionsEnabled"]:
        yield "actions off"
    if not alarm["AlarmActions"]:
        yield "tells nobody"


def _time(moment: datetime) -> str:
    return format_time(moment.astimezone(UTC))


def _last_fired(api: AwsApi) -> dict[str, str]:
    """Return when alarms of the guard went to ALARM last, by name."""
    found: dict[str, str] = {}
    given: dict[str, Any] = {"HistoryItemType": "StateUpdate", "MaxRecords": ALARMS_AT_A_TIME}
    for _ in range(HISTORY_PAGES):
        answer = api.call("cloudwatch", "DescribeAlarmHistory", ScanBy="TimestampDescending", **given)
        for item in answer.get("AlarmHistoryItems", ()):
            if item["AlarmName"].startswith(PREFIX) and item["HistorySummary"].endswith(" to ALARM"):
                found.setdefault(item["AlarmName"], _time(item["Timestamp"]))
        if not answer.get("NextToken"):
            break
        given["NextToken"] = answer["NextToken"]
    return found


def _trail_warnings(api: AwsApi, groups: Iterable[str], trails: Sequence[dict[str, Any]]) -> Iterator[str]:
    for group in groups:
        delivering = [trail for trail in trails if group_name(trail) == group]
        if not delivering:
            yield f"no trail delivers to the log group {group}: switch the pack on again"
        for trail in delivering:
            watched = watched_trail(api, choose_trail(delivering, trail["TrailARN"]))
            yield from (f"{watched.name}: {warning}" for warning in watched.warnings())


def _topic_warnings(api: AwsApi, topics: Iterable[str]) -> Iterator[str]:
    for topic in topics:
        try:
            told = list(subscriptions(api, topic))
        except CallRefused as error:
            yield f"the topic {topic} is not there: {error.code}"
            continue
        waiting = [one["Endpoint"] for one in told if one["SubscriptionArn"] == "PendingConfirmation"]
        if len(waiting) == len(told):
            pending = f"; not confirmed yet: {', '.join(waiting)}" if waiting else ""
            yield f"nobody has subscribed to {topic}{pending}"


def disable(api: AwsApi, pack: Pack) -> tuple[int, int]:
    """Delete a pack's alarms and metric filters in a Region; return how many of each. All else stays."""
    names = [one["AlarmName"] for one in alarms(api, pack.prefix)]
    for first in range(0, len(names), ALARMS_AT_A_TIME):
        api.call("cloudwatch", "DeleteAlarms", AlarmNames=names[first : first + ALARMS_AT_A_TIME])
    filters = list(metric_filters(api, pack.prefix))
    for one in filters:
        api.call("logs", "DeleteMetricFilter", logGroupName=one["logGroupName"], filterName=one["filterName"])
    return len(names), len(filters)
