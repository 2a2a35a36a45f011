"""Which chains of digests lie below a source, told by their keys."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from opentrail.cli.import_digests import Chain, DigestCheck, chains_of

ACCOUNT = "123456789012"


def key(
    day: int, *, prefix: str = "", organization: str = "", region: str = "eu-west-1", home: str = "us-east-1"
) -> str:
    folder = f"{prefix}AWSLogs/{organization}{ACCOUNT}/CloudTrail-Digest/{region}/2026/01/{day:02}"
    return f"{folder}/{ACCOUNT}_CloudTrail-Digest_{region}_my_trail_{home}_202601{day:02}T100000Z.json.gz"


async def found(*keys: str) -> list[Chain]:
    async def each() -> AsyncIterator[str]:
        for one in keys:
            yield one

    return await chains_of(each())


async def test_digests_of_a_trail_in_a_region_are_one_chain() -> None:
    chains = await found(key(2), key(1), key(3), key(1, region="us-east-1"), "AWSLogs/x.json.gz")

    first, last = datetime(2026, 1, 1, 10, tzinfo=UTC), datetime(2026, 1, 3, 10, tzinfo=UTC)
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/my_trail"
    assert chains[0] == Chain(arn, ACCOUNT, "eu-west-1", "", "", first, last)
    assert [chain.region for chain in chains] == ["eu-west-1", "us-east-1"]


async def test_prefix_organization_and_partition_are_told_by_the_key() -> None:
    (chain,) = await found(key(1, prefix="logs/all/", organization="o-abcdefghij/", home="cn-north-1"))

    assert (chain.prefix, chain.organization_id) == ("logs/all", "o-abcdefghij")
    assert chain.trail_arn.startswith("arn:aws-cn:cloudtrail:cn-north-1:")


def test_digests_are_looked_for_beside_the_log_files() -> None:
    uri = f"s3://logs/AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/"
    check = DigestCheck(uri, (), None, None, "", True, None)

    assert (check.bucket, check.prefix) == ("logs", f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/eu-west-1/")
