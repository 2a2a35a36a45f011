"""The locked bucket: only what cannot be replaced or deleted testifies, and everything that cannot does."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from opentrail.adapters.witness.s3_bucket import S3BucketWitness, WitnessBucket
from opentrail.clock import SystemClock
from opentrail.ports.witness import Testimony, WitnessContradicts, WitnessRefused
from opentrail.resource.witness_layout import statement_key
from tests.conformance.ports.test_witness import a_chain, a_statement
from tests.support.moto_server import moto_server

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


class Vault:
    """A bucket on a real S3 server, with and without the adapter."""

    def __init__(self, url: str, *, is_lockable: bool = True) -> None:
        self.name = f"vault-{uuid.uuid4().hex}"
        keys: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        self.client.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=is_lockable)
        place = WitnessBucket("vault", self.name, 30 * 24 * HOUR, url, "us-east-1", "kept", "test", "test")
        self.witness = S3BucketWitness(place, SystemClock())
        self.key = statement_key("kept", "logs", a_statement().key)

    async def ask(self) -> list[Testimony]:
        found = [testimony async for testimony in self.witness.testimonies(a_chain())]
        return sorted(found, key=lambda testimony: testimony.attested_at)


async def test_a_statement_is_locked_in_compliance_mode_for_the_retention(moto: str) -> None:
    vault = Vault(moto)

    await vault.witness.attest(a_statement())

    found = vault.client.head_object(Bucket=vault.name, Key=vault.key)
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert abs(found["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=5)


async def test_a_bucket_without_object_lock_is_no_witness(moto: str) -> None:
    vault = Vault(moto, is_lockable=False)

    with pytest.raises(WitnessRefused):
        await vault.witness.attest(a_statement())


async def test_another_statement_about_the_same_digest_is_a_contradiction(moto: str) -> None:
    vault = Vault(moto)
    await vault.witness.attest(a_statement())

    with pytest.raises(WitnessContradicts):
        await vault.witness.attest(a_statement(signature="aa" * 256))

    assert [testimony.statement for testimony in await vault.ask()] == [a_statement()]


async def test_a_version_put_over_a_statement_does_not_silence_it(moto: str) -> None:
    vault = Vault(moto)
    await vault.witness.attest(a_statement())
    other = a_statement(signature="aa" * 256)
    vault.client.put_object(
        Bucket=vault.name,
        Key=vault.key,
        Body=other.to_bytes(),
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + HOUR,
    )

    assert {testimony.statement for testimony in await vault.ask()} == {a_statement(), other}


async def test_a_delete_marker_does_not_silence_a_statement(moto: str) -> None:
    vault = Vault(moto)
    await vault.witness.attest(a_statement())
    vault.client.delete_object(Bucket=vault.name, Key=vault.key)

    assert [testimony.statement for testimony in await vault.ask()] == [a_statement()]


@pytest.mark.parametrize("lock", [{}, {"ObjectLockMode": "GOVERNANCE"}])
async def test_a_version_that_is_not_locked_in_compliance_mode_does_not_testify(
    moto: str, lock: dict[str, Any]
) -> None:
    vault = Vault(moto)
    if lock:
        lock = {**lock, "ObjectLockRetainUntilDate": datetime.now(UTC) + HOUR}
    vault.client.put_object(Bucket=vault.name, Key=vault.key, Body=a_statement().to_bytes(), **lock)

    assert await vault.ask() == []


async def test_an_object_that_is_no_statement_of_its_key_does_not_testify(moto: str) -> None:
    vault = Vault(moto)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + HOUR}
    elsewhere = a_statement(datetime(2026, 1, 1, tzinfo=UTC))
    for body in (b"", b"{}", b"\xff", elsewhere.to_bytes()):
        vault.client.put_object(Bucket=vault.name, Key=vault.key, Body=body, **lock)

    assert await vault.ask() == []


async def test_a_bucket_that_is_not_there_refuses(moto: str) -> None:
    place = WitnessBucket("vault", "nowhere", HOUR, moto, "us-east-1", "", "test", "test")

    with pytest.raises(WitnessRefused, match="NoSuchBucket"):
        await S3BucketWitness(place, SystemClock()).attest(a_statement())
