"""What every store of connections and API destinations promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opentrail.resource.api_destination import (
    ApiDestination,
    AuthorizationType,
    Connection,
    ConnectionState,
    api_destination_arn,
    connection_arn,
)
from tests.conformance.ports.test_delivery_log import NOON
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_connection(name: str = "c", **changes: Any) -> Connection:
    made = Connection(
        connection_arn(REGION, ACCOUNT, name, "u-1"),
        name,
        ACCOUNT,
        REGION,
        AuthorizationType.BASIC,
        ConnectionState.AUTHORIZED,
        NOON,
        NOON,
        "1",
        shown={"BasicAuthParameters": {"Username": "u"}},
    )
    return replace(made, **changes)


def a_destination(name: str = "d", **changes: Any) -> ApiDestination:
    arn = api_destination_arn(REGION, ACCOUNT, name, "u-1")
    made = ApiDestination(
        arn, name, ACCOUNT, REGION, a_connection().arn, "https://example.com/", "POST", NOON, NOON, 7, "what"
    )
    return replace(made, **changes)


async def test_connections_show_by_name_place_and_arn_as_they_were_put(stores: MetadataStores) -> None:
    far = a_connection("far", region="eu-west-1", arn=connection_arn("eu-west-1", ACCOUNT, "far", "u"))
    for each in (a_connection("b"), a_connection("a", authorized_at=NOON), far):
        await stores.connections.put(each, b"secret")

    assert await stores.connections.all(ACCOUNT, REGION) == [a_connection("a", authorized_at=NOON), a_connection("b")]
    assert await stores.connections.named(ACCOUNT, "eu-west-1", "far") == far
    assert await stores.connections.named(ACCOUNT, REGION, "far") is None
    assert await stores.connections.get(a_connection("b").arn) == a_connection("b")


async def test_secrets_stay_through_a_put_without_any_and_are_erased_by_an_empty_one(stores: MetadataStores) -> None:
    await stores.connections.put(a_connection(), b"secret")

    await stores.connections.put(a_connection(description="new"), None)
    assert await stores.connections.secrets(a_connection()) == b"secret"
    assert await stores.connections.secrets(a_connection(revision="2")) == b""
    await stores.connections.put(a_connection(), b"")

    assert await stores.connections.secrets(a_connection()) == b""
    assert await stores.connections.secrets(a_connection("unknown")) == b""


async def test_a_connection_is_settled_unless_its_secrets_changed(stores: MetadataStores) -> None:
    woken: list[bool] = []
    stores.connections.watch(lambda: woken.append(True))
    waiting = a_connection(state=ConnectionState.AUTHORIZING)
    await stores.connections.put(waiting, b"secret")
    assert (await stores.connections.authorizing(), woken) == ([waiting], [True])

    await stores.connections.settle(replace(waiting, revision="0"), ConnectionState.DEAUTHORIZED, "old", None)
    assert await stores.connections.authorizing() == [waiting]
    await stores.connections.settle(waiting, ConnectionState.AUTHORIZED, "", NOON + timedelta(seconds=1))

    settled = replace(waiting, state=ConnectionState.AUTHORIZED, authorized_at=NOON + timedelta(seconds=1))
    assert await stores.connections.get(waiting.arn) == settled
    assert await stores.connections.authorizing() == []
    assert await stores.connections.secrets(waiting) == b"secret"


async def test_a_deleted_connection_is_gone_with_its_secrets(stores: MetadataStores) -> None:
    await stores.connections.put(a_connection(), b"secret")

    await stores.connections.delete(a_connection().arn)
    await stores.connections.settle(a_connection(), ConnectionState.AUTHORIZED, "", NOON)

    assert await stores.connections.get(a_connection().arn) is None
    assert await stores.connections.secrets(a_connection()) == b""


async def test_api_destinations_show_by_name_place_and_arn_until_they_are_deleted(stores: MetadataStores) -> None:
    for name in ("b", "a"):
        await stores.api_destinations.put(a_destination(name))
    changed = a_destination("a", method="PUT")
    await stores.api_destinations.put(changed)

    assert await stores.api_destinations.all(ACCOUNT, REGION) == [changed, a_destination("b")]
    assert await stores.api_destinations.get(changed.arn) == changed
    await stores.api_destinations.delete(changed.arn)
    assert await stores.api_destinations.named(ACCOUNT, REGION, "a") is None
    assert await stores.api_destinations.named(ACCOUNT, REGION, "b") == a_destination("b")
