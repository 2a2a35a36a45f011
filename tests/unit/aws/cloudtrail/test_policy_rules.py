"""Policies of event data stores and channels: what they may hold, and whom of their account they let in or shut out."""

import json
from functools import partial
from typing import Any

import pytest

from opentrail.aws import cloudtrail, cloudtrail_data
from opentrail.aws.authorization import authorise
from opentrail.aws.cloudtrail.lake_errors import ResourcePolicyNotValidException
from opentrail.aws.cloudtrail.policy_rules import MAX_PRINCIPALS, MAX_STATEMENTS, check_lake_policy
from opentrail.aws.common_errors import AccessDenied
from opentrail.identity import Credential
from tests.builders import ACCOUNT, World, a_credential, a_root, a_user, a_user_principal

STORE = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:eventdatastore/99999999-9999-4999-8999-999999999999"
CHANNEL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:channel/99999999-9999-4999-8999-999999999999"
BRINGING, ASKING = "cloudtrail-data:PutAuditEvents", "cloudtrail:StartQuery"


def a_statement(arn: Any, action: Any, **members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": action, "Resource": arn} | members


def a_policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize(
    ("arn", "statement"),
    [
        (CHANNEL, a_statement(CHANNEL, BRINGING)),
        (CHANNEL, a_statement("*", [BRINGING.lower()], Principal="*")),
        (STORE, a_statement(STORE, [ASKING, "cloudtrail:Get*"])),
    ],
)
def test_policy_about_the_resource_itself_is_taken(arn: str, statement: dict[str, Any]) -> None:
    check_lake_policy(a_policy(statement), arn)


PRINCIPALS = {"AWS": [f"{number:012d}" for number in range(MAX_PRINCIPALS + 1)]}


@pytest.mark.parametrize(
    ("arn", "statements", "said"),
    [
        (CHANNEL, [a_statement(CHANNEL, "cloudtrail:GetChannel")], "PutAuditEvents"),
        (CHANNEL, [a_statement(CHANNEL, [BRINGING, "cloudtrail-data:*"])], "PutAuditEvents"),
        (CHANNEL, [a_statement(STORE, BRINGING)], "Resource must be"),
        (CHANNEL, [a_statement(CHANNEL, BRINGING)] * (MAX_STATEMENTS + 1), "20 statements"),
        (CHANNEL, [a_statement(CHANNEL, BRINGING, Principal=PRINCIPALS)], "50 principals"),
        (STORE, [a_statement(STORE, "s3:GetObject")], "actions of cloudtrail"),
        (STORE, [a_statement(STORE, "*")], "actions of cloudtrail"),
        (STORE, [a_statement([STORE, CHANNEL], ASKING)], "Resource must be"),
        (STORE, [{"Effect": "Allow", "Action": ASKING, "Resource": STORE}], "Principal"),
    ],
)
def test_policy_about_something_else_is_refused(arn: str, statements: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ResourcePolicyNotValidException, match=said):
        check_lake_policy(a_policy(*statements), arn)


async def is_let(world: World, credential: Credential, operation: str, **parameters: Any) -> bool:
    service = cloudtrail_data.SERVICE if operation == "PutAuditEvents" else cloudtrail.SERVICE
    call = world.call(operation, parameters, service=service.name, credential=credential)
    assert service.own_resource_policy is not None
    policy_of = partial(service.own_resource_policy, world.ports, call)
    try:
        await authorise(world.ports.identities, call, service.requirements(call), policy_of)
    except AccessDenied:
        return False
    return True


async def test_policy_lets_in_and_shuts_out_principals_of_the_own_account() -> None:
    world = World()
    await world.identities.create_user(a_user())
    user, root = a_credential(a_user_principal(), key="AKIAUSEREXAMPLE00000"), a_credential(a_root())
    named = {"AWS": user.principal.arn}
    asked = {"QueryStatement": f"SELECT 1 FROM {STORE.rpartition('/')[2]}"}
    assert not await is_let(world, user, "StartQuery", **asked)

    await world.ports.event_data_stores.set_resource_policy(
        STORE, a_policy(a_statement(STORE, ASKING, Principal=named))
    )
    assert await is_let(world, user, "StartQuery", **asked)
    assert not await is_let(world, user, "DeleteEventDataStore", EventDataStore=STORE)

    denied = a_statement(STORE, "cloudtrail:*", Effect="Deny", Principal="*")
    await world.ports.event_data_stores.set_resource_policy(STORE, a_policy(denied))
    assert not await is_let(world, root, "DeleteEventDataStore", EventDataStore=STORE)
    assert await is_let(world, root, "DeleteResourcePolicy", ResourceArn=STORE)


async def test_policy_of_a_channel_lets_in_a_user_of_its_own_account() -> None:
    world = World()
    await world.identities.create_user(a_user())
    user = a_credential(a_user_principal(), key="AKIAUSEREXAMPLE00000")
    assert not await is_let(world, user, "PutAuditEvents", channelArn=CHANNEL)

    policy = a_policy(a_statement(CHANNEL, BRINGING, Principal={"AWS": user.principal.arn}))
    await world.ports.event_data_stores.set_resource_policy(CHANNEL, policy)

    assert await is_let(world, user, "PutAuditEvents", channelArn=CHANNEL)


@pytest.mark.parametrize("given", ["arn:x", "arn:aws:cloudtrail", "nonsense", "arn:aws:s3:::logs"])
async def test_names_that_are_no_arn_have_no_policy(given: str) -> None:
    world = World()

    assert await is_let(world, a_credential(a_root()), "GetEventDataStore", EventDataStore=given)
    assert await is_let(world, a_credential(a_root()), "PutAuditEvents", channelArn=given)
