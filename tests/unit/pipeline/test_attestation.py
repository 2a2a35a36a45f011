"""Attestation runs beside the delivery: retried, across restarts, one witness holding up no other."""

import asyncio
from datetime import timedelta

import pytest

from opentrail.digest.receipt import parse_receipt
from opentrail.digest.statement import Statement
from opentrail.pipeline.attestation import Attestation
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused
from opentrail.ports.witness import Receipt, WitnessContradicts, WitnessRefused
from opentrail.resource.witness_layout import receipt_key
from tests.memory.attestation_log import InMemoryAttestationLog
from tests.memory.object_store import InMemoryObjectStores
from tests.support.delivery import HOUR, MINUTE, DeliveryWorld


class Notary:
    """A witness in memory; ``failure`` is raised while it is set, ``lies`` are keys it knows otherwise."""

    def __init__(self, world: DeliveryWorld, name: str = "vault") -> None:
        self.name = name
        self.told: list[Statement] = []
        self.was_told = asyncio.Event()
        self.asked = 0
        self.failure: PortError | None = None
        self.lies: set[str] = set()
        self._world = world

    async def attest(self, statement: Statement) -> Receipt:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if statement.key in self.lies:
            raise WitnessContradicts(statement.key)
        self.told.append(statement)
        self.was_told.set()
        return Receipt(self.name, "webhook", statement, self._world.clock.now(), b"evidence")


class Office:
    """A delivery world with witnesses."""

    def __init__(self, *names: str) -> None:
        self.world = DeliveryWorld()
        self.notaries = [Notary(self.world, name) for name in names or ("vault",)]
        self.log = InMemoryAttestationLog(self.world.log)
        self.restart()

    def restart(self) -> None:
        stores = InMemoryObjectStores(self.world.bucket)
        self.attestation = Attestation(self.log, self.notaries, stores, self.world.clock)

    async def tick(self, *, after: timedelta = timedelta(0)) -> None:
        self.world.clock.advance(after.total_seconds())
        await self.attestation.tick(self.world.clock.now())

    async def deliver(self, hours: int = 1) -> None:
        if not await self.world.log.readers():
            await self.world.start()
            await self.world.tick()
        await self.world.pass_time(hours * HOUR, step=10 * MINUTE)

    def digest_keys(self) -> list[str]:
        return self.world.put_keys("CloudTrail-Digest")


async def test_each_digest_is_told_once_with_its_place_hash_and_signature() -> None:
    office = Office()
    await office.deliver(hours=2)

    await office.tick()
    await office.tick(after=HOUR)

    told = office.notaries[0].told
    assert sorted(statement.key for statement in told) == sorted(office.digest_keys())
    for statement in told:
        assert statement.signature == office.world.bucket.objects[statement.key].metadata["signature"]


async def test_a_receipt_lies_beside_its_digest() -> None:
    office = Office()
    await office.deliver()

    await office.tick()

    [statement] = office.notaries[0].told
    found = office.world.bucket.objects[receipt_key(statement.key, "vault")]
    assert parse_receipt(found.body) == (statement, b"evidence")
    assert await office.log.unpublished(10) == []


async def test_a_witness_that_is_down_is_asked_with_growing_pauses_and_told_all_when_it_is_back() -> None:
    office = Office()
    [notary] = office.notaries
    notary.failure = Unavailable("down")
    await office.deliver(hours=3)
    for _ in range(60):
        await office.tick(after=timedelta(seconds=10))
    assert 5 <= notary.asked <= 12
    assert office.attestation.states()[0].error == "down"

    notary.failure = None
    await office.tick(after=6 * MINUTE)

    assert len(notary.told) == 3
    state = office.attestation.states()[0]
    assert (state.error, state.pending, state.oldest) == ("", 0, None)


async def test_what_is_left_is_told_after_a_restart() -> None:
    office = Office()
    [notary] = office.notaries
    notary.failure = WitnessRefused("wrong key")
    await office.deliver(hours=2)
    await office.tick()

    notary.failure = None
    office.restart()
    await office.tick()

    assert sorted(statement.key for statement in notary.told) == sorted(office.digest_keys())


async def test_a_receipt_that_was_not_published_before_a_restart_is_after_it() -> None:
    office = Office()
    await office.deliver()
    office.world.bucket.failure = AccessRefused("AccessDenied", "no")
    await office.tick()
    assert office.notaries[0].told

    office.world.bucket.failure = None
    office.restart()
    await office.tick()

    assert receipt_key(office.digest_keys()[0], "vault") in office.world.bucket.objects


async def test_one_witness_that_fails_holds_up_no_other_and_no_delivery() -> None:
    office = Office("down", "vault")
    office.notaries[0].failure = Unavailable("down")

    for _ in range(3):
        await office.deliver()
        await office.tick()

    assert len(office.notaries[1].told) == 3
    assert len(office.digest_keys()) == 3
    assert [state.pending for state in office.attestation.states()] == [3, 0]


async def test_the_lag_is_the_end_of_the_oldest_digest_that_waits() -> None:
    office = Office()
    office.notaries[0].failure = Unavailable("down")
    await office.deliver(hours=3)

    await office.tick()
    await office.tick(after=6 * MINUTE)

    ends = [digest["digestEndTime"] for digest in office.world.digests()]
    oldest = office.attestation.states()[0].oldest
    assert oldest is not None
    assert oldest.strftime("%Y-%m-%dT%H:%M:%SZ") == ends[0]


async def test_a_digest_that_a_witness_knows_otherwise_is_counted_and_the_others_are_told() -> None:
    office = Office()
    await office.deliver(hours=3)
    lie = office.digest_keys()[1]
    office.notaries[0].lies.add(lie)

    await office.tick()

    assert {statement.key for statement in office.notaries[0].told} == set(office.digest_keys()) - {lie}
    state = office.attestation.states()[0]
    assert (state.contradictions, state.pending) == (1, 1)


async def test_a_digest_is_told_while_its_bucket_is_down() -> None:
    office = Office()
    await office.deliver()
    office.world.bucket.failure = Unavailable("down")
    await office.deliver()

    await office.tick()

    assert len(office.notaries[0].told) == 2
    assert len(office.digest_keys()) == 1


async def test_digests_of_before_a_witness_was_set_are_told_to_it() -> None:
    office = Office("vault")
    await office.deliver(hours=60)
    await office.tick()

    office.notaries.append(Notary(office.world, "late"))
    office.restart()
    await office.tick()
    await office.tick()

    assert len(office.notaries[1].told) == 60


async def test_run_ends_when_told_to_and_finishes_what_is_under_way() -> None:
    office = Office()
    await office.deliver()
    stop = asyncio.Event()
    running = asyncio.create_task(office.attestation.run(stop))
    await office.notaries[0].was_told.wait()

    stop.set()
    await asyncio.wait_for(running, 5)
    assert await office.log.receipts("logs", office.digest_keys()[0])


@pytest.mark.parametrize("name", [(), ("vault",)])
async def test_without_digests_or_witnesses_there_is_nothing_to_do(name: tuple[str, ...]) -> None:
    office = Office(*name)

    await office.tick()

    assert all(state.pending == 0 for state in office.attestation.states())
