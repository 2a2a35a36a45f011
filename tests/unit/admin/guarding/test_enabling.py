"""Switching packs on: the plan is the difference between what is there and what is wanted, and nothing more."""

from typing import Any

import orjson
import pytest

from opentrail.admin.guarding.enabling import REMEDIATION_ROLE, ROLE, Enabling, Plan, Wishes
from opentrail.admin.guarding.trails import choose_trail, watched_trail
from opentrail.errors import OperatorError
from opentrail.guard.pack import read_pack
from opentrail.ports.aws_api import CallRefused
from tests.memory.aws_api import ACCOUNT, REGION, InMemoryAwsApi

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:opentrail-guard"
NOTHING_SAID = Wishes()
OF_MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
MAIL = ("email", "security@example.com")


class Guarding:
    """A guard over an API in memory, and over the operator's own commands on roles."""

    def __init__(self) -> None:
        self.api = InMemoryAwsApi()
        self.roles: list[dict[str, Any]] = []
        self.guarded: dict[str, dict[str, Any]] = {}

    def operator(self, command: str, **arguments: Any) -> dict[str, Any]:
        if command == "list_roles":
            return {"roles": self.roles}
        if command == "list_guarded_trails":
            return {"trails": list(self.guarded.values())}
        if command == "guard_trail":
            kept = {"since": "", "attempts": [], "ended_at": "", "last_error": ""}
            self.guarded[arguments["trail"]] = {"trail": arguments["trail"], "role": arguments["role"], **kept}
        elif command == "unguard_trail":
            del self.guarded[arguments["trail"]]
        else:
            assert command == "create_role"
            self.roles.append(arguments)
        return {}

    def plan(self, pack: str = "root", wishes: Wishes = NOTHING_SAID) -> Plan:
        trail = watched_trail(self.api, choose_trail(self.api.trails, ""))
        return Enabling(self.api, self.operator, read_pack(pack), trail, wishes).plan()

    def enable(self, pack: str = "root", wishes: Wishes = NOTHING_SAID) -> Plan:
        plan = self.plan(pack, wishes)
        for step in plan.steps:
            step.carry_out()
        return plan


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(step.verb, step.kind) for step in plan.steps]


def test_planning_changes_nothing() -> None:
    guarding = Guarding()

    plan = guarding.plan(wishes=Wishes(receivers=(MAIL,)))

    assert told(plan)[:5] == [
        ("make", "topic"),
        ("make", "subscription"),
        ("make", "log group"),
        ("make", "role"),
        ("change", "trail"),
    ]
    assert guarding.api.changes == []
    assert guarding.roles == []


