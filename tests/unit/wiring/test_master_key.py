"""Changing the master key: everything opens with the new one, nothing with the old one, wherever it is broken off."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, LargeBinary, RowMapping, Select, update

from opentrail.adapters.metadata_store import resealing
from opentrail.adapters.metadata_store.database import open_database
from opentrail.adapters.metadata_store.resealing import SEALED, SecretDamaged
from opentrail.adapters.metadata_store.tables import credentials, metadata
from opentrail.adapters.signer import local as signing_keys
from opentrail.adapters.targets.message_signer import MessageSigner
from opentrail.envelope import new_material
from opentrail.errors import HomeInUse, OperatorError
from opentrail.home import Home, write_private
from opentrail.identity.mfa import MfaDevice
from opentrail.policy.context import request_principal
from opentrail.ports import Unavailable
from opentrail.ports.key_ring import DataKey, KeyCaller
from opentrail.resource.key import Key
from opentrail.sealing import MASTER_KEY_BYTES, SealBroken, Sealer
from opentrail.settings import Settings
from opentrail.wiring.installation import Installation, open_installation
from opentrail.wiring.master_key import rotate_master_key
from tests.builders import ACCOUNT, REGION, HandClock, a_credential, a_root, a_user
from tests.conformance.ports.test_api_destinations import a_connection
from tests.unit.wiring.test_installation import events_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}'
KEY = Key("11111111-1111-4111-8111-111111111111", ACCOUNT, REGION, NOW, POLICY)
ROOT = KeyCaller(request_principal(a_root()))
USERS = 5


async def a_home(tmp_path: Path) -> tuple[Home, DataKey]:
    """Return a home with secrets of every kind, and a data key of its key ring."""
    home = Home(tmp_path / "home")
    home.prepare()
    async with open_installation(home, Settings()) as installation:
        for number in range(USERS):
            user = a_user(f"user{number}")
            await installation.identities.create_user(user)
            await installation.identities.add_mfa_device(MfaDevice(f"serial{number}", user.arn, b"s" * 20, NOW))
            await installation.identities.add_credential(a_credential(key=f"AKIA{number}"))
        await installation.keys.add(KEY, new_material())
        data_key = await installation.key_ring.generate_data_key(KEY.arn, {}, ROOT)
        await installation.keys.rotate(KEY.key_id, new_material(), NOW, is_on_demand=True)
        await installation.signer.current_key(REGION, NOW)
        await installation.connections.put(a_connection(), b"secret")
    await message_signer(home).certificate()
    return home, data_key


def message_signer(home: Home) -> MessageSigner:
    return MessageSigner(home.topic_key_file, HandClock(), home.sealer(), write_private)


SECRETS = 1 + USERS * 2 + 2 + 1 + 1 + 1
"""The owner's key, those of the users and their devices, two versions of a key, a signing key, a connection's, topics'
own."""


async def assert_everything_opens(installation: Installation, data_key: DataKey) -> None:
    for number in range(USERS):
        credential = await installation.identities.credential(f"AKIA{number}")
        assert credential is not None
        assert credential.secret_access_key == a_credential().secret_access_key
        device = await installation.identities.mfa_device(a_user(f"user{number}").arn)
        assert device is not None
        assert device.secret == b"s" * 20
    assert await installation.key_ring.decrypt(data_key.blob, {}, ROOT) == data_key.plaintext
    assert await installation.connections.secrets(a_connection()) == b"secret"
    key = await installation.signer.current_key(REGION, NOW)
    assert await installation.signer.sign(REGION, key.fingerprint, b"text")


async def test_everything_opens_with_the_new_key_and_nothing_with_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "ROWS_PER_TRANSACTION", 2)
    home, data_key = await a_home(tmp_path)
    old = home.master_key_file.read_bytes()

    assert await rotate_master_key(home, Settings()) == SECRETS

    new = home.master_key_file.read_bytes()
    assert (len(new), new == old) == (MASTER_KEY_BYTES, False)
    async with open_installation(home, Settings()) as installation:
        await assert_everything_opens(installation, data_key)
        assert await message_signer(home).certificate()
        assert [event["eventName"] for event in await events_of(installation)] == ["RotateMasterKey"]
    assert await sealed_under(home, old) == 0
    assert await sealed_under(home, new) == SECRETS - 2


def _rows(query: Select[Any], connection: Connection) -> Sequence[RowMapping]:
    return connection.execute(query).mappings().all()


async def sealed_under(home: Home, master_key: bytes) -> int:
    """Return how many of the database's secrets open with one master key."""
    database, sealer, count = await open_database(f"sqlite:///{home.metadata_file}"), Sealer(master_key), 0
    for sealed in SEALED:
        query = sealed.table.select()
        rows = await database.read(partial(_rows, query))
        for row in rows:
            try:
                sealer.unseal(row[sealed.column.name], sealed.context(row))
            except SealBroken:
                continue
            count += 1
    await database.close()
    return count


async def test_a_change_that_was_broken_off_harms_nothing_and_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, data_key = await a_home(tmp_path)
    old = home.master_key_file.read_bytes()

    def fail(*_: object) -> int:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(signing_keys, "reseal", fail)
        with pytest.raises(OperatorError, match="run the command again"):
            await rotate_master_key(home, Settings())
    between = home.master_key_file.read_bytes()
    async with open_installation(home, Settings()) as installation:
        await assert_everything_opens(installation, data_key)
    assert between.endswith(old)

    await rotate_master_key(home, Settings())

    assert home.master_key_file.read_bytes() == between[:MASTER_KEY_BYTES]
    async with open_installation(home, Settings()) as installation:
        await assert_everything_opens(installation, data_key)


async def test_a_secret_that_does_not_open_stops_the_change_before_the_old_key_is_gone(tmp_path: Path) -> None:
    home, _ = await a_home(tmp_path)
    old = home.master_key_file.read_bytes()
    database = await open_database(f"sqlite:///{home.metadata_file}")
    damage = update(credentials).where(credentials.c.access_key_id == "AKIA3").values(sealed_secrets=b"\x01damaged")
    await database.write(lambda connection: connection.execute(damage))
    await database.close()

    with pytest.raises(SecretDamaged, match="AKIA3"):
        await rotate_master_key(home, Settings())

    assert home.master_key_file.read_bytes().endswith(old)


async def test_a_home_that_is_held_or_not_there_is_refused(tmp_path: Path) -> None:
    home, _ = await a_home(tmp_path)
    before = home.master_key_file.read_bytes()

    with home.lock(), pytest.raises(HomeInUse):
        await rotate_master_key(Home(home.path), Settings())
    with pytest.raises(OperatorError, match="there is no home"):
        await rotate_master_key(Home(tmp_path / "none"), Settings())

    assert home.master_key_file.read_bytes() == before


def test_every_sealed_column_is_known() -> None:
    sealed = {
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed")
    }

    assert {each.column for each in SEALED} == sealed
