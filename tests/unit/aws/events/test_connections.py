"""Connections and API destinations as callers see them: answers, refusals, pages, and secrets that never show."""

import json
from typing import Any

import pytest

from opentrail.aws.common_errors import ValidationFailed
from opentrail.aws.events import api_destinations, connections
from opentrail.aws.events.errors import (
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from tests.builders import ACCOUNT, NOON, REGION, World
from tests.unit.aws.events.test_rules import do, plan

BASIC = {"BasicAuthParameters": {"Username": "u", "Password": "canary-password"}}
KEY = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "canary-key"}}
OAUTH: dict[str, Any] = {
    "OAuthParameters": {
        "ClientParameters": {"ClientID": "id", "ClientSecret": "canary-secret"},
        "AuthorizationEndpoint": "https://login.example/token",
        "HttpMethod": "POST",
        "OAuthHttpParameters": {
            "BodyParameters": [
                {"Key": "scope", "Value": "all", "IsValueSecret": False},
                {"Key": "pin", "Value": "canary-pin", "IsValueSecret": True},
            ]
        },
    },
    "InvocationHttpParameters": {"HeaderParameters": [{"Key": "X-Team", "Value": "red"}]},
}


async def create(world: World, name: str = "c", kind: str = "BASIC", auth: Any = BASIC, **more: Any) -> str:
    given = {"Name": name, "AuthorizationType": kind, "AuthParameters": auth}
    return str((await do(world, "CreateConnection", **given, **more))["ConnectionArn"])


async def a_destination(world: World, name: str = "d", **more: Any) -> dict[str, Any]:
    given = {"InvocationEndpoint": "https://example.com/*", "HttpMethod": "POST"} | more
    given.setdefault("ConnectionArn", f"arn:aws:events:{REGION}:{ACCOUNT}:connection/c/none")
    return await do(world, "CreateApiDestination", Name=name, **given)


async def kept_secrets(world: World, name: str = "c") -> dict[str, Any]:
    connection = await world.connections.named(ACCOUNT, REGION, name)
    assert connection is not None
    return dict(json.loads(await world.connections.secrets(connection) or b"{}"))


async def test_a_connection_is_authorized_at_once_unless_a_token_must_be_had() -> None:
    world = World()

    answer = await do(world, "CreateConnection", Name="c", AuthorizationType="BASIC", AuthParameters=BASIC)
    assert answer["ConnectionArn"].startswith(f"arn:aws:events:{REGION}:{ACCOUNT}:connection/c/")
    assert (answer["ConnectionState"], answer["CreationTime"]) == ("AUTHORIZED", NOON)
    await create(world, "o", "OAUTH_CLIENT_CREDENTIALS", OAUTH)

    assert [each.name for each in await world.connections.authorizing()] == ["o"]
    assert (await do(world, "DescribeConnection", Name="o"))["ConnectionState"] == "AUTHORIZING"


