"""What every signer promises, asked of those in memory, on disk, in a KMS and on a PKCS#11 token."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from opentrail.adapters.signer.kms import KmsEndpoint, KmsKeys
from opentrail.adapters.signer.local import LocalSigner
from opentrail.adapters.signer.pkcs11 import Pkcs11Keys
from opentrail.adapters.signer.registered import RegisteredSigner
from opentrail.ports.signer import PublicKey, Signer
from opentrail.sealing import Sealer
from tests.builders import NOON, REGION
from tests.memory.signer import InMemorySigner
from tests.support.moto_server import moto_server
from tests.support.soft_hsm import soft_hsm_token

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(params=["memory", "local", "kms", "pkcs11"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    if request.param == "memory":
        return InMemorySigner()
    if request.param == "local":
        return LocalSigner(tmp_path / "keys", Sealer(bytes(32)))
    if request.param == "kms":
        endpoint = KmsEndpoint(request.getfixturevalue("moto"), "us-east-1", "test", "test")
        return RegisteredSigner(tmp_path / "keys", KmsKeys(endpoint))
    return RegisteredSigner(tmp_path / "keys", Pkcs11Keys(soft_hsm_token()))


def verify(key: PublicKey, text: bytes, signature: str) -> None:
    public = load_der_public_key(key.der)
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 2048
    public.verify(bytes.fromhex(signature), text, padding.PKCS1v15(), hashes.SHA256())


async def test_a_signature_is_checked_with_the_public_key(signer: Signer) -> None:
    key = await signer.current_key(REGION, NOON)

    signature = await signer.sign(REGION, key.fingerprint, b"text")

    assert len(signature) == 512
    assert signature == signature.lower()
    verify(key, b"text", signature)
    with pytest.raises(InvalidSignature):
        verify(key, b"Text", signature)


async def test_the_same_text_has_the_same_signature(signer: Signer) -> None:
    key = await signer.current_key(REGION, NOON)

    assert await signer.sign(REGION, key.fingerprint, b"x") == await signer.sign(REGION, key.fingerprint, b"x")


async def test_a_fingerprint_is_the_md5_of_the_pkcs1_der(signer: Signer) -> None:
    key = await signer.current_key(REGION, NOON)

    assert key.fingerprint == hashlib.md5(key.der).hexdigest()
    assert key.der[:4] == bytes.fromhex("3082010a")


async def test_a_key_is_valid_at_the_time_it_was_asked_for_and_thirty_days_long(signer: Signer) -> None:
    key = await signer.current_key(REGION, NOON + timedelta(microseconds=5))

    assert key.valid_from <= NOON + timedelta(microseconds=5) < key.valid_until
    assert key.valid_until - key.valid_from == 30 * DAY
    assert key.valid_from.microsecond == 0


async def test_a_region_keeps_its_key_until_it_expires(signer: Signer) -> None:
    first = await signer.current_key(REGION, NOON)

    assert await signer.current_key(REGION, NOON + 28 * DAY) == first
    later = await signer.current_key(REGION, NOON + 40 * DAY)

    assert later.fingerprint != first.fingerprint
    assert later.valid_from <= NOON + 40 * DAY


async def test_every_region_has_its_own_keys(signer: Signer) -> None:
    here = await signer.current_key(REGION, NOON)
    there = await signer.current_key("eu-west-1", NOON)

    assert here.fingerprint != there.fingerprint
    assert list(await signer.public_keys(REGION, NOON, NOON)) == [here]


async def test_after_a_rotation_the_new_key_signs_and_the_old_one_stays_listed(signer: Signer) -> None:
    old = await signer.current_key(REGION, NOON)

    new = await signer.rotate(REGION, NOON + DAY)

    assert await signer.current_key(REGION, NOON + DAY) == new
    assert await signer.current_key(REGION, NOON) == old
    assert list(await signer.public_keys(REGION, NOON, NOON + 2 * DAY)) == [old, new]
    verify(old, b"late", await signer.sign(REGION, old.fingerprint, b"late"))


async def test_keys_are_listed_when_their_validity_meets_the_range(signer: Signer) -> None:
    key = await signer.current_key(REGION, NOON)

    async def listed(start: timedelta, end: timedelta) -> bool:
        return key in await signer.public_keys(REGION, NOON + start, NOON + end)

    assert await listed(-9 * DAY, 0 * DAY)
    assert await listed(5 * DAY, 6 * DAY)
    assert await listed(29 * DAY, 99 * DAY)
    assert not await listed(-9 * DAY, -8 * DAY)
    assert not await listed(31 * DAY, 99 * DAY)
    assert list(await signer.public_keys("eu-west-1", NOON, NOON)) == []


async def test_signing_with_an_unknown_key_is_refused(signer: Signer) -> None:
    with pytest.raises(KeyError):
        await signer.sign(REGION, "0" * 32, b"text")
