"""What every witness promises: a locked bucket on a real S3 server, OpenSSL's time-stamp service, a webhook."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from opentrail.adapters.witness.s3_bucket import S3BucketWitness, WitnessBucket
from opentrail.adapters.witness.time_stamp import KeptTimeStamps, TimeStampService, TimeStampWitness
from opentrail.adapters.witness.webhook import WebhookReceiver, WebhookWitness
from opentrail.clock import SystemClock
from opentrail.digest.receipt import format_receipt
from opentrail.digest.statement import Statement
from opentrail.ports import Unavailable
from opentrail.ports.witness import Chain, Receipt, Testimony, TestimonySource, Witness
from opentrail.resource.delivery_layout import DigestPlace
from opentrail.resource.witness_layout import receipt_key
from tests.memory.object_store import InMemoryObjectStore, InMemoryObjectStores
from tests.support.moto_server import moto_server
from tests.support.time_stamp_server import Authority, OpenSslReplies, time_stamp_server
from tests.support.webhook_receiver import SECRET, webhook_receiver

PLACE = DigestPlace("123456789012", "us-east-1", "main", "us-east-1")
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@dataclass
class World:
    """A witness, and how a verifier asks it."""

    witness: Witness
    source: TestimonySource
    store: InMemoryObjectStore

    async def attest(self, statement: Statement) -> Receipt:
        """Attest, and publish the receipt beside the digest as the attestation worker does."""
        receipt = await self.witness.attest(statement)
        body = format_receipt(statement, receipt.witness, receipt.kind, receipt.attested_at, receipt.evidence)
        key = receipt_key(statement.key, receipt.witness)
        if key not in self.store.objects:
            await self.store.put_if_absent(key, body, content_type="application/json")
        return receipt

    async def ask(self, chain: Chain | None = None) -> list[Testimony]:
        found = [testimony async for testimony in self.source.testimonies(chain or a_chain())]
        return sorted(found, key=lambda testimony: (testimony.statement.key, testimony.attested_at))


@pytest.fixture(params=["s3-bucket", "time-stamp", "webhook"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    store = InMemoryObjectStore("logs")
    with ExitStack() as stack:
        if request.param == "s3-bucket":
            bucket = a_bucket(request.getfixturevalue("moto"))
            witness: Any = S3BucketWitness(bucket, SystemClock())
            yield World(witness, witness, store)
        elif request.param == "time-stamp":
            authority = request.getfixturevalue("authority")
            server = stack.enter_context(time_stamp_server(OpenSslReplies(authority, tmp_path)))
            witness = TimeStampWitness(TimeStampService("vault", server.url, authority.certificates))
            yield World(witness, KeptTimeStamps(witness, InMemoryObjectStores(store)), store)
        else:
            receiver = stack.enter_context(webhook_receiver())
            witness = WebhookWitness(WebhookReceiver("vault", receiver.url, SECRET), SystemClock())
            yield World(witness, witness, store)


def a_bucket(url: str, *, is_lockable: bool = True) -> WitnessBucket:
    name = f"vault-{uuid.uuid4().hex}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=is_lockable)
    return WitnessBucket("vault", name, timedelta(days=1), url, "us-east-1", "kept", "test", "test")


def a_statement(end: datetime = END, **changes: Any) -> Statement:
    values = {
        "bucket": "logs",
        "key": PLACE.key(end),
        "sha256": "ab" * 32,
        "signature": "0f" * 256,
        "fingerprint": "cd" * 16,
        "start_time": end - HOUR,
        "end_time": end,
    }
    return Statement(**{**values, **changes})


def a_chain(start: datetime = END - 48 * HOUR, end: datetime = END, place: DigestPlace = PLACE) -> Chain:
    return Chain("logs", place, start, end)


async def test_a_receipt_names_its_statement_and_a_time_of_now(world: World) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)

    receipt = await world.attest(a_statement())

    assert receipt.witness == "vault"
    assert receipt.statement == a_statement()
    assert before <= receipt.attested_at <= datetime.now(UTC) + timedelta(seconds=5)


async def test_what_was_attested_is_testified(world: World) -> None:
    await world.attest(a_statement(END - HOUR))
    await world.attest(a_statement(END))

    found = await world.ask()

    assert [testimony.statement for testimony in found] == [a_statement(END - HOUR), a_statement(END)]


async def test_attesting_the_same_again_is_a_receipt_again_and_says_nothing_new(world: World) -> None:
    first = await world.attest(a_statement())
    second = await world.attest(a_statement())

    assert second.statement == first.statement
    assert {testimony.statement for testimony in await world.ask()} == {a_statement()}


async def test_only_the_chain_and_the_times_asked_about_are_testified(world: World) -> None:
    other = replace(PLACE, trail_name="other")
    for end in (END - 3 * HOUR, END - 2 * HOUR, END - HOUR, END):
        await world.attest(a_statement(end))
    await world.attest(a_statement(END - HOUR, key=other.key(END - HOUR)))
    await world.attest(a_statement(END - HOUR, bucket="elsewhere"))

    found = await world.ask(a_chain(END - 2 * HOUR, END - HOUR))

    assert [testimony.statement.end_time for testimony in found] == [END - 2 * HOUR, END - HOUR]
    assert {testimony.statement.key for testimony in await world.ask(a_chain(place=other))} == {other.key(END - HOUR)}


async def test_many_at_once_are_all_attested(world: World) -> None:
    statements = [a_statement(END - hours * HOUR) for hours in range(6)]

    for at in range(0, 6, 3):
        await asyncio.gather(*(world.attest(statement) for statement in statements[at : at + 3]))

    assert {testimony.statement for testimony in await world.ask()} == set(statements)


async def test_a_witness_that_is_not_there_is_unavailable(authority: Authority) -> None:
    nobody = "http://127.0.0.1:9"
    witnesses: list[Witness] = [
        S3BucketWitness(WitnessBucket("vault", "vault", HOUR, nobody, "us-east-1", "", "a", "b"), SystemClock()),
        TimeStampWitness(TimeStampService("vault", nobody, authority.certificates)),
        WebhookWitness(WebhookReceiver("vault", nobody, SECRET), SystemClock()),
    ]

    for witness in witnesses:
        with pytest.raises(Unavailable):
            await witness.attest(a_statement())
