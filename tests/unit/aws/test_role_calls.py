"""The installation's own calls in a role's name: judged by the role's policies, and on record with its identity."""

import pytest

from opentrail.aws.role_calls import RoleCalls
from opentrail.ports.aws_api import CallRefused
from tests.builders import ACCOUNT, REGION, World, a_credential, a_role, a_trail
from tests.support.api import api_server, call_cloudtrail, recorded

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
MAY_START = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudtrail:StartLogging","Resource":"*"}]}'
)
ROLE = a_role("keeper", TRUST % "cloudtrail", p=MAY_START)
START = {"Name": a_trail().arn}


async def stopped_trail() -> tuple[World, RoleCalls]:
    world = World()
    await world.identities.add_credential(a_credential())
    server = api_server(world)
    await call_cloudtrail(server, world, "CreateTrail", {"Name": "main", "S3BucketName": "logs"})
    return world, RoleCalls(server.ports, world.journal, server.handle)


async def test_the_call_is_made_and_on_record_as_the_role_s_session() -> None:
    world, calls = await stopped_trail()
    await world.identities.create_role(ROLE)

    await calls.call(ROLE.arn, REGION, "StartLogging", START)

    trail = await world.trails.trail(a_trail().arn)
    assert trail is not None
    assert trail.is_logging
    assumed, started = recorded(world)[-2:]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/keeper/opentrail-guard"
    assert (assumed["eventName"], assumed["userIdentity"]["invokedBy"]) == ("AssumeRole", "cloudtrail.amazonaws.com")
    assert assumed["requestParameters"] == {"roleArn": ROLE.arn, "roleSessionName": "opentrail-guard"}
    assert assumed["responseElements"]["assumedRoleUser"]["arn"] == session
    assert (started["eventName"], started["userIdentity"]["arn"]) == ("StartLogging", session)
    assert started["userIdentity"]["accessKeyId"] == assumed["responseElements"]["credentials"]["accessKeyId"]
    assert started["sourceIPAddress"] == "cloudtrail.amazonaws.com"
    assert "errorCode" not in started


async def test_what_the_role_may_not_do_is_refused_and_on_record() -> None:
    world, calls = await stopped_trail()
    await world.identities.create_role(ROLE)

    with pytest.raises(CallRefused, match="not authorized to perform: cloudtrail:DeleteTrail"):
        await calls.call(ROLE.arn, REGION, "DeleteTrail", START)

    assert (recorded(world)[-1]["eventName"], recorded(world)[-1]["errorCode"]) == ("DeleteTrail", "AccessDenied")
    assert await world.trails.trail(a_trail().arn) is not None


async def test_a_role_that_is_not_there_or_trusts_another_is_not_assumed() -> None:
    world, calls = await stopped_trail()
    other = a_role("other", TRUST % "config", p=MAY_START)
    await world.identities.create_role(other)
    before = len(recorded(world))

    for arn, code in ((ROLE.arn, "NoSuchEntity"), (other.arn, "AccessDenied")):
        with pytest.raises(CallRefused) as refused:
            await calls.call(arn, REGION, "StartLogging", START)
        assert refused.value.code == code

    assert len(recorded(world)) == before