def test_a_pack_that_is_on_takes_no_step() -> None:
    guarding = Guarding()
    first = guarding.enable(wishes=Wishes(receivers=(MAIL,)))
    guarding.api.calls.clear()

    second = guarding.enable(wishes=Wishes(receivers=(MAIL,)))

    rules = read_pack("root").rules
    assert len(first.steps) == 5 + 2 * len(rules)
    assert (second.steps, guarding.api.changes) == ((), [])
    assert second.kept == 4 + 2 * len(rules)
    assert set(guarding.api.alarms) == {read_pack("root").element_name(rule) for rule in rules}
    assert all(alarm["AlarmActions"] == [TOPIC] for alarm in guarding.api.alarms.values())
    assert guarding.api.trails[0]["CloudWatchLogsRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert guarding.api.trails[0]["CloudWatchLogsLogGroupArn"].endswith(":log-group:cloudtrail/main:*")


def test_a_second_pack_shares_topic_group_and_delivery() -> None:
    guarding = Guarding()
    guarding.enable("root")

    plan = guarding.enable("network")

    assert {kind for _, kind in told(plan)} == {"metric filter", "alarm"}
    assert len(guarding.roles) == 1


def test_what_was_changed_or_removed_since_is_put_right_alone() -> None:
    guarding = Guarding()
    guarding.enable()
    first, second = list(guarding.api.alarms.values())[:2]
    first["Threshold"] = 1000.0
    second["ActionsEnabled"] = False
    guarding.api.filters.popitem()

    plan = guarding.enable()

    assert told(plan) == [("make", "metric filter"), ("change", "alarm"), ("change", "alarm")]
    assert guarding.plan().steps == ()


def test_whom_else_an_alarm_tells_is_kept() -> None:
    guarding = Guarding()
    guarding.enable()
    [name, *_] = guarding.api.alarms
    guarding.api.alarms[name] |= {"AlarmActions": ["arn:other", TOPIC], "OKActions": ["arn:ok"], "Threshold": 5.0}

    guarding.enable()

    alarm = guarding.api.alarms[name]
    assert (alarm["AlarmActions"], alarm["OKActions"], alarm["Threshold"]) == (["arn:other", TOPIC], ["arn:ok"], 1.0)


def test_filters_of_that_name_in_another_group_do_not_count() -> None:
    guarding = Guarding()
    guarding.enable()
    guarding.api.filters = {
        ("elsewhere", name): one | {"logGroupName": "elsewhere"} for (_, name), one in guarding.api.filters.items()
    }

    assert ("make", "metric filter") in told(guarding.plan())


def test_a_trail_s_own_group_is_used_and_no_other() -> None:
    guarding = Guarding()
    guarding.api.groups.append("trails")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trails:*"
    guarding.api.trails[0]["CloudWatchLogsLogGroupArn"] = arn

    plan = guarding.plan()

    assert plan.log_group == "trails"
    assert {kind for _, kind in told(plan)} == {"topic", "metric filter", "alarm"}
    with pytest.raises(OperatorError, match="delivers to the log group trails already"):
        guarding.plan(wishes=Wishes(log_group="other"))


def test_a_named_topic_must_be_there() -> None:
    with pytest.raises(OperatorError, match="there is no topic arn:aws:sns:us-east-1:123456789012:mine"):
        Guarding().plan(wishes=Wishes(topic=f"arn:aws:sns:{REGION}:{ACCOUNT}:mine"))


def test_a_refusal_ends_it_and_another_try_goes_on_from_there() -> None:
    guarding = Guarding()
    guarding.api.refused["PutMetricAlarm"] = "AccessDenied"
    with pytest.raises(CallRefused, match="PutMetricAlarm was answered AccessDenied"):
        guarding.enable()
    guarding.api.refused.clear()

    plan = guarding.enable()

    assert {kind for _, kind in told(plan)} == {"alarm"}


def test_a_trail_is_put_right_in_the_name_of_a_role_that_may_do_no_more_than_that() -> None:
    guarding = Guarding()
    remedied = Wishes(remediates=True)

    plan = guarding.enable("tampering", remedied)

    assert told(plan)[-2:] == [("make", "role"), ("make", "remediation")]
    role = next(role for role in guarding.roles if role["name"] == REMEDIATION_ROLE)
    assert orjson.loads(role["policy"])["Statement"][0]["Action"] == [
        "cloudtrail:StartLogging",
        "cloudtrail:PutEventSelectors",
    ]
    [guarded] = guarding.guarded.values()
    assert (guarded["trail"], guarded["role"]) == (guarding.api.trails[0]["TrailARN"], REMEDIATION_ROLE)
    assert guarding.enable("tampering", remedied).steps == guarding.enable("tampering").steps == ()

    guarded["ended_at"] = "2026-11-20T10:00:00Z"
    assert told(guarding.enable("tampering", remedied)) == [("change", "remediation")]
    guarding.roles.append({"name": "mine"})
    assert told(guarding.enable("tampering", Wishes(remediates=True, role="mine"))) == [("change", "remediation")]
    assert told(guarding.enable("tampering", remedied)) == [], "the role that was named stays"
    assert told(guarding.enable("tampering", Wishes(remediates=False))) == [("end", "remediation")]
    assert (guarding.guarded, guarding.plan("tampering", Wishes(remediates=False)).steps) == ({}, ())


def test_a_trail_is_put_right_with_its_pack_and_by_a_role_that_there_is() -> None:
    for pack, wishes, said in (
        ("root", Wishes(remediates=True), "with the pack tampering alone"),
        ("tampering", Wishes(remediates=True, role="nobody"), "no role nobody in the account"),
    ):
        with pytest.raises(OperatorError, match=said):
            Guarding().plan(pack, wishes)


def test_the_trail_is_the_only_one_or_the_named_one() -> None:
    trails = [{"Name": "a", "TrailARN": "arn:a"}, {"Name": "b", "TrailARN": "arn:b"}]

    assert choose_trail(trails, "arn:b") is trails[1]
    for given, name, said in ((trails, "", "say which trail"), (trails, "c", "no trail c"), ([], "", "no trail yet")):
        with pytest.raises(OperatorError, match=said):
            choose_trail(given, name)


@pytest.mark.parametrize(
    ("selectors", "management", "data"),
    [
        ({"EventSelectors": [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]}, False, False),
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]}, True, False),
        ({"EventSelectors": [{"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]}, False, True),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [OF_MANAGEMENT]}]}, True, False),
    ],
)
def test_a_trail_that_sees_too_little_says_so(selectors: dict[str, Any], management: bool, data: bool) -> None:
    api = InMemoryAwsApi()
    api.selectors, api.is_logging = selectors, False

    trail = watched_trail(api, api.trails[0])

    assert (trail.has_management_events, trail.has_data_events) == (management, data)
    assert trail.warnings()[0].startswith("the trail is stopped: aws cloudtrail start-logging")
    assert any("leaves management events out" in warning for warning in trail.warnings()) is not management
