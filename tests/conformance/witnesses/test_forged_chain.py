"""Who has the host, its buckets and its keys signs a whole chain again: valid to every verifier, but not to a witness.

Each kind of witness, as a real server, catches it, also when the attacker tells the witness of the new chain as well.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from opentrail.adapters.witness.s3_bucket import S3BucketWitness, WitnessBucket
from opentrail.adapters.witness.time_stamp import KeptTimeStamps, TimeStampService, TimeStampWitness
from opentrail.adapters.witness.webhook import WebhookReceiver as Receiver
from opentrail.adapters.witness.webhook import WebhookWitness
from opentrail.clock import SystemClock
from opentrail.digest.receipt import format_receipt
from opentrail.pipeline.attestation import Attestation
from opentrail.ports.witness import Chain, TestimonySource, Witness
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict, check_witness
from opentrail.resource.witness_layout import receipt_key
from tests.builders import HandClock
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import HOUR, MINUTE, REGION, DeliveryWorld
from tests.support.forgery import digest_keys, forge, read_digests, statement_of_digest
from tests.support.moto_server import moto_server
from tests.support.time_stamp_server import Authority, SetClockReplies, time_stamp_server
from tests.support.webhook_receiver import SECRET, WebhookReceiver, webhook_receiver

HOURS = 4
ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"
LATER = timedelta(days=3)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@dataclass
class Scene:
    """A trail's few hours in bucket ``logs``, each digest attested within two hours."""

    world: DeliveryWorld
    witness: Witness
    source: TestimonySource
    receiver: WebhookReceiver | None

    async def record_some_hours(self) -> None:
        attestation = Attestation(
            InMemoryAttestationLog(self.world.log),
            [self.witness],
            InMemoryObjectStores(self.world.bucket),
            self.world.clock,
        )
        await self.world.start()
        await self.world.tick()
        for _ in range(HOURS):
            await self.world.record(3)
            await self.world.pass_time(HOUR, step=5 * MINUTE)
            if self.receiver:
                self.receiver.now = self.world.clock.now()
            await attestation.tick(self.world.clock.now())
        assert attestation.states()[0].error == ""

    async def validate(self) -> list[str]:
        """Return what a verifier without a witness says, apart from VALID."""
        now = self.world.clock.now()
        request = ValidationRequest(ARN, REGION, now - 100 * HOUR, now, "logs")
        validation = LogValidation(request, InMemoryObjectStores(self.world.bucket), self.world.signer)
        findings = [finding async for finding in validation.findings()]
        assert len(findings) > HOURS
        return [finding.text() for finding in findings if not finding.is_valid]

    async def ask(self) -> list[WitnessFinding]:
        now = self.world.clock.now()
        request = ValidationRequest(ARN, REGION, now - 100 * HOUR, now, "logs")
        chain = Chain("logs", request.place, request.start_time, request.end_time)
        digests = read_digests(self.world.bucket)
        return [finding async for finding in check_witness(self.source, [chain], digests, now)]

    async def tell_again(self) -> None:
        """Tell the witness of the chain as it is now, with the host's own keys, and put receipts over the old ones."""
        if self.receiver:
            self.receiver.now = self.world.clock.now()
        for digest in read_digests(self.world.bucket):
            statement = statement_of_digest(digest)
            try:
                receipt = await self.witness.attest(statement)
            except Exception as error:
                assert "another statement" in str(error)  # noqa: PT017 - a bucket says so at once
                continue
            key = receipt_key(digest.key, receipt.witness)
            self.world.bucket.objects.pop(key, None)
            body = format_receipt(statement, receipt.witness, receipt.kind, receipt.attested_at, receipt.evidence)
            await self.world.bucket.put_if_absent(key, body, content_type="application/json")


