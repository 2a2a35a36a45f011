"""Two accounts on a running server: events cross by a bus's policy, and by a rule on the other account's bus."""

import json
from typing import Any

import boto3
import pytest

from opentrail.cli.execution import read_key
from opentrail.home import Home
from tests.e2e.conftest import MakeServer
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REGION, OWNER, GUEST = "us-east-1", "123456789012", "222222222222"
CENTRAL = f"arn:aws:events:{REGION}:{OWNER}:event-bus/central"


def guest_client(server: RunningServer, service: str) -> Any:
    key = read_key(Home(server.home), f"{GUEST}/guest")
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name=REGION,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def put(events: Any, number: int, **bus: str) -> None:
    entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"number": number}), **bus}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0


def numbers_in(logs: Any) -> list[tuple[int, str]]:
    events = [json.loads(each["message"]) for each in logs.filter_log_events(logGroupName="orders")["events"]]
    return sorted((event["detail"]["number"], event["account"]) for event in events)


def test_events_cross_accounts_both_ways(make_server: MakeServer, tmp_path: Any) -> None:
    server = make_server(upstream="").start()
    policy = tmp_path / "all.json"
    policy.write_text('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}')
    for command in (
        ("users", "create", "guest", "--account", GUEST, "--policy", str(policy)),
        ("keys", "create", "--user", "guest", "--account", GUEST, "--save"),
    ):
        done = server.opentrail(*command)
        assert done.returncode == 0, done.stderr
    owner, guest = client(server, "events"), guest_client(server, "events")
    logs = guest_client(server, "logs")
    logs.create_log_group(logGroupName="orders")
    group = f"arn:aws:logs:{REGION}:{GUEST}:log-group:orders"
    owner.create_event_bus(Name="central")
    guest.create_event_bus(Name="mine")
    whom = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{GUEST}:root"}}
    rules = f"arn:aws:events:{REGION}:{OWNER}:rule/central/*"
    statements = [
        {**whom, "Action": "events:PutEvents", "Resource": CENTRAL},
        {**whom, "Action": ["events:PutRule", "events:PutTargets"], "Resource": rules},
    ]
    owner.put_permission(EventBusName="central", Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    guest.put_rule(Name="shop", EventPattern='{"source":["shop"]}', EventBusName=CENTRAL)
    guest.put_targets(Rule="shop", EventBusName=CENTRAL, Targets=[{"Id": "g", "Arn": group}])
    guest.put_rule(Name="on", EventPattern='{"source":["shop"]}', EventBusName="mine")
    guest.put_targets(Rule="on", EventBusName="mine", Targets=[{"Id": "c", "Arn": CENTRAL}])
    put(owner, 1, EventBusName="central")
    put(guest, 2, EventBusName="mine")
    put(guest, 3, EventBusName=CENTRAL)

    wanted = [(1, OWNER), (2, GUEST), (3, GUEST)]
    wait_until(lambda: numbers_in(logs) == wanted, "the events in the guest's log group")
    owner.remove_permission(EventBusName="central", RemoveAllPermissions=True)
    put(guest, 4, EventBusName="mine")
    put(owner, 5, EventBusName="central")
    wait_until(lambda: (5, OWNER) in numbers_in(logs), "the owner's own event")
    assert numbers_in(logs) == [*wanted, (5, OWNER)]