async def test_a_connection_is_described_without_its_secrets() -> None:
    world = World()
    await create(world, "b", "BASIC", BASIC, Description="what")
    await create(world, "k", "API_KEY", KEY)
    await create(world, "o", "OAUTH_CLIENT_CREDENTIALS", OAUTH)

    shown = [await do(world, "DescribeConnection", Name=name) for name in "bko"]
    listed = await do(world, "ListConnections")

    assert "canary" not in f"{shown}{listed}"
    assert shown[0]["Description"] == "what"
    assert shown[0]["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}}
    assert shown[1]["AuthParameters"] == {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key"}}
    oauth = shown[2]["AuthParameters"]
    assert oauth["OAuthParameters"]["ClientParameters"] == {"ClientID": "id"}
    assert oauth["OAuthParameters"]["OAuthHttpParameters"]["BodyParameters"] == [
        {"Key": "scope", "Value": "all", "IsValueSecret": False},
        {"Key": "pin", "IsValueSecret": True},
    ]
    assert oauth["InvocationHttpParameters"]["HeaderParameters"] == [
        {"Key": "X-Team", "Value": "red", "IsValueSecret": False}
    ]
    assert (await kept_secrets(world, "o")) == OAUTH


@pytest.mark.parametrize(
    ("kind", "auth"),
    [
        ("BASIC", {}),
        ("BASIC", KEY),
        ("BASIC", BASIC | KEY),
        ("OAUTH_CLIENT_CREDENTIALS", {"OAuthParameters": OAUTH["OAuthParameters"] | {"ClientParameters": {}}}),
        (
            "OAUTH_CLIENT_CREDENTIALS",
            {"OAuthParameters": OAUTH["OAuthParameters"] | {"AuthorizationEndpoint": "login.example"}},
        ),
        ("BASIC", BASIC | {"ConnectivityParameters": {}}),
    ],
)
async def test_parameters_that_do_not_fit_the_type_are_refused(kind: str, auth: Any) -> None:
    with pytest.raises(ValidationFailed):
        await plan(World(), "CreateConnection", Name="c", AuthorizationType=kind, AuthParameters=auth)


async def test_an_update_changes_what_it_names_and_keeps_the_rest() -> None:
    world = World()
    await create(world)
    world.clock.advance(5)

    answer = await do(world, "UpdateConnection", Name="c", Description="new")
    assert (answer["ConnectionState"], answer["CreationTime"]) == ("AUTHORIZED", NOON)
    assert (await kept_secrets(world)) == BASIC
    await do(world, "UpdateConnection", Name="c", AuthParameters={"BasicAuthParameters": {"Username": "v"}})
    assert (await kept_secrets(world)) == {"BasicAuthParameters": {"Username": "v", "Password": "canary-password"}}
    await do(world, "UpdateConnection", Name="c", AuthorizationType="API_KEY", AuthParameters=KEY)

    shown = await do(world, "DescribeConnection", Name="c")
    assert (shown["AuthorizationType"], shown["Description"]) == ("API_KEY", "new")
    assert shown["AuthParameters"] == {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key"}}
    assert (await kept_secrets(world)) == KEY
    with pytest.raises(ValidationFailed, match="Username, Password"):
        await plan(world, "UpdateConnection", Name="c", AuthorizationType="BASIC")


async def test_an_update_from_what_is_shown_keeps_secret_values() -> None:
    world = World()
    await create(world, "c", "OAUTH_CLIENT_CREDENTIALS", OAUTH)
    shown = (await do(world, "DescribeConnection", Name="c"))["AuthParameters"]

    await do(world, "UpdateConnection", Name="c", AuthParameters=shown)

    body = (await kept_secrets(world))["OAuthParameters"]["OAuthHttpParameters"]["BodyParameters"]
    assert [entry["Value"] for entry in body] == ["all", "canary-pin"]


async def test_a_deauthorized_connection_has_lost_its_secrets() -> None:
    world = World()
    arn = await create(world)
    await a_destination(world, ConnectionArn=arn)

    answer = await do(world, "DeauthorizeConnection", Name="c")

    assert (answer["ConnectionArn"], answer["ConnectionState"]) == (arn, "DEAUTHORIZED")
    assert (await kept_secrets(world)) == {}
    assert (await do(world, "DescribeApiDestination", Name="d"))["ApiDestinationState"] == "INACTIVE"
    with pytest.raises(ValidationFailed):
        await plan(world, "UpdateConnection", Name="c", AuthParameters={"BasicAuthParameters": {"Username": "v"}})
    await do(world, "UpdateConnection", Name="c", AuthParameters=BASIC)
    assert (await do(world, "DescribeApiDestination", Name="d"))["ApiDestinationState"] == "ACTIVE"


async def test_names_are_taken_once_and_missing_ones_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    arn = await create(world)
    await a_destination(world, ConnectionArn=arn)

    with pytest.raises(ResourceAlreadyExistsException, match=r"^Connection c already exists\.$"):
        await create(world)
    with pytest.raises(ResourceAlreadyExistsException, match=r"^An api-destination 'd' already exists\.$"):
        await a_destination(world, ConnectionArn=arn)
    said = r"^Failed to describe the connection\(s\)\. Connection 'x' does not exist\.$"
    for operation in ("DescribeConnection", "UpdateConnection", "DeauthorizeConnection", "DeleteConnection"):
        with pytest.raises(ResourceNotFoundException, match=said):
            await plan(world, operation, Name="x")
    said = r"^Failed to describe the api-destination\(s\)\. An api-destination 'x' does not exist\.$"
    for operation in ("DescribeApiDestination", "UpdateApiDestination", "DeleteApiDestination"):
        with pytest.raises(ResourceNotFoundException, match=said):
            await plan(world, operation, Name="x")
    monkeypatch.setattr(connections, "CONNECTIONS_PER_REGION", 1)
    monkeypatch.setattr(api_destinations, "API_DESTINATIONS_PER_REGION", 1)
    with pytest.raises(LimitExceededException):
        await create(world, "e")
    with pytest.raises(LimitExceededException):
        await a_destination(world, "e", ConnectionArn=arn)


async def test_an_api_destination_is_made_shown_changed_and_deleted() -> None:
    world = World()
    arn = await create(world)
    made = await a_destination(world, ConnectionArn=arn, Description="what")
    assert made["ApiDestinationArn"].startswith(f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/d/")
    assert made["ApiDestinationState"] == "ACTIVE"
    world.clock.advance(5)

    await do(world, "UpdateApiDestination", Name="d", HttpMethod="PUT", InvocationRateLimitPerSecond=5)

    shown = await do(world, "DescribeApiDestination", Name="d")
    assert (shown["HttpMethod"], shown["InvocationEndpoint"], shown["Description"]) == (
        "PUT",
        "https://example.com/*",
        "what",
    )
    assert (shown["InvocationRateLimitPerSecond"], shown["ConnectionArn"]) == (5, arn)
    assert shown["CreationTime"] < shown["LastModifiedTime"]
    assert [each["Name"] for each in (await do(world, "ListApiDestinations"))["ApiDestinations"]] == ["d"]
    assert (await do(world, "ListApiDestinations", ConnectionArn=arn + "x"))["ApiDestinations"] == []
    await do(world, "DeleteConnection", Name="c")
    assert (await do(world, "DescribeApiDestination", Name="d"))["ApiDestinationState"] == "INACTIVE"
    await do(world, "DeleteApiDestination", Name="d")
    assert (await do(world, "ListApiDestinations"))["ApiDestinations"] == []


async def test_a_missing_connection_and_an_endpoint_that_is_none_are_refused() -> None:
    world = World()
    arn = await create(world)

    with pytest.raises(ResourceNotFoundException, match="Connection 'c' does not exist"):
        await a_destination(world)
    for url in ("example.com", "https://u:p@example.com/", "https://*.example.com/", "ftp://example.com/"):
        with pytest.raises(ValidationFailed, match="InvocationEndpoint"):
            await a_destination(world, ConnectionArn=arn, InvocationEndpoint=url)


async def test_lists_come_in_pages_and_by_prefix_and_state() -> None:
    world = World()
    for name in ("ca", "cb", "x"):
        await create(world, name)
    await do(world, "DeauthorizeConnection", Name="cb")

    first = await do(world, "ListConnections", NamePrefix="c", Limit=1)
    rest = await do(world, "ListConnections", NamePrefix="c", Limit=1, NextToken=first["NextToken"])

    assert [each["Name"] for each in first["Connections"] + rest["Connections"]] == ["ca", "cb"]
    by_state = await do(world, "ListConnections", ConnectionState="DEAUTHORIZED")
    assert [each["Name"] for each in by_state["Connections"]] == ["cb"]


async def test_a_rule_can_have_an_api_destination_with_http_parameters_as_target() -> None:
    world = World()
    arn = (await a_destination(world, ConnectionArn=await create(world)))["ApiDestinationArn"]
    await do(world, "PutRule", Name="r", EventPattern='{"source":["a"]}')
    target = {"Id": "1", "Arn": arn, "HttpParameters": {"PathParameterValues": ["$.detail.id"]}}

    await do(world, "PutTargets", Rule="r", Targets=[target])

    assert (await do(world, "ListTargetsByRule", Rule="r"))["Targets"] == [target]
    queue = target | {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"}
    with pytest.raises(ValidationFailed, match="HttpParameters is not supported"):
        await plan(world, "PutTargets", Rule="r", Targets=[queue])
