"""Switching a pack on: what there is already is compared with what the pack wants; the difference is a list of steps.

The steps are carried out in order. One that fails ends it; what was made before it stays, and switching the pack on
again goes on from there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentrail.admin.guarding.trails import WatchedTrail
from opentrail.arn import partition_of
from opentrail.errors import OperatorError
from opentrail.guard.pack import TOPIC, GuardRule, Pack
from opentrail.ports.aws_api import AwsApi, CallRefused

Operator = Callable[..., dict[str, Any]]
"""Runs one of the operator's own commands, such as ``create_role``, by name."""

ROLE = "opentrail-guard-delivery"
"""The role with which a trail writes to the log group, where the trail has none."""

REMEDIATION_ROLE = "opentrail-guard-remediation"
"""The role in whose name a trail is put right, where no other is named."""

REMEDYING_PACK = "tampering"
"""The pack that a trail is put right with."""

GROUP_RETENTION_DAYS = 90
"""Of a log group that the guard makes."""

MAX_ACTIONS = 5
"""Actions that an alarm may have for a state."""

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}

_WRITING = {
    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "arn:*:logs:*:*:log-group:*:log-stream:*_CloudTrail_*",
}
_REMEDYING = {
    "Action": ["cloudtrail:StartLogging", "cloudtrail:PutEventSelectors"],
    "Resource": "arn:*:cloudtrail:*:*:trail/*",
}


@dataclass(frozen=True)
class Wishes:
    """What the operator said: a log group, a topic's ARN, whom the topic shall tell ((protocol, endpoint)), and whether
    the trail shall be put right when it is stopped or narrowed (None: as it is), in the name of which role."""

    log_group: str = ""
    topic: str = ""
    receivers: tuple[tuple[str, str], ...] = ()
    remediates: bool | None = None
    role: str = ""


@dataclass(frozen=True)
class Step:
    """One change: ``verb`` (make, change, end) what ``kind`` of what ``name``."""

    verb: str
    kind: str
    name: str
    carry_out: Callable[[], None]


@dataclass(frozen=True)
class Plan:
    """What switching a pack on takes; ``kept`` counts what is there already, as it should be."""

    pack: Pack
    trail: WatchedTrail
    log_group: str
    topic: str
    steps: tuple[Step, ...]
    kept: int


