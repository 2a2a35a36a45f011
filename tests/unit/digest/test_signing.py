"""What is signed of a digest."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opentrail.digest.signing import UnreadableKey, is_signature_of, load_public_key, signing_text
from tests.builders import NOON, REGION
from tests.memory.signer import InMemorySigner


def test_the_text_is_four_lines_without_a_final_newline() -> None:
    text = signing_text("2026-11-20T13:00:00Z", "logs", "a/b.json.gz", "00ff", "abcd")

    assert text == b"2026-11-20T13:00:00Z\nlogs/a/b.json.gz\n00ff\nabcd"


def test_a_starting_digest_signs_the_word_null() -> None:
    assert signing_text("t", "b", "k", "h", None).endswith(b"\nnull")


async def test_a_signature_holds_for_its_text_and_key_only() -> None:
    signer = InMemorySigner()
    listed = await signer.current_key(REGION, NOON)
    other = await signer.current_key("eu-west-1", NOON)
    signature = await signer.sign(REGION, listed.fingerprint, b"text")
    key = load_public_key(listed.der)

    assert is_signature_of(key, b"text", signature)
    assert not is_signature_of(key, b"texT", signature)
    assert not is_signature_of(load_public_key(other.der), b"text", signature)
    assert not is_signature_of(key, b"text", "no hex")
    assert not is_signature_of(key, b"text", "")
    assert hashlib.md5(listed.der).hexdigest() == listed.fingerprint


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"no key",
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["nothing", "text", "elliptic curve"],
)
def test_what_is_no_rsa_key_is_unreadable(der: bytes) -> None:
    with pytest.raises(UnreadableKey):
        load_public_key(der)
