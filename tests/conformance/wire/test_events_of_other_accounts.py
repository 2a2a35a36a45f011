"""Rules on another account's bus, and rules that an archive manages, as boto3 sees them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opentrail.resource.event_bus import event_bus_arn
from tests.builders import ACCOUNT, REGION, a_credential, a_root
from tests.conformance.wire.conftest import OTHER_ACCOUNT, Connect
from tests.support.api import ApiInThread

BUS = event_bus_arn(REGION, ACCOUNT, "central")
RULES = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/central"
PATTERN = '{"source": ["com.example.shop"]}'
QUEUE = f"arn:aws:sqs:{REGION}:{OTHER_ACCOUNT}:orders"
ON_RULES = ("PutRule", "DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "PutTargets", "RemoveTargets")
ON_LISTS = ("ListRules", "ListTargetsByRule", "ListRuleNamesByTarget")


@pytest.fixture
def owner(connect: Connect) -> Any:
    events = connect("events")
    events.create_event_bus(Name="central")
    return events


@pytest.fixture
def guest(api: ApiInThread, connect: Connect) -> Any:
    credential = a_credential(a_root(OTHER_ACCOUNT), "AKIAGUEST00000000001")
    api.do(api.world.identities.add_credential(credential))
    return connect("events", credential=credential)


def let_in(owner: Any, *operations: str, condition: dict[str, Any] | None = None, effect: str = "Allow") -> None:
    statement = {
        "Effect": effect,
        "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"} if effect == "Allow" else "*",
        "Action": [f"events:{name}" for name in operations],
        "Resource": f"{RULES}/*",
        **({"Condition": condition} if condition else {}),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    owner.put_permission(EventBusName="central", Policy=policy)


def code_of(call: Callable[..., object], **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return str(refused.value.response["Error"]["Code"])


def test_a_rule_on_another_accounts_bus_lives_as_its_policy_lets_it(owner: Any, guest: Any) -> None:
    let_in(owner, *ON_RULES, *ON_LISTS)
    named = {"EventBusName": BUS}

    made = guest.put_rule(Name="orders", EventPattern=PATTERN, **named)
    guest.put_targets(Rule="orders", Targets=[{"Id": "q", "Arn": QUEUE}], **named)

    assert made["RuleArn"] == f"{RULES}/orders"
    shown = guest.describe_rule(Name="orders", **named)
    assert (shown["Arn"], shown["EventBusName"], shown["CreatedBy"]) == (f"{RULES}/orders", "central", OTHER_ACCOUNT)
    assert owner.describe_rule(Name="orders", EventBusName="central")["CreatedBy"] == OTHER_ACCOUNT
    assert [rule["Name"] for rule in guest.list_rules(**named)["Rules"]] == ["orders"]
    assert guest.list_rule_names_by_target(TargetArn=QUEUE, **named)["RuleNames"] == ["orders"]
    assert guest.list_targets_by_rule(Rule="orders", **named)["Targets"] == [{"Id": "q", "Arn": QUEUE}]
    assert guest.list_rules()["Rules"] == []
    guest.disable_rule(Name="orders", **named)
    guest.enable_rule(Name="orders", **named)
    guest.remove_targets(Rule="orders", Ids=["q"], **named)
    guest.delete_rule(Name="orders", **named)
    assert owner.list_rules(EventBusName="central")["Rules"] == []


def test_without_a_policy_nobody_learns_or_changes_anything(owner: Any, guest: Any) -> None:
    owner.put_rule(Name="orders", EventPattern=PATTERN, EventBusName="central")
    missing = BUS.replace("central", "missing")

    for bus in (BUS, missing):
        assert code_of(guest.put_rule, Name="mine", EventPattern=PATTERN, EventBusName=bus) == "AccessDeniedException"
        assert code_of(guest.describe_rule, Name="orders", EventBusName=bus) == "AccessDeniedException"
        assert code_of(guest.delete_rule, Name="orders", EventBusName=bus) == "AccessDeniedException"
        assert code_of(guest.list_rules, EventBusName=bus) == "AccessDeniedException"
    let_in(owner, "DescribeRule")
    assert guest.describe_rule(Name="orders", EventBusName=BUS)["CreatedBy"] == ACCOUNT
    assert code_of(guest.describe_rule, Name="nobody's", EventBusName=BUS) == "ValidationException"
    assert code_of(guest.describe_rule, Name="nobodys", EventBusName=BUS) == "ResourceNotFoundException"
    assert code_of(guest.disable_rule, Name="orders", EventBusName=BUS) == "AccessDeniedException"


def test_conditions_keep_rules_to_their_makers_and_patterns_to_their_sources(owner: Any, guest: Any) -> None:
    condition = {
        "StringEqualsIfExists": {
            "events:creatorAccount": "${aws:PrincipalAccount}",
            "events:source": "com.example.shop",
        }
    }
    let_in(owner, *ON_RULES, condition=condition)
    owner.put_rule(Name="theirs", EventPattern=PATTERN, EventBusName="central")

    guest.put_rule(Name="mine", EventPattern=PATTERN, EventBusName=BUS)

    guest.disable_rule(Name="mine", EventBusName=BUS)
    assert code_of(guest.disable_rule, Name="theirs", EventBusName=BUS) == "AccessDeniedException"
    other = PATTERN.replace("shop", "payroll")
    assert code_of(guest.put_rule, Name="more", EventPattern=other, EventBusName=BUS) == "AccessDeniedException"


def test_a_deny_of_the_policy_holds_for_the_buss_own_account(owner: Any) -> None:
    owner.put_rule(Name="orders", EventPattern=PATTERN, EventBusName="central")
    let_in(owner, "DeleteRule", effect="Deny")

    assert code_of(owner.delete_rule, Name="orders", EventBusName="central") == "AccessDeniedException"
    owner.disable_rule(Name="orders", EventBusName="central")


def test_an_archives_rule_is_changed_by_force_alone(owner: Any) -> None:
    owner.create_archive(ArchiveName="kept", EventSourceArn=BUS)
    rule, bus = "Events-Archive-kept", {"EventBusName": "central"}
    arn = owner.describe_rule(Name=rule, **bus)["Arn"]
    target = {"Id": "q", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}

    changes: list[tuple[Callable[..., object], dict[str, Any]]] = [
        (owner.put_rule, {"Name": rule, "EventPattern": PATTERN, **bus}),
        (owner.put_targets, {"Rule": rule, "Targets": [target], **bus}),
        (owner.remove_targets, {"Rule": rule, "Ids": [rule], **bus}),
        (owner.disable_rule, {"Name": rule, **bus}),
        (owner.delete_rule, {"Name": rule, **bus}),
        (owner.tag_resource, {"ResourceARN": arn, "Tags": [{"Key": "k", "Value": "v"}]}),
        (owner.untag_resource, {"ResourceARN": arn, "TagKeys": ["k"]}),
    ]
    for call, parameters in changes:
        assert code_of(call, **parameters) == "ManagedRuleException"
    assert owner.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    assert owner.describe_archive(ArchiveName="kept")["State"] == "ENABLED"

    owner.remove_targets(Rule=rule, Ids=[rule], Force=True, **bus)
    owner.delete_rule(Name=rule, Force=True, **bus)
    assert owner.list_rules(**bus)["Rules"] == []
    assert owner.describe_archive(ArchiveName="kept")["State"] == "DISABLED"
    assert owner.list_archives(State="ENABLED")["Archives"] == []
    owner.update_archive(ArchiveName="kept", Description="on again")
    assert owner.describe_archive(ArchiveName="kept")["State"] == "ENABLED"
    owner.remove_targets(Rule=rule, Ids=[rule], Force=True, **bus)
    owner.delete_rule(Name=rule, Force=True, **bus)
    owner.delete_archive(ArchiveName="kept")


def test_there_are_no_global_endpoints(owner: Any) -> None:
    assert owner.list_endpoints(NamePrefix="a", MaxResults=10)["Endpoints"] == []
