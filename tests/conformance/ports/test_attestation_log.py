"""What every log of attestations promises, whatever it is built on."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opentrail.digest.document import sha256_hex
from opentrail.ports.delivery_log import DigestPlan
from opentrail.ports.witness import AttestationState, Receipt
from tests.support.metadata import TECHNOLOGIES, MetadataStores, metadata_stores

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/audit"
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(params=TECHNOLOGIES)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[MetadataStores]:
    async with metadata_stores(request) as opened:
        yield opened


def a_digest(end: datetime = NOON, key: str | None = None) -> DigestPlan:
    return DigestPlan(
        trail_arn=ARN,
        account_id="123456789012",
        region="us-east-1",
        bucket="archive",
        key=f"digest-{end:%H%M%S}" if key is None else key,
        start_time=end - HOUR,
        end_time=end,
        body=b'{"logFiles":[]}\x00' + str(end).encode(),
        signature="0f" * 256,
        fingerprint="cd" * 16,
        previous_key="",
    )


async def a_receipt(stores: MetadataStores, witness: str = "vault", at: datetime = NOON) -> Receipt:
    """A receipt for the newest digest that ``witness`` was not told yet."""
    [statement, *_] = await stores.attestations.pending(witness, EVER, 1)
    return Receipt(witness, "webhook", statement, at, b"\x00evidence")


async def test_a_planned_digest_is_pending_as_its_statement(stores: MetadataStores) -> None:
    plan = a_digest()

    await stores.delivery_log.plan_digest(plan)

    [statement] = await stores.attestations.pending("vault", EVER, 10)
    assert (statement.bucket, statement.key, statement.signature) == ("archive", plan.key, plan.signature)
    assert (statement.fingerprint, statement.sha256) == (plan.fingerprint, sha256_hex(plan.body))
    assert (statement.start_time, statement.end_time) == (NOON - HOUR, NOON)


async def test_the_mark_of_a_chains_start_is_no_digest_to_attest(stores: MetadataStores) -> None:
    await stores.delivery_log.plan_digest(replace(a_digest(key=""), start_time=NOON))

    assert await stores.attestations.pending("vault", EVER, 10) == []
    assert await stores.attestations.state("vault") == AttestationState(0, None)


async def test_the_newest_are_pending_first_up_to_the_limit(stores: MetadataStores) -> None:
    for hours in (1, 3, 2):
        await stores.delivery_log.plan_digest(a_digest(NOON + hours * HOUR))

    pending = await stores.attestations.pending("vault", EVER, 2)

    assert [statement.end_time for statement in pending] == [NOON + 3 * HOUR, NOON + 2 * HOUR]


async def test_only_digests_that_end_since_are_looked_at(stores: MetadataStores) -> None:
    for hours in (1, 2, 3):
        await stores.delivery_log.plan_digest(a_digest(NOON + hours * HOUR))

    pending = await stores.attestations.pending("vault", NOON + 2 * HOUR, 10)

    assert [statement.end_time for statement in pending] == [NOON + 3 * HOUR, NOON + 2 * HOUR]
    assert await stores.attestations.state("vault") == AttestationState(3, NOON + HOUR)


async def test_a_receipt_ends_the_wait_for_its_witness_alone(stores: MetadataStores) -> None:
    await stores.delivery_log.plan_digest(a_digest())

    await stores.attestations.keep(await a_receipt(stores))

    assert await stores.attestations.pending("vault", EVER, 10) == []
    assert await stores.attestations.state("vault") == AttestationState(0, None)
    assert len(await stores.attestations.pending("other", EVER, 10)) == 1


async def test_the_first_receipt_of_a_witness_is_kept(stores: MetadataStores) -> None:
    await stores.delivery_log.plan_digest(a_digest())
    first = await a_receipt(stores)

    await stores.attestations.keep(first)
    await stores.attestations.keep(replace(first, attested_at=NOON + HOUR, evidence=b"later"))

    assert await stores.attestations.receipts("archive", first.statement.key) == [first]


async def test_receipts_wait_to_be_published_oldest_digest_first(stores: MetadataStores) -> None:
    for hours in (1, 2):
        await stores.delivery_log.plan_digest(a_digest(NOON + hours * HOUR))
        await stores.attestations.keep(await a_receipt(stores))

    older, newer = await stores.attestations.unpublished(10)
    await stores.attestations.publish(older)

    assert older.statement.end_time < newer.statement.end_time
    assert await stores.attestations.unpublished(10) == [newer]
    assert len(await stores.attestations.receipts("archive", older.statement.key)) == 1