@pytest.fixture(params=["s3-bucket", "time-stamp", "webhook"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    with ExitStack() as stack:
        world, receiver = DeliveryWorld(), None
        witness: Any
        source: Any
        # A real bucket's clock is the machine's; the chain ends at about now.
        world.clock = HandClock(datetime.now(UTC).replace(microsecond=0) - (HOURS + 1) * HOUR)
        world.restart()
        if request.param == "s3-bucket":
            witness = source = S3BucketWitness(_bucket(request.getfixturevalue("moto")), SystemClock())
        elif request.param == "time-stamp":
            authority = request.getfixturevalue("authority")
            server = stack.enter_context(time_stamp_server(SetClockReplies(authority, lambda: world.clock.now())))
            witness = TimeStampWitness(TimeStampService("vault", server.url, authority.certificates))
            source = KeptTimeStamps(witness, InMemoryObjectStores(world.bucket))
        else:
            receiver = stack.enter_context(webhook_receiver())
            witness = source = WebhookWitness(Receiver("vault", receiver.url, SECRET), SystemClock())
        made = Scene(world, witness, source, receiver)
        await made.record_some_hours()
        yield made


def _bucket(url: str) -> WitnessBucket:
    name = f"vault-{uuid.uuid4().hex}"
    keys: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return WitnessBucket("vault", name, timedelta(days=1), url, "us-east-1", "", "test", "test")


async def test_an_honest_chain_is_attested_with_its_time_bounds(scene: Scene) -> None:
    findings = await scene.ask()

    assert [finding.verdict for finding in findings] == [WitnessVerdict.ATTESTED] * HOURS
    assert [finding.key for finding in findings] == digest_keys(scene.world.bucket)[::-1]
    for finding in findings:
        assert finding.existed_by is not None
        assert finding.end_time <= finding.existed_by <= finding.end_time + (HOURS + 2) * HOUR


async def test_a_chain_signed_again_is_valid_without_a_witness(scene: Scene) -> None:
    assert await scene.validate() == []

    await forge(scene.world.bucket, scene.world.signer, "event-1")

    assert await scene.validate() == []
    assert "event-1" not in scene.world.delivered_ids()


async def test_a_chain_signed_again_is_not_valid_with_a_witness(scene: Scene) -> None:
    scene.world.clock.advance(LATER.total_seconds())
    await forge(scene.world.bucket, scene.world.signer, "event-1")

    findings = await scene.ask()

    caught = {WitnessVerdict.CONTRADICTED, WitnessVerdict.NOT_ATTESTED}
    assert len(findings) == HOURS
    assert {finding.verdict for finding in findings} <= caught


async def test_telling_the_witness_of_the_new_chain_does_not_help(scene: Scene) -> None:
    scene.world.clock.advance(LATER.total_seconds())
    await forge(scene.world.bucket, scene.world.signer, "event-1")

    await scene.tell_again()

    findings = await scene.ask()
    assert len(findings) == HOURS
    assert {finding.verdict for finding in findings} <= {WitnessVerdict.CONTRADICTED, WitnessVerdict.LATE}


async def test_digests_that_were_attested_and_taken_away_are_missed_or_their_age_is_unknown(scene: Scene) -> None:
    scene.world.clock.advance(LATER.total_seconds())
    gone = digest_keys(scene.world.bucket)[-2:]
    for key in gone:
        del scene.world.bucket.objects[key]

    findings = await scene.ask()

    assert {finding.key for finding in findings if finding.verdict is WitnessVerdict.MISSING} == set(gone)


async def test_only_a_witness_that_keeps_what_it_was_told_misses_digests_whose_receipts_were_taken_too(
    scene: Scene,
) -> None:
    scene.world.clock.advance(LATER.total_seconds())
    gone = digest_keys(scene.world.bucket)[-1]
    del scene.world.bucket.objects[gone], scene.world.bucket.objects[receipt_key(gone, "vault")]

    verdicts = {finding.key: finding.verdict for finding in await scene.ask()}

    assert verdicts.get(gone) == (None if isinstance(scene.source, KeptTimeStamps) else WitnessVerdict.MISSING)
