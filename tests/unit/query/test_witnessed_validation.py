"""A validation's digests put before a witness: what was told on already is not told twice, and where the chain led."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

from opentrail.ports.witness import Chain, Testimony
from opentrail.query.log_validation import LogValidation, ValidationRequest
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict
from opentrail.query.witnessed_validation import WitnessedValidation, summary_line
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import HOUR, MINUTE, REGION, DeliveryWorld
from tests.support.forgery import digest_keys, read_digests, statement_of_digest

ARN = "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"


class Memory:
    """A witness that remembers the digests that were in the buckets when it looked."""

    def __init__(self, world: DeliveryWorld) -> None:
        stores = (world.bucket, world.other)
        statements = [statement_of_digest(digest) for store in stores for digest in read_digests(store)]
        self.testimonies_ = [Testimony(statement, statement.end_time, "memory") for statement in statements]

    async def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        for testimony in self.testimonies_:
            if chain.includes(testimony.statement):
                yield testimony


async def a_world(hours: int = 3) -> DeliveryWorld:
    world = DeliveryWorld()
    await world.start()
    await world.tick()
    await pass_hours(world, hours)
    return world


async def pass_hours(world: DeliveryWorld, hours: int) -> None:
    for _ in range(hours):
        await world.record()
        await world.pass_time(HOUR, step=5 * MINUTE)


async def ask(world: DeliveryWorld, memory: Memory, bucket: str = "logs", key_prefix: str = "") -> list[WitnessFinding]:
    now = world.clock.now()
    request = ValidationRequest(ARN, REGION, now - 50 * HOUR, now, bucket, key_prefix)
    witnessed = WitnessedValidation(request)
    stores = InMemoryObjectStores(world.bucket, world.other)
    validation = LogValidation(request, stores, world.signer, on_digest=witnessed.on_digest)
    async for finding in validation.findings():
        witnessed.on_finding(finding)
    return [finding async for finding in witnessed.findings(memory, now)]


async def test_every_valid_digest_is_put_before_the_witness() -> None:
    world = await a_world()

    findings = await ask(world, Memory(world))

    assert [finding.key for finding in findings] == digest_keys(world.bucket)[::-1]
    assert {finding.verdict for finding in findings} == {WitnessVerdict.ATTESTED}


async def test_a_digest_that_is_invalid_was_told_on_already() -> None:
    world = await a_world()
    memory = Memory(world)
    altered = digest_keys(world.bucket)[1]
    found = world.bucket.objects[altered]
    world.bucket.objects[altered] = replace(found, body=found.body[:-1] + b"x")

    findings = await ask(world, memory)

    assert altered not in {finding.key for finding in findings}
    assert len(findings) == 2


async def test_a_digest_that_was_deleted_is_missing() -> None:
    world = await a_world()
    memory = Memory(world)
    newest = digest_keys(world.bucket)[-1]
    del world.bucket.objects[newest]
    world.clock.advance(600)

    findings = await ask(world, memory)

    assert [finding.key for finding in findings if finding.verdict is WitnessVerdict.MISSING] == [newest]


async def test_a_chain_is_followed_to_the_bucket_and_prefix_that_it_was_in_before() -> None:
    world = await a_world(hours=2)
    [trail] = await world.trails.trails("123456789012")
    await world.settle(replace(trail, s3_bucket_name="other", s3_key_prefix="moved"))
    await pass_hours(world, 2)

    findings = await ask(world, Memory(world), "other", "moved")

    assert {finding.bucket for finding in findings} == {"logs", "other"}
    assert len(findings) >= 4
    assert {finding.verdict for finding in findings} == {WitnessVerdict.ATTESTED}


def test_the_closing_line_says_how_many_are_attested_and_what_is_wrong() -> None:
    counted = Counter({WitnessVerdict.ATTESTED: 3, WitnessVerdict.CONTRADICTED: 1})

    assert summary_line("Witness vault", counted) == "Witness vault: 3/4 digests attested, 1/4 contradicted"
    assert summary_line("Witness vault", Counter()) == "Witness vault: no digests to ask about"
