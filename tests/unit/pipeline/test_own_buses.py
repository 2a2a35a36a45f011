"""Event buses as targets: what arrives on another bus, and what another account's policy keeps away."""

import json
from typing import Any

import pytest

from opentrail.pipeline.own_buses import OwnBuses
from opentrail.ports.journal import EventEntry, SettingsEntry
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.event_bus import EventBus, event_bus_arn
from opentrail.resource.event_rule import event_rule_arn
from tests.builders import ACCOUNT, AUDIT, DEV, NOON, REGION, an_organization
from tests.memory.event_rules import InMemoryEventRules
from tests.memory.journal import InMemoryJournal

EVENT = b'{"source":"shop","detail-type":"order","account":"333333333333"}'


class Forwarding:
    def __init__(self, account: str = ACCOUNT, name: str = "orders", policy: dict[str, Any] | None = None) -> None:
        self.journal, self.rules = InMemoryJournal(), InMemoryEventRules()
        self.arn = event_bus_arn(REGION, account, name)
        settings = {} if policy is None else {"Policy": json.dumps({"Statement": [policy | {"Resource": self.arn}]})}
        bus = EventBus(self.arn, name, account, REGION, NOON, NOON, settings)
        self.rules.apply(SettingsEntry(bus.arn, bus.to_json()))

    async def send(self, sender: str = ACCOUNT, arn: str = "") -> list[EventEntry]:
        rule = event_rule_arn(REGION, sender, "default", "r")
        buses = OwnBuses(self.journal, self.rules, an_organization())
        await buses.send(Dispatch("id-1", arn or self.arn, EVENT.decode(), EVENT, {}, cause=rule))
        return [entry for entry in self.journal.entries() if isinstance(entry, EventEntry)]


async def test_a_bus_of_the_rules_account_gets_the_event_as_it_is() -> None:
    assert await Forwarding().send() == [EventEntry(EVENT, event_bus_arn(REGION, ACCOUNT, "orders"))]
    default = event_bus_arn(REGION, ACCOUNT, "default")
    assert await Forwarding().send(arn=default) == [EventEntry(EVENT, default)]
    with pytest.raises(TargetRefused, match="does not exist") as refused:
        await Forwarding().send(arn=event_bus_arn(REGION, ACCOUNT, "none"))
    assert refused.value.code == "NO_RESOURCE"


async def test_a_bus_of_another_account_gets_what_its_policy_allows() -> None:
    named = {"Effect": "Allow", "Principal": {"AWS": AUDIT}, "Action": "events:PutEvents"}
    conditions = {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid", "events:eventBusInvocation": "true"}}
    of_organization = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Condition": conditions}

    assert await Forwarding(policy=named).send(AUDIT)
    assert await Forwarding(policy=of_organization).send(DEV)
    for policy, sender in ((None, AUDIT), (named, DEV), (of_organization, "999999999999")):
        forwarding = Forwarding(policy=policy)
        with pytest.raises(TargetRefused) as refused:
            await forwarding.send(sender)
        assert refused.value.code == "NO_PERMISSIONS"
        assert forwarding.journal.entries() == []


async def test_a_bus_that_another_account_does_not_have_says_no_more_than_one_it_has() -> None:
    with pytest.raises(TargetRefused) as refused:
        await Forwarding().send(AUDIT, event_bus_arn(REGION, ACCOUNT, "none"))

    assert refused.value.code == "NO_PERMISSIONS"
