"""Resource policies of buses: how they are set and shown, and who may put events where."""

import json
from typing import Any

import orjson
import pytest

from opentrail.aws import events
from opentrail.aws.common_errors import AccessDenied, ValidationFailed
from opentrail.aws.events import bus_policies
from opentrail.aws.events.errors import PolicyLengthExceededException, ResourceNotFoundException
from opentrail.aws.service import Outcome
from opentrail.ports.journal import EventEntry
from tests.builders import ACCOUNT, AUDIT, DEV, REGION, World, a_credential, a_root, an_organization
from tests.unit.aws.events.test_rules import do, plan

BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/orders"
ALLOWED = {"Action": "events:PutEvents", "Principal": AUDIT, "StatementId": "audit"}


async def a_world(**more: Any) -> World:
    world = World(**more)
    await do(world, "CreateEventBus", Name="orders", Description="d")
    return world


async def policy_of(world: World, bus: str = "orders") -> Any:
    text = (await do(world, "DescribeEventBus", Name=bus)).get("Policy")
    return None if text is None else json.loads(text)


async def put_from(world: World, account: str, bus: str = BUS, **entry: Any) -> Outcome:
    entries = [{"Source": "shop", "DetailType": "order", "Detail": "{}", "EventBusName": bus} | entry]
    credential = a_credential(a_root(account))
    call = world.call("PutEvents", {"Entries": entries}, service="events", credential=credential)
    return await events.SERVICE.handlers["PutEvents"].run(world.ports, call)


async def test_a_statement_is_added_replaced_by_its_id_and_removed() -> None:
    world = await a_world()
    await do(world, "PutPermission", EventBusName="orders", **ALLOWED)

    assert await policy_of(world) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "audit",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{AUDIT}:root"},
                "Action": "events:PutEvents",
                "Resource": BUS,
            }
        ],
    }
    condition = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-exampleorgid"}
    await do(world, "PutPermission", EventBusName="orders", **(ALLOWED | {"Principal": "*", "Condition": condition}))
    await do(world, "PutPermission", EventBusName="orders", **(ALLOWED | {"StatementId": "two"}))
    first, second = (await policy_of(world))["Statement"]
    assert (first["Principal"], first["Condition"]) == ("*", {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}})
    assert second["Sid"] == "two"
    await do(world, "RemovePermission", EventBusName="orders", StatementId="audit")
    assert [each["Sid"] for each in (await policy_of(world))["Statement"]] == ["two"]
    await do(world, "RemovePermission", EventBusName="orders", StatementId="two")
    assert await policy_of(world) is None


async def test_a_whole_policy_is_kept_as_given_on_the_default_bus_and_through_an_update() -> None:
    world = await a_world()
    policy = json.dumps(
        {"Statement": {"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "events:*", "Resource": BUS}},
        indent=1,
    )
    for bus in ({}, {"EventBusName": "orders"}):
        await do(world, "PutPermission", Policy=policy, **bus)
    await do(world, "UpdateEventBus", Name="orders", Description="new")

    shown = await do(world, "DescribeEventBus", Name="orders")
    assert (shown["Policy"], shown["Description"]) == (policy, "new")
    assert (await do(world, "DescribeEventBus"))["Policy"] == policy
    assert [bus.get("Policy") for bus in (await do(world, "ListEventBuses"))["EventBuses"]] == [policy, policy]
    await do(world, "PutPermission", EventBusName="orders", **ALLOWED)
    assert [each["Sid"] for each in (await policy_of(world))["Statement"]] == ["s", "audit"]
    await do(world, "RemovePermission", RemoveAllPermissions=True)
    assert await policy_of(world, "default") is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Action": "events:PutEvents", "Principal": AUDIT},
        ALLOWED | {"Action": "events:PutRule"},
        ALLOWED | {"Condition": {"Type": "StringLike", "Key": "aws:PrincipalOrgID", "Value": "o-*"}},
        {"Policy": "{"},
        {"Policy": '{"Statement":[{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}]}'},
    ],
)
async def test_a_policy_that_is_none_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        await plan(World(), "PutPermission", **given)


async def test_what_is_not_there_and_what_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_world()
    with pytest.raises(ResourceNotFoundException, match="Event bus none does not exist"):
        await plan(world, "PutPermission", EventBusName="none", **ALLOWED)
    with pytest.raises(ResourceNotFoundException, match="does not have a policy"):
        await plan(world, "RemovePermission", StatementId="audit")
    await do(world, "PutPermission", **ALLOWED)
    with pytest.raises(ResourceNotFoundException, match="provided id does not exist"):
        await plan(world, "RemovePermission", StatementId="other")
    monkeypatch.setattr(bus_policies, "MAX_POLICY_BYTES", 200)
    with pytest.raises(PolicyLengthExceededException):
        await plan(world, "PutPermission", **(ALLOWED | {"StatementId": "two"}))


async def test_another_account_puts_events_where_the_policy_allows_it() -> None:
    world = await a_world()
    with pytest.raises(AccessDenied, match="no resource-based policy allows the events:PutEvents action"):
        await put_from(world, AUDIT)
    await do(world, "PutPermission", EventBusName="orders", **ALLOWED)

    outcome = await put_from(world, AUDIT)

    (entry,) = outcome.events
    assert isinstance(entry, EventEntry)
    event = orjson.loads(entry.event)
    assert (entry.audience, event["account"], event["region"]) == (BUS, AUDIT, REGION)
    with pytest.raises(AccessDenied):
        await put_from(world, DEV)
    for other in (BUS.replace("orders", "none"), BUS.replace("orders", "default")):
        with pytest.raises(AccessDenied):
            await put_from(world, AUDIT, other)


async def test_conditions_on_organization_and_event_are_kept_to() -> None:
    world = await a_world(organization=an_organization())
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "events:PutEvents",
        "Resource": BUS,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid", "events:source": "shop"}},
    }
    await do(world, "PutPermission", EventBusName="orders", Policy=json.dumps({"Statement": [statement]}))

    assert (await put_from(world, DEV)).events
    for account, source in ((DEV, "other"), ("999999999999", "shop")):
        with pytest.raises(AccessDenied):
            await put_from(world, account, Source=source)


async def test_a_deny_holds_for_the_buss_own_account_too() -> None:
    world = await a_world()
    statement: dict[str, Any] = {"Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS}
    statement |= {"Condition": {"StringNotEquals": {"events:source": "shop"}}}
    await do(world, "PutPermission", EventBusName="orders", Policy=json.dumps({"Statement": [statement]}))

    assert (await put_from(world, ACCOUNT)).events
    with pytest.raises(AccessDenied, match="explicit deny"):
        await put_from(world, ACCOUNT, Source="other")


async def test_a_rule_may_have_another_accounts_bus_as_target() -> None:
    world = await a_world()
    await do(world, "PutRule", Name="r", EventPattern='{"source":["a"]}')

    target = {"Id": "1", "Arn": BUS.replace(ACCOUNT, AUDIT)}
    await do(world, "PutTargets", Rule="r", Targets=[target])

    assert (await do(world, "ListTargetsByRule", Rule="r"))["Targets"] == [target]