@dataclass
class Enabling:
    """Plans one pack for one trail. ``api`` is that of the trail's home Region. Methods raise OperatorError,
    CallRefused and Unavailable."""

    api: AwsApi
    operator: Operator
    pack: Pack
    trail: WatchedTrail
    wishes: Wishes
    _kept: int = field(default=0, init=False)

    def plan(self) -> Plan:
        """Compare what is there with what is wanted; nothing is changed."""
        group = self._group()
        topic = self.wishes.topic or self._own_topic()
        made = (*self._topic(topic), *self._delivery(group), *self._filters(group), *self._alarms(topic))
        steps = (*made, *self._remediation())
        return Plan(self.pack, self.trail, group, topic, steps, self._kept)

    def _group(self) -> str:
        group, wished = self.trail.log_group, self.wishes.log_group
        if group and wished not in ("", group):
            raise OperatorError(f"the trail delivers to the log group {group} already: leave --log-group out")
        return group or wished or f"cloudtrail/{self.trail.name}"

    def _own_topic(self) -> str:
        region = self.trail.home_region
        return f"arn:{partition_of(region)}:sns:{region}:{self.trail.account_id}:{TOPIC}"

    def _topic(self, arn: str) -> Iterator[Step]:
        try:
            self.api.call("sns", "GetTopicAttributes", TopicArn=arn)
        except CallRefused as error:
            if error.code not in ("NotFound", "NotFoundException"):
                raise
            if self.wishes.topic:
                raise OperatorError(f"there is no topic {arn}") from error
            yield self._step("make", "topic", TOPIC, "sns", "CreateTopic", Name=TOPIC)
            there: set[tuple[str, str]] = set()
        else:
            self._kept += 1
            there = {(one["Protocol"], one["Endpoint"]) for one in subscriptions(self.api, arn)}
        for protocol, endpoint in self.wishes.receivers:
            if (protocol, endpoint) in there:
                self._kept += 1
                continue
            told = {"TopicArn": arn, "Protocol": protocol, "Endpoint": endpoint}
            yield self._step("make", "subscription", endpoint, "sns", "Subscribe", **told)

    def _delivery(self, group: str) -> Iterator[Step]:
        if not self._has_group(group):
            yield Step("make", "log group", group, lambda: self._make_group(group))
        if self.trail.log_group:
            self._kept += 1
            return
        if not self._has_role(ROLE):
            yield Step("make", "role", ROLE, lambda: self._make_role(ROLE, _WRITING))
        account, region = self.trail.account_id, self.trail.home_region
        partition = partition_of(region)
        told = {
            "Name": self.trail.arn,
            "CloudWatchLogsLogGroupArn": f"arn:{partition}:logs:{region}:{account}:log-group:{group}:*",
            "CloudWatchLogsRoleArn": f"arn:aws:iam::{account}:role/{ROLE}",
        }
        yield self._step(
            "change", "trail", f"{self.trail.name}: deliver to {group}", "cloudtrail", "UpdateTrail", **told
        )

    def _has_group(self, group: str) -> bool:
        answer = self.api.call("logs", "DescribeLogGroups", logGroupNamePrefix=group)
        is_there = any(one["logGroupName"] == group for one in answer["logGroups"])
        self._kept += is_there
        return is_there

    def _make_group(self, group: str) -> None:
        self.api.call("logs", "CreateLogGroup", logGroupName=group)
        self.api.call("logs", "PutRetentionPolicy", logGroupName=group, retentionInDays=GROUP_RETENTION_DAYS)

    def _has_role(self, name: str) -> bool:
        return any(role["name"] == name for role in self.operator("list_roles", account=self.trail.account_id)["roles"])

    def _make_role(self, name: str, statement: Mapping[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
        given = {"trust_policy": json.dumps(_TRUST), "policy": json.dumps(policy)}
        self.operator("create_role", name=name, account=self.trail.account_id, **given)

    def _filters(self, group: str) -> Iterator[Step]:
        found_all = metric_filters(self.api, self.pack.prefix)
        there = {one["filterName"]: one for one in found_all if one["logGroupName"] == group}
        for rule in self.pack.rules:
            wanted = self.pack.metric_filter(rule, self.trail.bucket)
            found = there.get(wanted["filterName"])
            if found is not None and is_as_wanted(found, wanted):
                self._kept += 1
                continue
            verb = "make" if found is None else "change"
            yield self._step(
                verb, "metric filter", wanted["filterName"], "logs", "PutMetricFilter", logGroupName=group, **wanted
            )

    def _alarms(self, topic: str) -> Iterator[Step]:
        there = {one["AlarmName"]: one for one in alarms(self.api, self.pack.prefix)}
        for rule in self.pack.rules:
            found = there.get(self.pack.element_name(rule))
            wanted = self._wanted_alarm(rule, found, topic)
            if found is not None and is_as_wanted(found, wanted):
                self._kept += 1
                continue
            verb = "make" if found is None else "change"
            yield self._step(verb, "alarm", wanted["AlarmName"], "cloudwatch", "PutMetricAlarm", **wanted)

    def _wanted_alarm(self, rule: GuardRule, found: Mapping[str, Any] | None, topic: str) -> dict[str, Any]:
        """Return an alarm that tells the topic; whom else it tells already stays."""
        actions: Sequence[str] = found["AlarmActions"] if found is not None else ()
        told = [*actions, *([] if topic in actions else [topic])][-MAX_ACTIONS:]
        wanted = self.pack.metric_alarm(rule) | {"AlarmActions": told, "ActionsEnabled": True}
        if found is not None:
            others = ("OKActions", "InsufficientDataActions")
            wanted |= {name: found[name] for name in others if found.get(name)}
        return wanted

    def _remediation(self) -> Iterator[Step]:
        wishes, arn = self.wishes, self.trail.arn
        if wishes.remediates is None:
            return
        if self.pack.name != REMEDYING_PACK:
            raise OperatorError(f"a trail is put right with the pack {REMEDYING_PACK} alone")
        found = next((one for one in guarded_trails(self.operator) if one["trail"] == arn), None)
        if not wishes.remediates:
            if found is not None:
                yield Step("end", "remediation", self.trail.name, lambda: self._tell("unguard_trail", trail=arn))
            return
        role = wishes.role or (found["role"] if found else REMEDIATION_ROLE)
        if self._has_role(role):
            self._kept += 1
        elif wishes.role:
            raise OperatorError(
                f"there is no role {role} in the account {self.trail.account_id}: opentrail roles create"
            )
        else:
            yield Step("make", "role", role, lambda: self._make_role(role, _REMEDYING))
        if found is not None and found["role"] == role and not found["ended_at"]:
            self._kept += 1
            return
        verb, name = "make" if found is None else "change", f"{self.trail.name}: put right by the role {role}"
        yield Step(verb, "remediation", name, lambda: self._tell("guard_trail", trail=arn, role=role))

    def _tell(self, command: str, **arguments: str) -> None:
        self.operator(command, **arguments)

    def _step(self, verb: str, kind: str, name: str, service: str, operation: str, **parameters: Any) -> Step:
        def carry_out() -> None:
            self.api.call(service, operation, **parameters)

        return Step(verb, kind, name, carry_out)


def guarded_trails(operator: Operator) -> Sequence[dict[str, Any]]:
    """Return the trails that are put right, as the server tells of them."""
    found: Sequence[dict[str, Any]] = operator("list_guarded_trails")["trails"]
    return found


def is_as_wanted(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether everything that is wanted is so; what else is there does not matter."""
    return all(found.get(name) == value for name, value in wanted.items())


def subscriptions(api: AwsApi, topic: str) -> Iterator[dict[str, Any]]:
    """Yield a topic's subscriptions."""
    yield from _pages(api, "sns", "ListSubscriptionsByTopic", "Subscriptions", "NextToken", TopicArn=topic)


def metric_filters(api: AwsApi, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the metric filters of the Region whose names begin with ``prefix``, of whatever group."""
    for found in _pages(api, "logs", "DescribeMetricFilters", "metricFilters", "nextToken"):
        if found["filterName"].startswith(prefix):
            yield found


def alarms(api: AwsApi, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the metric alarms of the Region whose names begin with ``prefix``."""
    yield from _pages(api, "cloudwatch", "DescribeAlarms", "MetricAlarms", "NextToken", AlarmNamePrefix=prefix)


def _pages(
    api: AwsApi, service: str, operation: str, member: str, token: str, **parameters: Any
) -> Iterator[dict[str, Any]]:
    given: dict[str, Any] = dict(parameters)
    while True:
        answer = api.call(service, operation, **given)
        yield from answer.get(member, ())
        if not answer.get(token):
            return
        given[token] = answer[token]
