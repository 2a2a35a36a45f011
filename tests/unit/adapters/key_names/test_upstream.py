"""Keys of a real KMS endpoint (moto's server), found by each of their names."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from opentrail.adapters.key_names.upstream import KmsEndpoint, UpstreamKeyNames
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import KeyNotFound
from tests.support.moto_server import moto_server

REGION, ACCOUNT = "eu-west-1", "123456789012"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def names(url: str) -> Iterator[UpstreamKeyNames]:
    names = UpstreamKeyNames(KmsEndpoint(url, "testing", "testing"))
    yield names
    names.close()


@pytest.fixture(scope="module")
def key(url: str) -> dict[str, Any]:
    """A key of the Region, with the alias ``alias/trails``."""
    kms = boto3.client(
        "kms",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    made: dict[str, Any] = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/trails", TargetKeyId=made["KeyId"])
    return made


async def test_key_is_found_by_its_id_and_by_its_alias(names: UpstreamKeyNames, key: dict[str, Any]) -> None:
    alias_arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/trails"

    found = [await names.key_arn(name, ACCOUNT, REGION) for name in (key["KeyId"], "alias/trails")]

    assert found == [key["Arn"]] * 2
    assert await names.key_arn(alias_arn, ACCOUNT, "us-east-1") == key["Arn"]


async def test_keys_arn_is_left_for_the_bucket_to_judge(names: UpstreamKeyNames) -> None:
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-9999-4999-8999-999999999999"

    assert await names.key_arn(arn, ACCOUNT, REGION) == arn


async def test_name_that_means_no_key_there_is_not_found(names: UpstreamKeyNames, key: dict[str, Any]) -> None:
    for name, region in (("alias/missing", REGION), ("alias/trails", "us-east-1"), (key["KeyId"], "us-east-1")):
        with pytest.raises(KeyNotFound):
            await names.key_arn(name, ACCOUNT, region)


async def test_kms_that_does_not_answer_is_unavailable() -> None:
    names = UpstreamKeyNames(KmsEndpoint("http://127.0.0.1:9", "testing", "testing"))

    with pytest.raises(Unavailable):
        await names.key_arn("alias/trails", ACCOUNT, REGION)
    names.close()
