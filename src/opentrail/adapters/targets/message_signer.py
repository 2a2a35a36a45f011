"""The key that signs topics' messages, as SNS does: RSA-2048 PKCS#1 v1.5 over SHA-1 (version 1) or SHA-256 (version 2).

Made once, with a certificate of its own that receivers fetch from ``SigningCertURL``; one private file keeps both.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from opentrail.clock import Clock
from opentrail.errors import OperatorError

KEY_BITS = 2048
CERTIFICATE_LIFE = timedelta(days=3650)

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OTHER = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class MessageSigner:
    """``write`` stores the file's bytes privately and durably."""

    def __init__(self, path: Path, clock: Clock, write: Callable[[Path, bytes], None]) -> None:
        self._path = path
        self._clock = clock
        self._write = write
        self._opening = asyncio.Lock()
        self._opened: tuple[rsa.RSAPrivateKey, bytes] | None = None

    async def certificate(self) -> bytes:
        """Return the certificate as PEM. Raises OperatorError when the file is damaged."""
        return (await self._open())[1]

    async def certificate_name(self) -> str:
        """Return the last part of the certificate's URL, which tells certificates apart."""
        digest = hashlib.sha256(await self.certificate()).hexdigest()[:32]
        return f"SimpleNotificationService-{digest}.pem"

    async def sign(self, message: Mapping[str, str], version: str) -> str:
        """Return the signature of a message, in base64."""
        key, _ = await self._open()
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - version 1 is SHA-1
        return base64.b64encode(key.sign(text_to_sign(message), padding.PKCS1v15(), algorithm)).decode()

    async def _open(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(self._read_or_make)
            return self._opened

    def _read_or_make(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        if not self._path.exists():
            self._write(self._path, self._made())
        kept = self._path.read_bytes()
        try:
            key = serialization.load_pem_private_key(kept, None)
            certificate = x509.load_pem_x509_certificate(kept)
        except ValueError as error:
            raise OperatorError(f"{self._path} is damaged: restore it, or remove it for a new key") from error
        assert isinstance(key, rsa.RSAPrivateKey)
        return key, certificate.public_bytes(serialization.Encoding.PEM)

    def _made(self) -> bytes:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Opentrail topics")])
        now = self._clock.now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + CERTIFICATE_LIFE)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + certificate.public_bytes(serialization.Encoding.PEM)


def text_to_sign(message: Mapping[str, str]) -> bytes:
    """Return what a message's signature covers: names and values, a line each (reference: SNS, HTTP message)."""
    names = _NOTIFICATION if message["Type"] == "Notification" else _OTHER
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
