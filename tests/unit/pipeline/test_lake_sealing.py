import orjson

from opentrail.digest.signing import is_signature_of, load_public_key
from opentrail.pipeline.lake_delivery import LakeDelivery
from opentrail.pipeline.lake_sealing import LakeSealing
from tests.builders import REGION, World
from tests.unit.pipeline.test_lake_delivery import a_store, put_store, record


def a_sealing(world: World) -> LakeSealing:
    return LakeSealing(world.event_data_stores, world.event_data_stores.seals, world.signer, world.clock)


async def commit(world: World, name: str) -> None:
    await record(world, name)
    await world.lake.flush()


async def test_seal_says_how_far_the_table_is_and_is_signed() -> None:
    world = World()
    await put_store(world, a_store())
    await commit(world, "first")

    await a_sealing(world).seal_all(world.lake.table)

    seal = world.event_data_stores.seals.seals[a_store().arn]
    table = world.tables.tables[a_store().arn]
    said = orjson.loads(seal.statement)
    assert (said["eventDataStore"], said["commits"], said["head"]) == (a_store().arn, 1, table.standing.head)
    (key,) = await world.signer.public_keys(REGION, world.clock.now(), world.clock.now())
    assert key.fingerprint == seal.fingerprint
    assert is_signature_of(load_public_key(key.der), seal.statement.encode(), seal.signature)


async def test_table_without_new_commits_is_not_sealed_again() -> None:
    world = World()
    await put_store(world, a_store())
    await commit(world, "first")
    sealing = a_sealing(world)
    await sealing.seal_all(world.lake.table)
    first = world.event_data_stores.seals.seals[a_store().arn]

    world.clock.advance(60)
    await sealing.seal_all(world.lake.table)
    await a_sealing(world).seal_all(world.lake.table)
    assert world.event_data_stores.seals.seals[a_store().arn] is first

    await commit(world, "second")
    await sealing.seal_all(world.lake.table)
    assert orjson.loads(world.event_data_stores.seals.seals[a_store().arn].statement)["commits"] == 2


async def test_table_that_does_not_lead_to_what_was_sealed_is_not_sealed() -> None:
    world = World()
    await put_store(world, a_store())
    await commit(world, "first")
    await commit(world, "second")
    await a_sealing(world).seal_all(world.lake.table)
    sealed = world.event_data_stores.seals.seals[a_store().arn]
    table = world.tables.tables[a_store().arn]

    first = table.commits.pop(0)
    table.commits.append(first)
    await commit(world, "third")
    await a_sealing(world).seal_all(world.lake.table)
    assert world.event_data_stores.seals.seals[a_store().arn] is sealed

    del table.commits[1:]
    await a_sealing(world).seal_all(world.lake.table)
    assert world.event_data_stores.seals.seals[a_store().arn] is sealed


async def test_table_is_sealed_before_its_first_commit() -> None:
    world = World()
    sealing = a_sealing(world)
    lake = LakeDelivery(world.journal, world.event_data_stores, world.tables, world.clock, on_open=sealing.seal)
    await put_store(world, a_store())

    await record(world, "first")
    await lake.flush()

    said = orjson.loads(world.event_data_stores.seals.seals[a_store().arn].statement)
    table = world.tables.tables[a_store().arn]
    assert (said["commits"], table.standing.number) == (0, 1)
    await sealing.seal_all(lake.table)
    assert orjson.loads(world.event_data_stores.seals.seals[a_store().arn].statement)["commits"] == 1
