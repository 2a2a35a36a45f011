"""Signing keys on a PKCS#11 token: named and made ones, and a token that is away or locked."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opentrail.adapters.signer.pkcs11 import Pkcs11Keys, Token
from opentrail.adapters.signer.registered import RegisteredSigner
from opentrail.digest.signing import is_signature_of, load_public_key
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from tests.builders import NOON, REGION
from tests.support.soft_hsm import soft_hsm_token

DAY = timedelta(days=1)


@pytest.fixture
def token() -> Token:
    return soft_hsm_token()


def a_signer(folder: Path, token: Token) -> RegisteredSigner:
    return RegisteredSigner(folder, Pkcs11Keys(token))


def make_key(token: Token, label: str, bits: int = 2048) -> None:
    import pkcs11

    with _open(token, rw=True) as session:
        session.generate_keypair(pkcs11.KeyType.RSA, bits, label=label, id=label.encode(), store=True)


def _open(token: Token, *, rw: bool) -> Any:
    import pkcs11

    return pkcs11.lib(token.module).get_token(token_label=token.label).open(rw=rw, user_pin=token.pin)


async def test_a_made_key_never_leaves_the_token(token: Token, tmp_path: Path) -> None:
    import pkcs11

    key = await a_signer(tmp_path, token).current_key(REGION, NOON)

    [file] = tmp_path.rglob("*.json")
    assert "private" not in file.read_text()
    with _open(token, rw=False) as session:
        keys = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
        [private] = [found for found in keys if found.id.hex() in file.read_text()]
        assert private[pkcs11.Attribute.SENSITIVE]
        assert not private[pkcs11.Attribute.EXTRACTABLE]
    assert key.fingerprint in file.name


async def test_made_keys_outlive_the_process(token: Token, tmp_path: Path) -> None:
    key = await a_signer(tmp_path, token).current_key(REGION, NOON)
    later = a_signer(tmp_path, token)

    assert await later.current_key(REGION, NOON) == key
    signature = await later.sign(REGION, key.fingerprint, b"text")
    assert is_signature_of(load_public_key(key.der), b"text", signature)


async def test_named_keys_sign_in_the_order_of_the_settings(token: Token, tmp_path: Path) -> None:
    for label in ("2026", "2027"):
        make_key(token, label)
    signer = a_signer(tmp_path, replace(token, named_keys=("2026", "2027")))

    first = await signer.current_key(REGION, NOON)
    second = await signer.rotate(REGION, NOON + DAY)

    assert first.fingerprint != second.fingerprint
    for key in (first, second):
        signature = await signer.sign(REGION, key.fingerprint, b"text")
        assert is_signature_of(load_public_key(key.der), b"text", signature)
    with pytest.raises(OperatorError, match="names no further key"):
        await signer.rotate(REGION, NOON + 2 * DAY)


async def test_a_named_key_of_another_size_is_refused(token: Token, tmp_path: Path) -> None:
    make_key(token, "small", 1024)

    with pytest.raises(OperatorError, match="1024 bits"):
        await a_signer(tmp_path, replace(token, named_keys=("small",))).current_key(REGION, NOON)


@pytest.mark.parametrize(
    "changes",
    [{"pin": "00000000"}, {"label": "nobody"}, {"module": "/no/such/module.so"}, {"named_keys": ("nobody",)}],
)
async def test_a_token_that_cannot_be_used_is_unavailable_and_used_once_it_can(
    token: Token, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable, match="PKCS#11"):
        await a_signer(tmp_path, replace(token, **changes)).current_key(REGION, NOON)

    assert await a_signer(tmp_path, token).current_key(REGION, NOON)
