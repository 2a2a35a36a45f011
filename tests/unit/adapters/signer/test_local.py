"""How signing keys lie on disk."""

import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from opentrail.adapters.signer.key_files import SigningKeyDamaged
from opentrail.adapters.signer.local import LocalSigner
from opentrail.adapters.signer.registered import OVERLAP, VALIDITY
from opentrail.sealing import Sealer
from tests.builders import NOON, REGION

SEALER = Sealer(bytes(32))


async def test_keys_outlive_the_process(tmp_path: Path) -> None:
    key = await LocalSigner(tmp_path, SEALER).current_key(REGION, NOON)

    later = LocalSigner(tmp_path, SEALER)

    assert await later.current_key(REGION, NOON) == key
    assert await later.sign(REGION, key.fingerprint, b"x") == await later.sign(REGION, key.fingerprint, b"x")


async def test_concurrent_first_uses_make_one_key(tmp_path: Path) -> None:
    signer = LocalSigner(tmp_path, SEALER)

    keys = await asyncio.gather(*(signer.current_key(REGION, NOON) for _ in range(5)))

    assert len({key.fingerprint for key in keys}) == 1
    assert len(list(tmp_path.glob("*/*.json"))) == 1


async def test_the_next_key_takes_over_before_the_last_one_ends(tmp_path: Path) -> None:
    signer = LocalSigner(tmp_path, SEALER)
    first = await signer.current_key(REGION, NOON)
    turn = first.valid_from + VALIDITY - OVERLAP

    second = await signer.current_key(REGION, turn)

    assert second.valid_from <= turn < first.valid_until
    assert await signer.current_key(REGION, turn - timedelta(seconds=1)) == first


async def test_a_private_key_is_not_readable_without_the_master_key(tmp_path: Path) -> None:
    key = await LocalSigner(tmp_path, SEALER).current_key(REGION, NOON)

    thief = LocalSigner(tmp_path, Sealer(bytes([1]) * 32))

    with pytest.raises(SigningKeyDamaged, match=key.fingerprint):
        await thief.sign(REGION, key.fingerprint, b"x")
    (path,) = tmp_path.glob("*/*.json")
    assert path.stat().st_mode & 0o077 == 0


async def test_a_private_key_cannot_be_moved_to_another_region(tmp_path: Path) -> None:
    key = await LocalSigner(tmp_path, SEALER).current_key(REGION, NOON)
    (tmp_path / REGION).rename(tmp_path / "eu-west-1")

    with pytest.raises(SigningKeyDamaged):
        await LocalSigner(tmp_path, SEALER).sign("eu-west-1", key.fingerprint, b"x")


async def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / REGION).mkdir()
    (tmp_path / REGION / "broken.json").write_bytes(orjson.dumps({"public_key": ""}))

    with pytest.raises(SigningKeyDamaged, match=r"broken\.json"):
        await LocalSigner(tmp_path, SEALER).public_keys(REGION, NOON, NOON)


async def test_a_region_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a Region"):
        await LocalSigner(tmp_path / "keys", SEALER).current_key("../elsewhere", NOON)
