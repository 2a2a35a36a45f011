"""What every store of saved queries promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opentrail.resource.query_definition import QueryDefinition
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"
ERRORS = QueryDefinition("id-2", ACCOUNT, REGION, "errors", "filter a = 1", 5, ("g", "h"), ({"name": "p"},))
CALLS = QueryDefinition("id-1", ACCOUNT, REGION, "Calls", "stats count(*)", 6)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


async def test_definitions_show_by_name_in_their_place_alone(stores: MetadataStores) -> None:
    for one in (ERRORS, CALLS, replace(CALLS, definition_id="id-3", region="eu-west-1")):
        await stores.query_definitions.put(one)

    assert await stores.query_definitions.definitions(ACCOUNT, REGION) == [CALLS, ERRORS]
    assert await stores.query_definitions.definitions("999999999999", REGION) == []


async def test_a_definition_is_replaced_and_removed_by_its_id(stores: MetadataStores) -> None:
    await stores.query_definitions.put(ERRORS)
    changed = replace(ERRORS, name="all errors", log_group_names=(), modified_at=7)
    await stores.query_definitions.put(changed)
    shown = await stores.query_definitions.definitions(ACCOUNT, REGION)

    for _ in range(2):
        await stores.query_definitions.remove(ERRORS.definition_id)

    assert shown == [changed]
    assert await stores.query_definitions.definitions(ACCOUNT, REGION) == []
