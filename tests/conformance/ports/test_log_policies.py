"""What every store of CloudWatch Logs' resource policies promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opentrail.resource.log_policy import LogPolicy
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ACCOUNT, REGION = "123456789012", "us-east-1"
POLICY = LogPolicy(ACCOUNT, REGION, "dns", "{}", 1_800_000_000_000)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


async def test_policies_are_their_place_s_by_name_and_replaced(stores: MetadataStores) -> None:
    first, far = replace(POLICY, name="Events"), replace(POLICY, region="eu-west-1")
    changed = replace(POLICY, document='{"a": 1}', modified_at=5)

    for policy in (POLICY, first, far, changed):
        await stores.log_policies.put(policy)

    assert await stores.log_policies.policies(ACCOUNT, REGION) == [first, changed]


async def test_a_policy_that_is_removed_is_gone_and_no_other(stores: MetadataStores) -> None:
    far = replace(POLICY, region="eu-west-1")
    for policy in (POLICY, far):
        await stores.log_policies.put(policy)

    for _ in range(2):
        await stores.log_policies.remove(ACCOUNT, REGION, POLICY.name)

    assert await stores.log_policies.policies(ACCOUNT, REGION) == []
    assert await stores.log_policies.policies(ACCOUNT, "eu-west-1") == [far]
