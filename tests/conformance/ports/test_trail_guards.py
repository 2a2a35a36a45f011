"""What every store of guarded trails promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opentrail.resource.trail import DEFAULT_EVENT_SELECTORS
from opentrail.resource.trail_guard import TrailGuard
from tests.conformance.ports.test_delivery_log import NOON
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

GUARD = TrailGuard("arn:b", "arn:role", NOON, DEFAULT_EVENT_SELECTORS)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


async def test_a_guard_is_kept_whole_in_place_of_the_one_before(stores: MetadataStores) -> None:
    other = replace(GUARD, trail_arn="arn:a", event_selectors=(), advanced_event_selectors=({"FieldSelectors": []},))
    tried = replace(GUARD, attempts=(NOON, NOON), ended_at=NOON, last_error="denied")

    for guard in (GUARD, other, tried):
        await stores.trail_guards.put(guard)

    assert await stores.trail_guards.all() == [other, tried]


async def test_a_guard_that_is_removed_is_gone_and_may_be_removed_again(stores: MetadataStores) -> None:
    await stores.trail_guards.put(GUARD)

    for _ in range(2):
        await stores.trail_guards.remove(GUARD.trail_arn)

    assert await stores.trail_guards.all() == []
