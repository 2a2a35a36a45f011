"""Material at rest, and crashes; what the key store promises is in the port's suite."""

import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.adapters.metadata_store import Database, SqlKeyStore, open_database
from opentrail.adapters.metadata_store.tables import key_versions
from opentrail.envelope import new_material
from opentrail.policy.evaluation import RequestPrincipal
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import KeyCaller
from opentrail.resource.key import Key
from opentrail.sealing import MASTER_KEY_BYTES, Sealer
from tests.support.metadata import DATABASES, SEALER, TurnedClock, database_url

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ACCOUNT = "123456789012"
CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}'
ROOT = KeyCaller(RequestPrincipal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", is_root=True))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with database_url(request, request.param) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = await open_database(url)
    yield opened
    await opened.close()


def a_store(database: Database, sealer: Sealer = SEALER) -> SqlKeyStore:
    return SqlKeyStore(database, sealer, TurnedClock())


def a_key(key_id: str = ONE) -> Key:
    return Key(key_id, ACCOUNT, "us-east-1", CREATED, POLICY)


async def test_material_is_not_in_the_file(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/metadata.sqlite")
    first, second = new_material(), new_material()
    await a_store(database).add(a_key(), first)
    await a_store(database).rotate(ONE, second, CREATED, is_on_demand=True)
    await database.close()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert ONE.encode() in content
    for material in (first, second):
        assert material not in content
        assert material.hex().encode() not in content


async def test_another_master_key_opens_no_material(database: Database) -> None:
    await a_store(database).add(a_key(), new_material())

    with pytest.raises(Unavailable, match="does not open with this installation's master key"):
        await a_store(database, Sealer(bytes(MASTER_KEY_BYTES))).material(ONE, 1)


@pytest.mark.parametrize(("key_id", "version"), [(TWO, 1), (ONE, 2)])
async def test_material_moved_to_another_row_does_not_open(database: Database, key_id: str, version: int) -> None:
    store = a_store(database)
    await store.add(a_key(), new_material())
    await store.add(a_key(TWO), new_material())
    await store.rotate(ONE, new_material(), CREATED, is_on_demand=True)
    columns = key_versions.c

    def move(connection: Connection) -> None:
        stolen = select(columns.sealed_material).where(columns.key_id == ONE, columns.version == 1)
        sealed = connection.execute(stolen).scalar_one()
        target = update(key_versions).where(columns.key_id == key_id, columns.version == version)
        connection.execute(target.values(sealed_material=sealed))

    await database.write(move)

    assert await store.material(ONE, 1) is not None
    with pytest.raises(Unavailable):
        await store.material(key_id, version)


def _rotate_until_killed(url: str, pipe: "Pipe[tuple[bytes, bytes], str]") -> None:
    import asyncio

    async def rotate() -> None:
        store = a_store(await open_database(url))
        await store.add(a_key(), new_material())
        ring = LocalKeyRing(store)
        while True:
            made = await ring.generate_data_key(a_key().arn, {}, ROOT)
            pipe.send((made.blob, made.plaintext))
            await store.rotate(ONE, new_material(), CREATED, is_on_demand=False)

    asyncio.run(rotate())


async def test_a_process_killed_while_it_rotates_leaves_a_key_that_opens_all_it_sealed_and_seals_on(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_rotate_until_killed, args=(url, theirs))
    process.start()
    sealed: list[tuple[bytes, bytes]] = []
    while len(sealed) < 20:
        assert ours.poll(60)
        sealed.append(ours.recv())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)

    database = await open_database(url)
    store = a_store(database)
    ring = LocalKeyRing(store)

    for blob, plaintext in sealed:
        assert await ring.decrypt(blob, {}, ROOT) == plaintext
    key = await store.find_by_id(ONE)
    assert key is not None
    assert key.version == len(await store.rotations(ONE)) >= 19
    made = await ring.generate_data_key(key.arn, {}, ROOT)
    assert await ring.decrypt(made.blob, {}, ROOT) == made.plaintext
    await database.close()
