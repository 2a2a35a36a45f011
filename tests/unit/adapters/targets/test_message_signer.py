"""The key of topics' messages: made once, sealed at rest, sealed anew, taken over from what was not sealed."""

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from opentrail.adapters.targets.message_signer import MessageSigner, reseal, text_to_sign
from opentrail.errors import OperatorError
from opentrail.home import write_private
from opentrail.sealing import MASTER_KEY_BYTES, Sealer
from tests.builders import HandClock

KEY, OTHER = bytes(MASTER_KEY_BYTES), bytes([1]) * MASTER_KEY_BYTES
MESSAGE = {"Type": "Notification", "Message": "m", "MessageId": "1", "Timestamp": "t", "TopicArn": "a"}


def a_signer(path: Path, key: bytes = KEY) -> MessageSigner:
    return MessageSigner(path, HandClock(), Sealer(key), write_private)


async def check(signer: MessageSigner) -> bytes:
    """Assert that the signer's certificate verifies what it signs; return the certificate."""
    certificate = await signer.certificate()
    public = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    signature = base64.b64decode(await signer.sign(MESSAGE, "2"))
    public.verify(signature, text_to_sign(MESSAGE), padding.PKCS1v15(), hashes.SHA256())
    return certificate


async def test_the_key_is_made_once_sealed_and_sealed_anew(tmp_path: Path) -> None:
    path = tmp_path / "topic-signing.json"
    made = await check(a_signer(path))

    assert b"PRIVATE" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert reseal(path, Sealer(OTHER, KEY), write_private) == 1
    assert await check(a_signer(path, OTHER)) == made
    with pytest.raises(OperatorError, match="damaged"):
        await a_signer(path).certificate()
    assert reseal(tmp_path / "none.json", Sealer(KEY), write_private) == 0


async def test_a_key_that_was_not_sealed_is_taken_over(tmp_path: Path) -> None:
    path, former = tmp_path / "topic-signing.json", tmp_path / "topic-signing.pem"
    private, certificate = a_signer(path)._made()
    key = serialization.load_der_private_key(private, None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    former.write_bytes(key.private_bytes(*form) + certificate)

    assert await check(a_signer(path)) == certificate
    assert not former.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"certificate":"x","sealed_private_key":"AQ=="}'])
async def test_a_damaged_file_is_said_to_be(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "topic-signing.json"
    path.write_bytes(content)

    with pytest.raises(OperatorError, match="restore it, or remove it"):
        await a_signer(path).certificate()
